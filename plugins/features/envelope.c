/* SPDX-License-Identifier: MIT */
#include "envelope.h"

#include <math.h>
#include <stdlib.h>

#define FRAME 0.01 /* s */
#define EDGE  5    /* frames at either end of a sound that tell how it begins and ends */

static int compare_floats(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static float smoothed(const float *squares, size_t count, size_t k) {
    float sum = squares[k], n = 1.0f;
    if (k > 0) sum += squares[k - 1], n += 1.0f;
    if (k + 1 < count) sum += squares[k + 1], n += 1.0f;
    return sqrtf(sum / n);
}

/* The first frame at half of the highest RMS, then uphill until nothing higher comes for 60 ms. */
static size_t event_top(const float *rms, size_t count, float highest) {
    size_t k = 0;
    while (k < count && rms[k] < 0.5f * highest) k++;
    for (size_t ahead = k + 1; ahead < count && ahead <= k + 6; ahead++)
        if (rms[ahead] > rms[k]) k = ahead;
    return k;
}

static void event_measure(const float *rms, size_t count, float *sorted, float highest, struct envelope *e) {
    size_t top = event_top(rms, count, highest), begin = top, end = top;
    while (begin > 0 && rms[begin] > 0.9f * rms[top]) begin--;
    size_t high = begin;
    while (begin > 0 && rms[begin] > 0.1f * rms[top]) begin--;
    while (end < count && rms[end] > 0.1f * rms[top]) end++;
    e->attack = (double)(high - begin) * FRAME;
    e->decay = (double)(end - top) * FRAME;
    size_t n = end - top;
    for (size_t i = 0; i < n; i++) sorted[i] = rms[top + i];
    qsort(sorted, n, sizeof *sorted, compare_floats);
    e->sustain = n ? fmin(1.0, (double)(sorted[n / 2] / highest)) : 0.0;
}

bool envelope_measure(const float *squares, size_t count, struct envelope *e) {
    *e = (struct envelope){0};
    float *rms = malloc((2 * count + 1) * sizeof *rms), highest = 0.0f, first = 0.0f, last = 0.0f;
    if (!rms) return false;
    double sum = 0.0, square = 0.0, moment = 0.0;
    for (size_t k = 0; k < count; k++) {
        rms[k] = smoothed(squares, count, k);
        highest = rms[k] > highest ? rms[k] : highest;
        sum += (double)rms[k];
        square += (double)rms[k] * (double)rms[k];
        moment += (double)rms[k] * (double)rms[k] * ((double)k + 0.5) * FRAME;
    }
    if (highest > 1e-8f) {
        event_measure(rms, count, rms + count, highest, e);
        double mean = sum / (double)count, variance = fmax(0.0, square / (double)count - mean * mean);
        e->centroid = fmin(moment / square, (double)count * FRAME);
        e->steadiness = 1.0 - fmin(1.0, sqrt(variance) / mean);
        for (size_t k = 0; k < count && k < EDGE; k++) first = rms[k] > first ? rms[k] : first;
        for (size_t k = count > EDGE ? count - EDGE : 0; k < count; k++) last = rms[k] > last ? rms[k] : last;
        e->start_level = (double)(first / highest);
        e->end_level = (double)(last / highest);
    }
    free(rms);
    return true;
}

const char *envelope_kind(const struct envelope *e, const struct envelope_context *c) {
    bool one_event = c->onsets <= 2 || (c->duration < 1.0 && c->onsets <= 3);
    if (c->duration <= 8.0 && one_event && e->end_level < 0.25 && e->centroid < 0.6 * c->duration)
        return ENVELOPE_ONE_SHOT;
    if (c->duration < 0.5 && one_event) return ENVELOPE_ONE_SHOT;
    /* What is cut to be repeated begins on a beat, at once: .91 of 111 loops of five packs do, .08 of 181 spoken clips and of 184
     * pieces of music do. How it ends tells less: a last hit may have died away. */
    if (c->whole_file && c->duration >= 0.8 && c->duration <= 40.0 && c->onsets >= 3 && e->start_level >= 0.2)
        return c->voiced > 0.8 && c->f0_stability > 0.8 && c->f0_jumps >= 0.3 ? ENVELOPE_MELODY : ENVELOPE_LOOP;
    if (c->voiced > 0.7 && c->f0_stability > 0.75 && c->f0_jumps >= 0.3) return ENVELOPE_MELODY;
    if (e->steadiness > 0.55 && c->onset_rate < 0.7) return ENVELOPE_TEXTURE;
    return ENVELOPE_MIXED;
}
