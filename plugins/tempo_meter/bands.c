/* SPDX-License-Identifier: MIT */
#include "bands.h"

#include "kernels/sums.h"

#include <math.h>
#include <stdlib.h>

#define LOWEST_HZ       32.0
#define BANDS_AN_OCTAVE 6.0

/* The edges of neighbouring triangles: bins on the logarithmic axis, each at least one above the last. */
static void edges_make(uint16_t *edge, int count) {
    const double bin_hz = (double)BANDS_RATE / BANDS_WINDOW;
    long last = -1;
    for (int i = 0; i < count; i++) {
        long bin = lround(LOWEST_HZ * exp2(i / BANDS_AN_OCTAVE) / bin_hz);
        if (bin <= last) bin = last + 1;
        last = bin < BANDS_BINS - 1 ? bin : BANDS_BINS - 1;
        edge[i] = (uint16_t)last;
    }
}

void bands_init(struct bands *bands) {
    uint16_t edge[BANDS_COUNT + 2];
    edges_make(edge, BANDS_COUNT + 2);
    uint32_t offset = 0;
    for (int b = 0; b < BANDS_COUNT; b++) {
        const int low = edge[b], peak = edge[b + 1], high = edge[b + 2];
        double sum = 0;
        bands->first[b] = (uint16_t)(low + 1);
        bands->count[b] = (uint16_t)(high - low - 1);
        bands->offset[b] = offset;
        for (int bin = low + 1; bin < high; bin++) {
            const double w = bin <= peak ? (double)(bin - low) / (peak - low) : (double)(high - bin) / (high - peak);
            bands->weight[offset++] = (float)w;
            sum += w;
        }
        for (uint32_t i = bands->offset[b]; i < offset; i++) bands->weight[i] = (float)(bands->weight[i] / sum);
    }
}

void bands_apply(const struct bands *bands, const float *power, float *out) {
    for (int b = 0; b < BANDS_COUNT; b++) {
        const float *w = bands->weight + bands->offset[b], *p = power + bands->first[b];
        const int whole = bands->count[b] / 8 * 8;
        float sum = whole ? sums_band(p, w, (size_t)whole) : 0;
        for (int i = whole; i < bands->count[b]; i++) sum += w[i] * p[i];
        out[b] = sqrtf(sum);
    }
}

static int float_compare(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

double bands_compress(float *frames, int64_t count) {
    if (count == 0) return 0;
    float *level = malloc((size_t)count * sizeof *level);
    if (!level) return -1;
    for (int64_t t = 0; t < count; t++) {
        float sum = 0;
        for (int b = 0; b < BANDS_COUNT; b++) sum += frames[t * BANDS_COUNT + b] * frames[t * BANDS_COUNT + b];
        level[t] = sum / BANDS_COUNT;
    }
    qsort(level, (size_t)count, sizeof *level, float_compare);
    const double reference = sqrt((double)level[(count - 1) * 9 / 10]);
    free(level);
    if (!(reference > 1e-7)) {
        for (int64_t i = 0; i < count * BANDS_COUNT; i++) frames[i] = 0;
        return 0;
    }
    const float gain = (float)(BANDS_GAIN / reference);
    for (int64_t i = 0; i < count * BANDS_COUNT; i++) frames[i] = logf(1 + gain * frames[i]);
    return reference;
}
