/* SPDX-License-Identifier: MIT */
#include "chroma.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NOTES         72
#define LOWEST_HZ     65.40639132514966
#define BIN_HZ        ((double)CHROMA_RATE / CHROMA_WINDOW)
#define HIGHEST_POWER 1e9f

struct note {
    size_t first, count, weights;
};

struct chroma {
    size_t room, count;
    struct note note[NOTES];
    float *weights, *frames;
    double sum[12];
};

static size_t note_design(struct chroma *c, int n, size_t used) {
    double centre = LOWEST_HZ * exp2(n / 12.0), left = centre * exp2(-1.0 / 12.0), right = centre * exp2(1.0 / 12.0);
    struct note *note = &c->note[n];
    *note = (struct note){(size_t)ceil(left / BIN_HZ), 0, used};
    double total = 0.0;
    for (size_t k = note->first; (double)k * BIN_HZ < right; k++) {
        double w = 1.0 - fabs(12.0 * log2((double)k * BIN_HZ / centre));
        total += w > 0.0 ? w : 0.0;
        c->weights[used++] = (float)(w > 0.0 ? w : 0.0);
        note->count++;
    }
    if (note->count >= 2 && total > 0.5) return used;
    used = note->weights; /* narrower than a bin: interpolate */
    note->first = (size_t)(centre / BIN_HZ);
    note->count = 2;
    double part = centre / BIN_HZ - (double)note->first;
    c->weights[used++] = (float)(1.0 - part);
    c->weights[used++] = (float)part;
    return used;
}

struct chroma *chroma_new(size_t frames) {
    struct chroma *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->room = frames + 1;
    c->weights = calloc(CHROMA_WINDOW + 4 * NOTES, sizeof *c->weights);
    c->frames = calloc(c->room, 12 * sizeof *c->frames);
    if (!c->weights || !c->frames) {
        chroma_free(c);
        return NULL;
    }
    size_t used = 0;
    for (int n = 0; n < NOTES; n++) used = note_design(c, n, used);
    return c;
}

void chroma_free(struct chroma *c) {
    if (!c) return;
    free(c->weights);
    free(c->frames);
    free(c);
}

static void frame_add(struct chroma *c, const float *power) {
    float *out = c->frames + c->count++ * 12, top = 0.0f;
    for (int n = 0; n < NOTES; n++) {
        const struct note *note = &c->note[n];
        float sum = 0.0f;
        for (size_t i = 0; i < note->count; i++) {
            float p = power[note->first + i] < HIGHEST_POWER ? power[note->first + i] : HIGHEST_POWER;
            sum += p * c->weights[note->weights + i];
        }
        out[n % 12] += sqrtf(sum);
    }
    for (int k = 0; k < 12; k++) {
        c->sum[k] += (double)out[k];
        top = out[k] > top ? out[k] : top;
    }
    for (int k = 0; k < 12; k++) out[k] = top > 1e-6f ? out[k] / top : 0.0f;
}

void chroma_add(struct chroma *c, const float *power, size_t stride, size_t frames) {
    for (size_t f = 0; f < frames && c->count < c->room; f++) frame_add(c, power + f * stride);
}

const float *chroma_frames(const struct chroma *c, size_t *count) {
    *count = c->count;
    return c->frames;
}

void chroma_mean(const struct chroma *c, double mean[12]) {
    double top = 0.0;
    for (int k = 0; k < 12; k++) top = fmax(top, c->sum[k]);
    for (int k = 0; k < 12; k++) mean[k] = top > 1e-6 * (double)(c->count + 1) ? c->sum[k] / top : 0.0;
}
