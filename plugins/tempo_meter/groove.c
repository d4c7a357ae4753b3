/* SPDX-License-Identifier: MIT */
#include "groove.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FEWEST_OFFBEATS 6

struct placed {
    double phase;  /* 0 to 1 within its beat */
    double period; /* s, of that beat */
    double weight;
};

static int double_compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int place_onsets(const struct onsets *onsets, const double *time, int beats, struct placed *placed) {
    int n = 0, beat = 0;
    for (int i = 0; i < onsets->count; i++) {
        while (beat + 2 < beats && time[beat + 1] <= onsets->time[i]) beat++;
        const double period = time[beat + 1] - time[beat], phase = (onsets->time[i] - time[beat]) / period;
        if (phase >= 0 && phase < 1) placed[n++] = (struct placed){phase, period, (double)onsets->strength[i]};
    }
    return n;
}

static double distance(const struct placed *p, int subdivision) {
    return fabs(p->phase * subdivision - round(p->phase * subdivision)) / subdivision;
}

/* Weight of the onsets within .07 of a beat of `phase`. */
static double weight_near(const struct placed *placed, int n, double phase) {
    double sum = 0;
    for (int i = 0; i < n; i++)
        if (fabs(placed[i].phase - phase) < .07) sum += placed[i].weight;
    return sum;
}

/* The off-beat's median place between the middle (0) and two thirds (1) of the beat. */
static void swing_find(const struct placed *placed, int n, double *scratch, struct groove *groove) {
    int m = 0;
    for (int i = 0; i < n; i++)
        if (placed[i].phase > .42 && placed[i].phase < .74) scratch[m++] = placed[i].phase;
    if (m < FEWEST_OFFBEATS) return;
    qsort(scratch, (size_t)m, sizeof *scratch, double_compare);
    const double swing = (scratch[m / 2] - .5) * 6;
    groove->swing = swing < 0 ? 0 : swing > 1 ? 1 : swing;
    groove->swing_onsets = m;
}

/* The coarsest grid that most onsets keep to: a finer one must bring them nearer by more than chance would. */
static void grid_find(const struct placed *placed, int n, double *scratch, struct groove *groove) {
    static const int tried[] = {1, 2, 3, 4};
    double best = 0;
    for (size_t k = 0; k < sizeof tried / sizeof *tried; k++) {
        double near = 0, all = 0;
        for (int i = 0; i < n; i++) {
            near += distance(placed + i, tried[k]) < .07 ? placed[i].weight : 0;
            all += placed[i].weight;
        }
        const double chance = .14 * tried[k], score = all > 0 ? (near / all - chance) / (1 - chance) : 0;
        if (k == 0 || score > best + .05) {
            best = score;
            groove->subdivision = tried[k];
        }
    }
    for (int i = 0; i < n; i++) scratch[i] = distance(placed + i, groove->subdivision) * placed[i].period;
    if (n > 0) {
        qsort(scratch, (size_t)n, sizeof *scratch, double_compare);
        groove->deviation = scratch[n / 2];
    }
}

bool groove_find(const struct onsets *onsets, const double *time, int beats, struct groove *groove) {
    *groove = (struct groove){.subdivision = 1};
    if (beats < 2 || onsets->count == 0) return true;
    struct placed *placed = malloc((size_t)onsets->count * sizeof *placed);
    double *scratch = malloc((size_t)onsets->count * sizeof *scratch);
    const bool ok = placed && scratch;
    if (ok) {
        const int n = place_onsets(onsets, time, beats, placed);
        const double third = fmin(weight_near(placed, n, 1.0 / 3), weight_near(placed, n, 2.0 / 3));
        const double half = weight_near(placed, n, .5) +
                            .5 * (weight_near(placed, n, .25) + weight_near(placed, n, .75));
        groove->triple = third + half > 0 ? third / (third + half) : 0;
        if (groove->triple < .5) swing_find(placed, n, scratch, groove);
        grid_find(placed, n, scratch, groove);
    }
    free(placed);
    free(scratch);
    return ok;
}
