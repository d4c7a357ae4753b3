/* SPDX-License-Identifier: MIT */
#include "fingerprint.h"

#include <math.h>

/* Centre and scale of each measure, in order. */
static const double scaling[FINGERPRINT_SIZE][2] = {
    {59.54, 37.19},   {-9.134, 19.12},  {12.52, 14.82},   {3.274, 8.229},   {3.581, 10.84},
    {1.286, 6.644},   {2.024, 6.433},   {-0.8328, 6.435}, {2.854, 4.797},   {-1.162, 5.308},
    {15.6, 11.77},    {11.26, 7.595},   {8.137, 6.647},   {7.344, 4.888},   {9.61, 0.9802},
    {715.2, 578},     {-2.595, 1.647},  {26.16, 6.472},   {0.5243, 0.5253}, {0.7935, 2.078},
    {0.2906, 0.2826}, {0.2703, 0.3311}, {0.75, 0.3908},   {7.645, 1.712},   {-4.837, 2.687},
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
