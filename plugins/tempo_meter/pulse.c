/* SPDX-License-Identifier: MIT */
#include "pulse.h"

#include "bands.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SAME_OCTAVES .03  /* pulses nearer to each other are one */
#define NARROW       1.25 /* a pulse is tracked within this ratio of its tempo */

static const struct beats_params FREELY = {
    .lambda = 60, .slowest_bpm = 36, .fastest_bpm = 230, .prior_weight = 1, .beat_bias = -2};

static const double WEIGHT[PULSE_FEATURES] = {0.202, 1.54, 0, 0, 0, 0, 2.8, -1.22, 0, 0.712, 6.08};

static double log_odds_at(const struct network_output *heard, int64_t count, double time) {
    const int64_t at = (int64_t)lround(time * BANDS_FPS);
    double p = 0;
    for (int64_t t = at - 1; t <= at + 1; t++)
        if (t >= 0 && t < count && (double)heard->beat[t] > p) p = (double)heard->beat[t];
    return log((p + .005) / (1.005 - p));
}

/* The logarithm of the highest probability near `bpm`. */
static double log_tempo(const float *tempo, double bpm) {
    double most = 0;
    for (int k = -1; k <= 1; k++)
        most = fmax(most, (double)network_tempo_at(tempo, bpm * exp2(k / TEMPO_BINS_AN_OCTAVE)));
    return log(most + .003);
}

void pulse_measure(const struct pulse_view *view, const double *time, int beats, double bpm,
                   double feature[PULSE_FEATURES]) {
    double on[2] = {0, 0}, half = 0, third = 0, change = 0;
    int n[2] = {0, 0};
    for (int i = 0; i < beats; i++) {
        on[i % 2] += log_odds_at(view->heard, view->count, time[i]);
        n[i % 2]++;
        if (i + 1 == beats) break;
        const double period = time[i + 1] - time[i];
        half += log_odds_at(view->heard, view->count, time[i] + period / 2);
        third += .5 * log_odds_at(view->heard, view->count, time[i] + period / 3) +
                 .5 * log_odds_at(view->heard, view->count, time[i] + 2 * period / 3);
        if (i > 0) change += fabs(log(period / (time[i] - time[i - 1])));
    }
    const int between = beats > 1 ? beats - 1 : 1;
    const double octaves = log2(bpm / 120);
    feature[0] = log_tempo(view->heard->tempo, bpm);
    feature[1] = beats ? (on[0] + on[1]) / beats : 0;
    feature[2] = half / between;
    feature[3] = third / between;
    feature[4] = n[1] ? fabs(on[0] / n[0] - on[1] / n[1]) : 0;
    feature[5] = tempo_periodicity(view->onsets->envelope, view->count, BANDS_FPS, bpm);
    feature[6] = tempo_periodicity(view->heard->beat, view->count, BANDS_FPS, bpm);
    feature[7] = octaves * octaves;
    feature[8] = 10 * change / between;
    feature[9] = log_tempo(view->tempogram, bpm);
    feature[10] = tempo_periodicity(view->heard->downbeat, view->count, BANDS_FPS, bpm / 8);
}

/* Adds the highest peak of `tempo` that isn't listed yet, if it is worth it. Returns the new number. */
static int add_peak(const float *tempo, double out[PULSES], int n) {
    int best = -1;
    for (int i = 1; i + 1 < TEMPO_BINS; i++) {
        const float *p = tempo + i;
        bool known = p[0] < .02f || p[0] < p[-1] || p[0] <= p[1];
        for (int k = 0; k < n && !known; k++)
            known = fabs(log2(TEMPO_LOWEST_BPM * exp2(i / TEMPO_BINS_AN_OCTAVE) / out[k])) < .07;
        if (!known && (best < 0 || p[0] > tempo[best])) best = i;
    }
    if (best >= 0) out[n++] = TEMPO_LOWEST_BPM * exp2(best / TEMPO_BINS_AN_OCTAVE);
    return n;
}

/* Tempi worth a look: relatives of `bpm`, and the highest peak of either table besides. */
static int list_tempi(const struct pulse_view *view, double bpm, double out[PULSES]) {
    static const double ratio[] = {1, 2, .5, 1.5, 2.0 / 3, 3, 1.0 / 3, 4.0 / 3, .75};
    int n = 0;
    for (size_t i = 0; i < sizeof ratio / sizeof *ratio; i++)
        if (bpm * ratio[i] >= TEMPO_SLOWEST_BPM && bpm * ratio[i] <= TEMPO_FASTEST_BPM) out[n++] = bpm * ratio[i];
    n = add_peak(view->heard->tempo, out, n);
    n = add_peak(view->tempogram, out, n);
    return n;
}

