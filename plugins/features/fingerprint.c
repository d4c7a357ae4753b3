/* SPDX-License-Identifier: MIT */
#include "fingerprint.h"

#include <math.h>

/* Centre and scale of each measure, in order. */
static const double scaling[FINGERPRINT_SIZE][2] = {
    {61.73, 38.85},   {-9.751, 19.98},  {13.03, 15.48},   {2.647, 8.807},   {3.937, 11.75},
    {1.022, 7.265},   {2.24, 6.586},    {-0.9196, 6.317}, {3.176, 5.034},   {-1.131, 5.658},
    {15.96, 13.04},   {11.58, 7.967},   {7.959, 6.728},   {7.522, 4.955},   {9.61, 0.9802},
    {715.2, 578},     {-2.578, 1.64},   {26.67, 6.878},   {0.5243, 0.5253}, {0.7935, 2.078},
    {0.2906, 0.2826}, {0.2703, 0.3311}, {0.7273, 0.3665}, {7.655, 1.812},   {-4.837, 2.687},
};

#define PITCH 23 /* counts only where there is one */

void fingerprint_make(const struct spectral_result *s, double attack, double out[FINGERPRINT_SIZE]) {
    for (int i = 0; i < FINGERPRINT_SIZE; i++) out[i] = 0.0;
    if (s->active == 0) return;
    int n = 0;
    for (int c = 1; c <= 10; c++) out[n++] = s->mfcc_mean[c];
    for (int c = 1; c <= 4; c++) out[n++] = s->mfcc_spread[c];
    double contrast = 0.0;
    for (int b = 0; b < SPECTRAL_CONTRAST; b++) contrast += s->contrast[b] / SPECTRAL_CONTRAST;
    out[n++] = log2(fmax(20.0, s->centroid));
    out[n++] = s->bandwidth;
    out[n++] = log10(fmax(1e-6, s->flatness));
    out[n++] = contrast;
    out[n++] = s->flux;
    out[n++] = log2(0.1 + s->onset_rate);
    out[n++] = s->harmonic;
    out[n++] = s->percussive;
    out[n++] = s->voiced;
    out[n++] = s->f0_median > 0.0 ? log2(s->f0_median) : 0.0;
    out[n++] = log2(0.005 + attack);
    for (int i = 0; i < FINGERPRINT_SIZE; i++) {
        double v = (out[i] - scaling[i][0]) / scaling[i][1];
        out[i] = i == PITCH && s->f0_median <= 0.0 ? 0.0 : fmax(-4.0, fmin(4.0, v));
    }
}
