#include "workers/segment/levels.h"

#include "plugins/sdk/kernels/clones.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LANES 16 /* samples a step, in two vectors; a multiple of two channels */

typedef float vector __attribute__((vector_size(32)));

bool levels_start(struct levels *levels, int rate, int channels) {
    if (channels != levels->channels) {
        free(levels->sums);
        free(levels->first);
        levels->sums = calloc((size_t)channels * 2, sizeof *levels->sums);
        levels->first = calloc((size_t)channels, sizeof *levels->first);
        levels->channels = levels->sums && levels->first ? channels : 0;
        if (!levels->channels) return false;
    }
    int hop = (rate + LEVELS_PER_SECOND / 2) / LEVELS_PER_SECOND;
    levels->hop = hop > 0 ? hop : 1;
    levels->filled = 0;
    levels->count = 0;
    return true;
}

double levels_to_db(uint8_t level) {
    return (level - 255) / 2.0;
}

uint8_t levels_from_db(double db) {
    double level = 255 + 2 * db;
    return level >= 255 ? 255 : level > 0 ? (uint8_t)(level + 0.5) : 0;
}

static bool append(struct levels *levels, uint8_t level) {
    if (levels->count == levels->capacity) {
        size_t capacity = levels->capacity ? levels->capacity * 2 : 4096;
        uint8_t *larger = realloc(levels->level, capacity);
        if (!larger) return false;
        levels->level = larger;
        levels->capacity = capacity;
    }
    levels->level[levels->count++] = level;
    return true;
}

/* Sums of one channel (width 1) or two interleaved ones (width 2), relative to each channel's offset. */
SONDE_CLONES static void add_narrow(const float *x, size_t n, size_t width, const float *offset, double *sums) {
    float base[LANES], sum[LANES] = {0}, square[LANES] = {0};
    vector sum0 = {0}, sum1 = {0}, square0 = {0}, square1 = {0}, base0, v0, v1;
    for (size_t k = 0; k < LANES; k++) base[k] = offset[k & (width - 1)];
    memcpy(&base0, base, sizeof base0);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        memcpy(&v0, x + i, sizeof v0);
        memcpy(&v1, x + i + LANES / 2, sizeof v1);
        v0 -= base0;
        v1 -= base0;
        sum0 += v0;
        sum1 += v1;
        square0 += v0 * v0;
        square1 += v1 * v1;
    }
    sum0 += sum1;
    square0 += square1;
    memcpy(sum, &sum0, sizeof sum0);
    memcpy(square, &square0, sizeof square0);
    for (size_t k = 0; i < n; i++, k++) {
        float d = x[i] - base[k];
        sum[k] += d;
        square[k] += d * d;
    }
    for (size_t k = 0; k < LANES; k++) {
        sums[k & (width - 1)] += (double)sum[k];
        sums[width + (k & (width - 1))] += (double)square[k];
    }
}

SONDE_CLONES static void add_wide(const float *x, size_t frames, size_t channels, const float *offset, double *sums) {
    double *restrict sum = sums, *restrict square = sums + channels;
    for (size_t f = 0; f < frames; f++) {
        const float *frame = x + f * channels;
        for (size_t c = 0; c < channels; c++) {
            double d = (double)frame[c] - (double)offset[c];
            sum[c] += d;
            square[c] += d * d;
        }
    }
}

/* The level under way is complete: the variance of each channel, the loudest counts. */
static bool complete(struct levels *levels) {
    double loudest = 0, n = levels->filled;
    for (int c = 0; c < levels->channels; c++) {
        double mean = levels->sums[c] / n;
        double variance = levels->sums[levels->channels + c] / n - mean * mean;
        if (!(variance <= loudest)) loudest = variance; /* also what overflowed */
    }
    memset(levels->sums, 0, (size_t)levels->channels * 2 * sizeof *levels->sums);
    levels->filled = 0;
    if (loudest < 1.5e-13) return append(levels, 0); /* -128 dBFS */
    return append(levels, levels_from_db(10 * log10(loudest < 1 ? loudest : 1)));
}

bool levels_add(struct levels *levels, const float *samples, int64_t frames) {
    size_t channels = (size_t)levels->channels;
    while (frames > 0) {
        int64_t n = levels->hop - levels->filled < frames ? levels->hop - levels->filled : frames;
        if (levels->filled == 0) memcpy(levels->first, samples, channels * sizeof *samples);
        if (channels <= 2)
            add_narrow(samples, (size_t)n * channels, channels, levels->first, levels->sums);
        else
            add_wide(samples, (size_t)n, channels, levels->first, levels->sums);
        levels->filled += (int)n;
        samples += (size_t)n * channels;
        frames -= n;
        if (levels->filled == levels->hop && !complete(levels)) return false;
    }
    return true;
}

bool levels_finish(struct levels *levels) {
    return levels->filled == 0 || complete(levels);
}

void levels_free(struct levels *levels) {
    free(levels->level);
    free(levels->sums);
    free(levels->first);
    *levels = (struct levels){0};
}
