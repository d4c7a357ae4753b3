/* SPDX-License-Identifier: MIT */
#include "tones.h"

#include "kernels/clones.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BIN_HZ        ((double)TONES_RATE / TONES_WINDOW)
#define FIRST         18   /* 48 Hz */
#define LAST          1857 /* 5 kHz */
#define SPAN          2608 /* bins whose magnitudes are needed: the surroundings of the last peak; a multiple of 8 */
#define HIGHEST_POWER 1e9f
#define LOWEST        1e-3f /* of the highest magnitude of the frame: 60 dB */

struct tones {
    size_t room, count;
    struct tones_frame *frames;
    uint16_t from[LAST + 1], to[LAST + 1]; /* what is around a bin: a quarter octave to each side */
    float magnitude[SPAN];
    double sums[SPAN + 1]; /* running sums of magnitude */
};

struct candidate {
    uint32_t bin;
    float salience;
};

struct tones *tones_new(size_t frames) {
    struct tones *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    t->room = frames + 1;
    t->frames = calloc(t->room, sizeof *t->frames);
    if (!t->frames) {
        free(t);
        return NULL;
    }
    for (uint32_t k = 0; k <= LAST; k++) {
        double low = k * exp2(-0.25), high = k * exp2(0.25);
        t->from[k] = (uint16_t)(k > low + 8.0 ? low : k > 8 ? k - 8.0 : 0.0);
        t->to[k] = (uint16_t)(high > k + 8.0 ? high : k + 8.0);
    }
    return t;
}

void tones_free(struct tones *t) {
    if (!t) return;
    free(t->frames);
    free(t);
}

/* Keeps the TONES_PEAKS most salient of what comes in rising order, in that order; of equals the lower ones. (qsort would
 * allocate, in every frame.) */
static uint32_t keep(struct candidate *kept, uint32_t n, struct candidate one) {
    uint32_t worst = 0;
    if (n < TONES_PEAKS) {
        kept[n] = one;
        return n + 1;
    }
    for (uint32_t i = 1; i < n; i++)
        if (kept[i].salience <= kept[worst].salience) worst = i;
    if (one.salience <= kept[worst].salience) return n;
    memmove(kept + worst, kept + worst + 1, (n - 1 - worst) * sizeof *kept);
    kept[n - 1] = one;
    return n;
}

static float around(const struct tones *t, uint32_t k) {
    return (float)((t->sums[t->to[k] + 1] - t->sums[t->from[k]]) / (t->to[k] + 1 - t->from[k]));
}

static struct tone tone_at(const struct tones *t, uint32_t k) {
    const float *m = t->magnitude;
    float a = logf(m[k - 1] + 1e-12f), b = logf(m[k] + 1e-12f), c = logf(m[k + 1] + 1e-12f), bend = a - 2.0f * b + c;
    float shift = bend < 0.0f ? 0.5f * (a - c) / bend : 0.0f;
    return (struct tone){69.0f + 12.0f * log2f((float)((k + (double)shift) * BIN_HZ / 440.0)),
                         expf(b - 0.25f * (a - c) * shift), around(t, k)};
}

/* Magnitudes and their running sums, four at a time, so that no addition waits for the one before; returns the power. */
SONDE_CLONES static float magnitudes_make(const float *power, float *magnitude, double *sums) {
    float total[8] = {0};
    for (uint32_t k = 0; k < SPAN; k += 8)
        for (uint32_t i = 0; i < 8; i++) {
            float p = power[k + i] < HIGHEST_POWER ? power[k + i] : HIGHEST_POWER;
            total[i] += p;
            magnitude[k + i] = sqrtf(p);
        }
    sums[0] = 0;
    for (uint32_t k = 0; k < SPAN; k += 4) {
        const double a = (double)magnitude[k], b = (double)magnitude[k + 1], c = (double)magnitude[k + 2];
        const double before = sums[k], ab = a + b, cd = c + (double)magnitude[k + 3];
        sums[k + 1] = before + a;
        sums[k + 2] = before + ab;
        sums[k + 3] = before + (ab + c);
        sums[k + 4] = before + (ab + cd);
    }
    return ((total[0] + total[4]) + (total[1] + total[5])) + ((total[2] + total[6]) + (total[3] + total[7]));
}

static void frame_add(struct tones *t, const float *power) {
    struct tones_frame *f = &t->frames[t->count++];
    float top = 0.0f, total = magnitudes_make(power, t->magnitude, t->sums);
    const float *m = t->magnitude;
    for (uint32_t k = FIRST; k <= LAST; k++) top = m[k] > top ? m[k] : top;
    float lowest = LOWEST * top > 1e-6f ? LOWEST * top : 1e-6f;
    struct candidate found[TONES_PEAKS];
    uint32_t n = 0;
    for (uint32_t k = FIRST; k <= LAST; k++) {
        if (m[k] <= m[k - 1] || m[k] < m[k + 1] || m[k] < lowest) continue;
        float ratio = m[k] / around(t, k);
        if (ratio > 1.0f) n = keep(found, n, (struct candidate){k, ratio * sqrtf(m[k])});
    }
    f->count = n;
    f->power = total;
    for (uint32_t i = 0; i < n; i++) f->tone[i] = tone_at(t, found[i].bin);
}

void tones_add(struct tones *t, const float *power, size_t stride, size_t frames) {
    for (size_t f = 0; f < frames && t->count < t->room; f++) frame_add(t, power + f * stride);
}

const struct tones_frame *tones_frames(const struct tones *t, size_t *count) {
    *count = t->count;
    return t->frames;
}