static int pulse_compare(const void *a, const void *b) {
    const double x = ((const struct pulse *)a)->probability, y = ((const struct pulse *)b)->probability;
    return (x < y) - (x > y);
}

/* Tracking may lead from one tempo to another: of pulses that are nearly the same the best stays. Returns how many do. */
static int unique(struct pulse *pulse, int count) {
    int kept = 0;
    for (int i = 0; i < count; i++) {
        bool known = false;
        for (int k = 0; k < kept && !known; k++) known = fabs(log2(pulse[i].bpm / pulse[k].bpm)) < SAME_OCTAVES;
        if (known)
            beats_free(&pulse[i].beats);
        else
            pulse[kept++] = pulse[i];
    }
    return kept;
}

/* Best first. Returns how many remain. */
static int rank(struct pulse *pulse, int count) {
    double sum = 0;
    for (int i = 0; i < count; i++) {
        pulse[i].probability = 0;
        for (int k = 0; k < PULSE_FEATURES; k++) pulse[i].probability += WEIGHT[k] * pulse[i].feature[k];
    }
    qsort(pulse, (size_t)count, sizeof *pulse, pulse_compare);
    count = unique(pulse, count);
    const double top = count ? pulse[0].probability : 0;
    for (int i = 0; i < count; i++) sum += pulse[i].probability = exp(pulse[i].probability - top);
    for (int i = 0; i < count; i++) pulse[i].probability /= sum;
    return count;
}

bool pulses_find(const struct pulse_view *view, struct pulse pulse[PULSES], int *count) {
    float prior[TEMPO_BINS];
    double tempi[PULSES];
    struct beats freely;
    *count = 0;
    for (int i = 0; i < TEMPO_BINS; i++) prior[i] = logf(.5f * (view->heard->tempo[i] + view->tempogram[i]) + .003f);
    struct beats_params params = FREELY;
    params.prior = prior;
    if (!beats_track(view->heard->beat, view->count, BANDS_FPS, &params, &freely)) return false;
    const double bpm = tempo_from_beats(freely.time, freely.count);
    beats_free(&freely);
    const int n = bpm > 0 ? list_tempi(view, bpm, tempi) : 0;
    for (int i = 0; i < n; i++) {
        struct pulse *p = pulse + *count;
        p->ratio = 1;
        params = (struct beats_params){
            .lambda = FREELY.lambda, .slowest_bpm = tempi[i] / NARROW, .fastest_bpm = tempi[i] * NARROW};
        if (!beats_track(view->heard->beat, view->count, BANDS_FPS, &params, &p->beats)) {
            pulses_free(pulse, *count);
            return false;
        }
        p->bpm = tempo_from_beats(p->beats.time, p->beats.count);
        if (p->bpm > 0) {
            pulse_measure(view, p->beats.time, p->beats.count, p->bpm, p->feature);
            ++*count;
        } else
            beats_free(&p->beats);
    }
    *count = rank(pulse, *count);
    return true;
}

/* Two pulses that stand for one: what was measured of the more probable says how sure one may be, and the beats are those tracked
 * at that very tempo, if any were. */
static void pulse_join(struct pulse *more, struct pulse *less) {
    more->probability += less->probability;
    if (more->ratio != 1 && less->ratio == 1) {
        const struct beats beats = more->beats;
        more->beats = less->beats;
        less->beats = beats;
        more->bpm = less->bpm;
        more->ratio = 1;
    }
    beats_free(&less->beats);
}

int pulses_fold(const struct tempo_range *range, struct pulse pulse[PULSES], int count) {
    int kept = 0;
    for (int i = 0; i < count; i++) {
        pulse[i].ratio = tempo_range_ratio(range, pulse[i].bpm);
        const double bpm = pulse[i].bpm * pulse[i].ratio;
        int same = 0;
        while (same < kept && fabs(log2(bpm / (pulse[same].bpm * pulse[same].ratio))) >= SAME_OCTAVES) same++;
        if (same < kept)
            pulse_join(&pulse[same], &pulse[i]);
        else
            pulse[kept++] = pulse[i];
    }
    qsort(pulse, (size_t)kept, sizeof *pulse, pulse_compare);
    return kept;
}

void pulses_free(struct pulse pulse[PULSES], int count) {
    for (int i = 0; i < count; i++) beats_free(&pulse[i].beats);
}
