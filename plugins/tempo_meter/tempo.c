/* SPDX-License-Identifier: MIT */
#include "tempo.h"

#include <math.h>
#include <stdlib.h>

#define AGREE .04 /* the usual tolerance of tempo estimates (Gouyon et al. 2006) */

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

static double autocorrelation(const float *x, int64_t count, double mean, double lag) {
    const int64_t k = (int64_t)lag;
    const double part = lag - (double)k;
    double sum = 0;
    if (k + 1 >= count) return 0;
    for (int64_t t = 0; t + k + 1 < count; t++)
        sum += (x[t] - mean) * ((1 - part) * x[t + k] + part * x[t + k + 1] - mean);
    return sum / (double)(count - k - 1);
}

double tempo_periodicity(const float *activation, int64_t count, double fps, double bpm) {
    double mean = 0, sum = 0;
    for (int64_t t = 0; t < count; t++) mean += activation[t];
    mean /= count > 0 ? (double)count : 1;
    const double zero = autocorrelation(activation, count, mean, 0);
    if (!(zero > 1e-12)) return 0;
    int n = 0;
    for (int beats = 1; beats <= 4; beats++) {
        const double lag = beats * 60 * fps / bpm;
        if (lag > .6 * (double)count) break;
        sum += autocorrelation(activation, count, mean, lag) / zero;
        n++;
    }
    return n ? sum / n : 0;
}

static double candidate_strength(const struct network_output *heard, int64_t count, double fps, double bpm) {
    return ((double)network_tempo_at(heard->tempo, bpm) + .01) *
           exp(2 * tempo_periodicity(heard->beat, count, fps, bpm));
}

static bool is_known(const struct tempo_candidate *list, int n, double bpm) {
    for (int i = 0; i < n; i++)
        if (fabs(list[i].bpm / bpm - 1) < AGREE) return true;
    return false;
}

static int strength_compare(const void *a, const void *b) {
    const double x = ((const struct tempo_candidate *)a)->strength, y = ((const struct tempo_candidate *)b)->strength;
    return (x < y) - (x > y);
}

int tempo_candidates(const struct network_output *heard, int64_t count, double fps, double bpm,
                     struct tempo_candidate out[TEMPO_CANDIDATES]) {
    static const double ratio[] = {1, 2, .5, 2.0 / 3, .75};
    int n = 0;
    for (size_t i = 0; i < sizeof ratio / sizeof *ratio; i++) out[n++].bpm = bpm * ratio[i];
    for (int taken = n; n < TEMPO_CANDIDATES; taken++) {
        int best = -1; /* the next highest peak of what the network heard */
        for (int i = 1; i + 1 < TEMPO_BINS; i++) {
            const float *p = heard->tempo + i;
            const double peak_bpm = TEMPO_LOWEST_BPM * exp2(i / TEMPO_BINS_AN_OCTAVE);
            if (p[0] > .01f && p[0] >= p[-1] && p[0] > p[1] && !is_known(out, n, peak_bpm) &&
                (best < 0 || p[0] > heard->tempo[best]))
                best = i;
        }
        if (best < 0) break;
        out[n++].bpm = TEMPO_LOWEST_BPM * exp2(best / TEMPO_BINS_AN_OCTAVE);
    }
    double sum = 0, top = 0;
    for (int i = 0; i < n; i++) {
        out[i].strength = candidate_strength(heard, count, fps, out[i].bpm);
        top = out[i].strength > top ? out[i].strength : top;
    }
    out[0].strength = top; /* the beats were tracked at this tempo: nothing is stronger */
    for (int i = 0; i < n; i++) sum += out[i].strength;
    for (int i = 0; i < n; i++) out[i].strength /= sum;
    qsort(out + 1, (size_t)(n - 1), sizeof *out, strength_compare);
    return n;
}

/* How usual a loop of so many beats is, as a log-probability but for a constant. */
static const struct {
    int beats, beats_per_bar;
    double prior;
} LOOP_LENGTHS[] = {{4, 4, -1.2}, {8, 4, -.5},   {16, 4, 0},    {32, 4, 0},    {64, 4, -.5},
                    {128, 4, -2}, {12, 4, -2.5}, {24, 4, -2.5}, {48, 4, -2.5}, {2, 2, -4},
                    {20, 4, -4},  {28, 4, -4},   {40, 4, -4},   {6, 3, -4.5},  {96, 4, -4}};

#define LOOP_HEARD_WEIGHT 1.0
#define LOOP_GRID_WEIGHT  .3

bool tempo_loop_find(const struct network_output *heard, int64_t count, double fps, double seconds,
                     struct tempo_loop *loop) {
    loop->score = -INFINITY;
    for (size_t i = 0; i < sizeof LOOP_LENGTHS / sizeof *LOOP_LENGTHS; i++) {
        const double period = seconds / LOOP_LENGTHS[i].beats, bpm = 60 / period;
        if (bpm < 40 || bpm > 220) continue;
        double grid = 0;
        int n = 0;
        for (double time = 0; time * fps < (double)count - 1; time += period, n++) {
            const int64_t t = (int64_t)lround(time * fps);
            double p = 0;
            for (int64_t k = t > 0 ? t - 1 : 0; k <= t + 1 && k < count; k++)
                p = heard->beat[k] > p ? (double)heard->beat[k] : p;
            grid += log((p + .01) / (1.01 - p));
        }
        const double score = LOOP_LENGTHS[i].prior + LOOP_GRID_WEIGHT * grid / n +
                             LOOP_HEARD_WEIGHT * log((double)network_tempo_at(heard->tempo, bpm) + .002);
        if (score > loop->score)
            *loop = (struct tempo_loop){bpm, LOOP_LENGTHS[i].beats, LOOP_LENGTHS[i].beats_per_bar, score};
    }
    return loop->score > -INFINITY;
}
