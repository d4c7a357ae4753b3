/* SPDX-License-Identifier: MIT */
#include "pitch.h"

#include "spectral.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES      8   /* transformed together */
#define LAG_MIN     11  /* 2 kHz */
#define LAG_MAX     441 /* 50 Hz */
#define FIRST_BIN   2   /* below lie DC and its side lobes */
#define END_BIN     326 /* 3.5 kHz: what is above would only make the peaks too narrow to see */
#define OCTAVE_COST 1.03f
#define VOICED_FROM 0.5f

struct pitch {
    const sonde_kernel_fft_many_t *kernel;
    sonde_fft_many_t *fft;
    float gain[LAG_MAX + 2]; /* 1 / autocorrelation of the window */
    float *target[FRAMES];
    uint32_t waiting;
    float powers[FRAMES * SPECTRAL_WINDOW]; /* one-sided spectra; bins outside FIRST_BIN to END_BIN stay zero */
    float lags[FRAMES * 2 * SPECTRAL_BINS];
};

struct pitch *pitch_new(const sonde_kernel_fft_many_t *kernel) {
    struct pitch *pitch = calloc(1, sizeof *pitch);
    if (!pitch) return NULL;
    pitch->kernel = kernel;
    pitch->fft = kernel->create(SPECTRAL_WINDOW);
    if (!pitch->fft) {
        free(pitch);
        return NULL;
    }
    /* The autocorrelation of the Hann window, in closed form (Boersma 1993, equation 8). */
    for (int lag = 0; lag <= LAG_MAX + 1; lag++) {
        double x = (double)lag / SPECTRAL_WINDOW;
        double r = (1.0 - x) * (2.0 / 3.0 + cos(2.0 * M_PI * x) / 3.0) + sin(2.0 * M_PI * x) / (2.0 * M_PI);
        pitch->gain[lag] = (float)(1.0 / r);
    }
    return pitch;
}

void pitch_free(struct pitch *pitch) {
    if (!pitch) return;
    pitch->kernel->destroy(pitch->fft);
    free(pitch);
}

/* A peak of the autocorrelation, through a parabola. */
struct peak {
    float lag, height;
};

static struct peak peak_at(const float *r, int lag) {
    float a = r[lag - 1], b = r[lag], c = r[lag + 1], bend = a - 2.0f * b + c;
    float shift = bend < 0.0f ? 0.5f * (a - c) / bend : 0.0f;
    return (struct peak){(float)lag + shift, b - 0.25f * (a - c) * shift};
}

/* From the transform of a power spectrum, whose real parts are its autocorrelation. */
static float pitch_of(const float *gain, const float *lags) {
    float r[LAG_MAX + 2], scale = lags[0] > 0.0f ? 1.0f / lags[0] : 0.0f;
    struct peak best = {0.0f, VOICED_FROM};
    for (int lag = LAG_MIN - 1; lag <= LAG_MAX + 1; lag++) r[lag] = lags[2 * lag] * (scale * gain[lag]);
    for (int lag = LAG_MIN; lag <= LAG_MAX; lag++) {
        if (r[lag] < r[lag - 1] || r[lag] <= r[lag + 1]) continue;
        struct peak peak = peak_at(r, lag);
        /* A slightly lower peak at a shorter lag is the fundamental; the longer ones are its multiples. */
        if (peak.height > best.height * (best.lag > 0.0f ? OCTAVE_COST : 1.0f)) best = peak;
    }
    return best.lag > 0.0f ? SPECTRAL_RATE / best.lag : 0.0f;
}

void pitch_flush(struct pitch *pitch) {
    if (pitch->waiting == 0) return;
    pitch->kernel->forward(pitch->fft, pitch->powers, SPECTRAL_WINDOW, pitch->waiting, pitch->lags, 2 * SPECTRAL_BINS);
    for (uint32_t f = 0; f < pitch->waiting; f++)
        *pitch->target[f] = pitch_of(pitch->gain, pitch->lags + (size_t)f * 2 * SPECTRAL_BINS);
    pitch->waiting = 0;
}

void pitch_forget(struct pitch *pitch) {
    pitch->waiting = 0;
}

void pitch_add(struct pitch *pitch, const float *power, float *f0) {
    float *to = pitch->powers + (size_t)pitch->waiting * SPECTRAL_WINDOW;
    memcpy(to + FIRST_BIN, power + FIRST_BIN, (END_BIN - FIRST_BIN) * sizeof *to);
    pitch->target[pitch->waiting++] = f0;
    if (pitch->waiting == FRAMES) pitch_flush(pitch);
}
