/* SPDX-License-Identifier: MIT */
#include "bars.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FEWEST_BEATS   6
#define FLOOR          1e-3
#define BREAK_COST     6.0 /* of a bar that ends early or late */
#define EVIDENCE_SCALE .2  /* neighbouring bars repeat each other: they count as so many independent ones */

/* log-prior of 2 ... 7 beats a bar, from common sense: most music has 4, some 3, little the rest. */
static const double METER_PRIOR[BARS_LONGEST + 1] = {0, 0, -5.5, -1.2, 0, -7, -7.1, -7.5};

/* Log-likelihood ratio of "a bar begins here" from the network's probability near a beat; downbeats are one beat in
 * four a priori. */
static double evidence_at(const float *downbeat, int64_t count, double fps, double time) {
    const int64_t at = (int64_t)lround(time * fps);
    double p = 0;
    for (int64_t t = at - 1; t <= at + 1; t++)
        if (t >= 0 && t < count && downbeat[t] > p) p = downbeat[t];
    p = p < FLOOR ? FLOOR : p > 1 - FLOOR ? 1 - FLOOR : p;
    return log(p / (1 - p));
}

/* The best path over positions in a bar of `m` beats. `place` takes the position of each beat. Returns its score. */
static double bar_path(const double *evidence, int beats, int m, uint8_t *from, uint8_t *place) {
    double score[BARS_LONGEST] = {0}, next[BARS_LONGEST];
    for (int i = 0; i < beats; i++) {
        int best = 0;
        for (int k = 1; k < m; k++)
            if (score[k] > score[best]) best = k;
        for (int k = 0; k < m; k++) {
            const int before = (k + m - 1) % m;
            const bool jump = i > 0 && score[best] - BREAK_COST > score[before];
            from[i * BARS_LONGEST + k] = (uint8_t)(jump ? best : before);
            next[k] = (i == 0 ? 0 : jump ? score[best] - BREAK_COST : score[before]) + (k == 0 ? evidence[i] : 0);
        }
        memcpy(score, next, sizeof score);
    }
    int k = 0;
    for (int j = 1; j < m; j++)
        if (score[j] > score[k]) k = j;
    const double total = score[k];
    for (int i = beats - 1; i >= 0; i--) {
        place[i] = (uint8_t)k;
        k = from[i * BARS_LONGEST + k];
    }
    return total;
}

bool bars_find(const float *downbeat, int64_t count, double fps, const double *time, int beats, struct bars *bars) {
    memset(bars, 0, sizeof *bars);
    if (beats < FEWEST_BEATS) return true;
    const size_t n = (size_t)beats;
    double *evidence = malloc(n * sizeof *evidence);
    uint8_t *from = malloc(n * BARS_LONGEST), *place = malloc(n), *best_place = malloc(n);
    const bool ok = evidence && from && place && best_place;
    if (ok) {
        double score[BARS_LONGEST + 1], top = -INFINITY, sum = 0;
        for (int i = 0; i < beats; i++) evidence[i] = evidence_at(downbeat, count, fps, time[i]) + 1;
        for (int m = 2; m <= BARS_LONGEST; m++) {
            score[m] = EVIDENCE_SCALE * bar_path(evidence, beats, m, from, place) + METER_PRIOR[m];
            if (score[m] > top) {
                top = score[m];
                bars->beats_per_bar = m;
                memcpy(best_place, place, n);
            }
        }
        for (int m = 2; m <= BARS_LONGEST; m++) sum += bars->share[m] = exp(score[m] - top);
        for (int m = 2; m <= BARS_LONGEST; m++) bars->share[m] /= sum;
        bars->confidence = bars->share[bars->beats_per_bar];
        for (int i = 0; i < beats; i++) best_place[i] = best_place[i] == 0;
        bars->is_downbeat = best_place;
        best_place = NULL;
    }
    free(evidence);
    free(from);
    free(place);
    free(best_place);
    return ok;
}

void bars_free(struct bars *bars) {
    free(bars->is_downbeat);
    memset(bars, 0, sizeof *bars);
}
