/* SPDX-License-Identifier: MIT */
#include "loop.h"

#include "bands.h"
#include "bars.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SLOWEST_BPM   40.0
#define FASTEST_BPM   220.0
#define EXACT_S       1e-4 /* loops are cut to a sample or two */
#define USUAL_METER   .8   /* confidence in bars of four */

#define PADDING_S     .072 /* the most that encoders add: AAC 2,112 samples before, and up to a frame after */
#define PADDING_SHARE .02  /* of the loop: in a short one onsets can't tell that many tempi apart */
#define ATTACK_S      .025 /* onsets of soft sounds are heard late by up to this ... */
#define EARLY_S       .005 /* ... and others early by this */
#define STEPS_A_BEAT  4
#define ONSET_S       .006 /* standard deviation of an onset from its step */
#define PHASE_S       .001
#define PADDED_ONSETS .5 /* so many more must keep to another tempo than to the length's own ... */
#define PADDED_FIT    .4 /* ... and this part of them all */

/* How usual a loop of so many beats is: the logarithm of a probability but for a constant. Producers cut 1, 2, 4, 8 or 16
 * bars of four; 3 and 6 bars are rare, and other numbers rarer. */
static const struct {
    int beats, beats_per_bar;
    double usual;
} LENGTHS[] = {{4, 4, -1},   {8, 4, -.5},   {16, 4, 0},    {32, 4, 0},    {64, 4, -.5},
               {128, 4, -2}, {12, 4, -2.5}, {24, 4, -2.5}, {48, 4, -2.5}, {2, 2, -3},
               {20, 4, -4},  {28, 4, -4},   {40, 4, -4},   {6, 3, -4.5},  {96, 4, -4}};

static const double WEIGHT[LOOP_FEATURES] = {0.492, -0.0421, -0.846, -1.84, -0.854, -2.61, 0.52,
                                             -1.8,  0,       0.63,   0,     1.42,   0.682};

double loop_whole_tempo(double seconds, int beats) {
    const double bpm = 60 * beats / seconds;
    if (fabs(2 * seconds - round(2 * seconds)) < .002) return 0;
    return fabs(seconds - 60 * beats / round(bpm)) < EXACT_S ? 1 : -1;
}

static int loop_compare(const void *a, const void *b) {
    const double x = ((const struct loop *)a)->probability, y = ((const struct loop *)b)->probability;
    return (x < y) - (x > y);
}

/* Measures one reading: the grid from the loop's start through all that was heard. */
static bool measure(const struct pulse_view *view, double seconds, struct loop *loop) {
    const double period = seconds / loop->beats, end = (double)(view->count - 1) / BANDS_FPS;
    const int n = (int)(end / period) + 1;
    double *time = malloc((size_t)n * sizeof *time);
    if (!time) return false;
    for (int i = 0; i < n; i++) time[i] = i * period;
    pulse_measure(view, time, n, loop->bpm, loop->feature);
    free(time);
    loop->feature[PULSE_FEATURES + 1] = loop_whole_tempo(seconds, loop->beats);
    return true;
}

int loop_rank(const struct pulse_view *view, double seconds, struct loop loop[LOOPS]) {
    int count = 0;
    double top = -INFINITY, sum = 0;
    for (size_t i = 0; i < sizeof LENGTHS / sizeof *LENGTHS; i++) {
        struct loop *l = loop + count;
        *l = (struct loop){.bpm = 60 * LENGTHS[i].beats / seconds,
                           .beats = LENGTHS[i].beats,
                           .beats_per_bar = LENGTHS[i].beats_per_bar,
                           .meter_confidence = USUAL_METER};
        if (l->bpm < SLOWEST_BPM || l->bpm > FASTEST_BPM || !measure(view, seconds, l)) continue;
        l->feature[PULSE_FEATURES] = LENGTHS[i].usual;
        for (int k = 0; k < LOOP_FEATURES; k++) l->score += WEIGHT[k] * l->feature[k];
        top = fmax(top, l->score);
        count++;
    }
    for (int i = 0; i < count; i++) sum += loop[i].probability = exp(loop[i].score - top);
    for (int i = 0; i < count; i++) loop[i].probability /= sum;
    qsort(loop, (size_t)count, sizeof *loop, loop_compare);
    return count;
}

int loops_fold(const struct tempo_range *range, double seconds, struct loop loop[LOOPS], int count) {
    int kept = 0;
    for (int i = 0; i < count; i++) {
        const double ratio = tempo_range_ratio(range, 60 * loop[i].beats / seconds), beats = ratio * loop[i].beats;
        if (beats != floor(beats)) continue;
        loop[i].beats = (int)beats;
        loop[i].bpm *= ratio;
        int same = 0;
        while (same < kept && loop[same].beats != loop[i].beats) same++;
        if (same < kept)
            loop[same].probability += loop[i].probability;
        else
            loop[kept++] = loop[i];
    }
    qsort(loop, (size_t)kept, sizeof *loop, loop_compare);
    return kept;
}

bool loop_meter(const struct network_output *heard, int64_t count, struct loop *loop) {
    if (loop->beats % 3 != 0) return true;
    const double period = 60 / loop->bpm;
    const int n = (int)((double)(count - 1) / BANDS_FPS / period) + 1;
    double *time = malloc((size_t)n * sizeof *time);
    struct bars bars = {0};
    if (!time) return false;
    for (int i = 0; i < n; i++) time[i] = i * period;
    const bool ok = bars_find(heard->downbeat, count, BANDS_FPS, time, n, &bars);
    if (ok && bars.beats_per_bar == 3) {
        loop->beats_per_bar = 3;
        loop->meter_confidence = bars.confidence;
    }
    bars_free(&bars);
    free(time);
    return ok;
}

/* How well onsets keep to a grid of so many steps a second whose first beat lies `low` to `high` after the loop's start:
 * 0 to 1, the best phase's. */
static double grid_fit(const struct onsets *onsets, double start, double step, double low, double high, double *phase) {
    double best = 0, all = 0;
    for (int i = 0; i < onsets->count; i++) all += (double)onsets->strength[i];
    for (double tried = low; tried <= high; tried += PHASE_S) {
        double sum = 0;
        for (int i = 0; i < onsets->count; i++) {
            const double off = remainder(onsets->time[i] - start - tried, step) / ONSET_S;
            sum += (double)onsets->strength[i] * exp(-.5 * off * off);
        }
        if (sum <= best) continue;
        best = sum;
        *phase = tried;
    }
    return all > 0 ? best / all : 0;
}

struct loop_padding loop_unpad(const struct onsets *onsets, double start, double seconds, int beats) {
    const double most = fmin(PADDING_S, PADDING_SHARE * seconds), bpm = 60 * beats / seconds;
    struct loop_padding padding = {0};
    double phase = 0;
    if (onsets->count == 0 || fabs(seconds - 60 * beats / round(bpm)) < EXACT_S) return padding;
    double least = grid_fit(onsets, start, seconds / beats / STEPS_A_BEAT, -EARLY_S, most + ATTACK_S, &phase);
    least = fmax(PADDED_FIT, least + PADDED_ONSETS / onsets->count);
    for (double whole = ceil(bpm); seconds - 60 * beats / whole <= most; whole++) {
        const double all = seconds - 60 * beats / whole;
        const double fit = grid_fit(onsets, start, 60 / whole / STEPS_A_BEAT, -EARLY_S, all + ATTACK_S, &phase);
        if (fit <= least) continue;
        least = fit;
        padding = (struct loop_padding){.before = fmin(fmax(phase, 0), all), .all = all};
    }
    return padding;
}
