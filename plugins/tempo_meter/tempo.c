/* SPDX-License-Identifier: MIT */
#include "tempo.h"

#include "lags.h"

#include <math.h>
#include <stdlib.h>

#define LEAST_STRENGTH .001 /* of the relatives that are always named */
#define AGREE          .04  /* the usual tolerance of tempo estimates (Gouyon et al. 2006) */
#define BEYOND         .01  /* an end of a range */

bool tempo_range_read(const char *text, struct tempo_range *range) {
    char *end = NULL;
    *range = (struct tempo_range){0};
    if (text[0] == '\0') return true;
    const double slowest = strtod(text, &end);
    if (end == text || *end != '-') return false;
    const char *rest = end + 1;
    const double fastest = strtod(rest, &end);
    if (end == rest || *end != '\0' || !(slowest >= TEMPO_SLOWEST_BPM) || !(fastest <= TEMPO_FASTEST_BPM) ||
        !(2 * slowest <= fastest))
        return false;
    *range = (struct tempo_range){slowest, fastest};
    return true;
}

double tempo_range_ratio(const struct tempo_range *range, double bpm) {
    double ratio = 1;
    if (range->fastest == 0) return ratio;
    while (bpm * ratio < range->slowest * (1 - BEYOND)) ratio *= 2;
    while (bpm * ratio > range->fastest * (1 + BEYOND)) ratio /= 2;
    return ratio;
}

/* The tempo around beat `i`, over up to `span` beats. */
static double local_bpm(const double *time, int beats, int i, int span) {
    int a = i - span / 2, b = a + span;
    if (a < 0) {
        a = 0;
        b = span;
    }
    if (b > beats - 1) {
        b = beats - 1;
        a = b > span ? b - span : 0;
    }
    return 60 * (b - a) / (time[b] - time[a]);
}

static double line_bpm(const double *time, int n) {
    const double mean_i = (n - 1) / 2.0;
    double sum_t = 0, cross = 0, square = 0;
    for (int i = 0; i < n; i++) sum_t += time[i];
    for (int i = 0; i < n; i++) {
        cross += (i - mean_i) * (time[i] - sum_t / n);
        square += (i - mean_i) * (i - mean_i);
    }
    return 60 * square / cross;
}

double tempo_from_beats(const double *time, int beats) {
    if (beats < 4) return 0;
    const int span = beats > 8 ? 8 : beats - 1;
    double common = 0;
    int most = 0;
    for (int i = 0; i < beats; i++) {
        const double bpm = local_bpm(time, beats, i, span);
        int agreeing = 0;
        /* a stride keeps long regions linear enough: 64 samples of the others are plenty to find the mode */
        for (int j = 0; j < beats; j += 1 + beats / 64)
            agreeing += fabs(local_bpm(time, beats, j, span) / bpm - 1) < AGREE / 2;
        if (agreeing > most) {
            most = agreeing;
            common = bpm;
        }
    }
    int best_start = 0, best_length = 0, start = 0;
    for (int i = 0; i <= beats; i++)
        if (i == beats || fabs(local_bpm(time, beats, i, span) / common - 1) > AGREE / 2) {
            if (i - start > best_length) {
                best_length = i - start;
                best_start = start;
            }
            start = i + 1;
        }
    return best_length >= 4 ? line_bpm(time + best_start, best_length) : common;
}

double tempo_stability(const double *time, int beats, double bpm) {
    if (beats < 4) return 0;
    int steady = 0;
    for (int i = 0; i < beats; i++) steady += fabs(local_bpm(time, beats, i, 4) / bpm - 1) < AGREE;
    return (double)steady / beats;
}

double tempo_periodicity(const float *activation, int64_t count, double fps, double bpm) {
    double total = 0, sum = 0;
    for (int64_t t = 0; t < count; t++) total += (double)activation[t];
    const double zero = lags_covariance(activation, count, total, 0);
    if (!(zero > 1e-12)) return 0;
    int n = 0;
    for (int beats = 1; beats <= 4; beats++) {
        const double lag = beats * 60 * fps / bpm;
        if (lag > .6 * (double)count) break;
        sum += lags_covariance(activation, count, total, lag) / zero;
        n++;
    }
    return n ? sum / n : 0;
}

static int strength_compare(const void *a, const void *b) {
    const double x = ((const struct tempo_candidate *)a)->strength, y = ((const struct tempo_candidate *)b)->strength;
    return (x < y) - (x > y);
}

static double strength_of(const struct tempo_candidate *known, int count, double bpm) {
    for (int i = 0; i < count; i++)
        if (fabs(known[i].bpm / bpm - 1) < AGREE) return known[i].strength;
    return 0;
}

int tempo_candidates(const struct tempo_candidate *known, int known_count, double bpm,
                     struct tempo_candidate out[TEMPO_CANDIDATES]) {
    static const double ratio[] = {1, 2, .5, 2.0 / 3, .75};
    int n = 0;
    for (size_t i = 0; i < sizeof ratio / sizeof *ratio; i++) {
        const double strength = strength_of(known, known_count, bpm * ratio[i]);
        out[n++] = (struct tempo_candidate){bpm * ratio[i], strength > LEAST_STRENGTH ? strength : LEAST_STRENGTH};
    }
    while (n < TEMPO_CANDIDATES) {
        int best = -1;
        for (int i = 0; i < known_count; i++)
            if (strength_of(out, n, known[i].bpm) == 0 && (best < 0 || known[i].strength > known[best].strength))
                best = i;
        if (best < 0 || known[best].strength < LEAST_STRENGTH) break;
        out[n++] = known[best];
    }
    double sum = 0;
    for (int i = 0; i < n; i++) sum += out[i].strength;
    for (int i = 0; i < n; i++) out[i].strength /= sum;
    qsort(out + 1, (size_t)(n - 1), sizeof *out, strength_compare);
    return n;
}
