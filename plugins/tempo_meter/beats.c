/* SPDX-License-Identifier: MIT */
#include "beats.h"

#include "kernels/clones.h"
#include "network.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FINER   2     /* steps of the chain a frame of activation */
#define ODDS    16.0  /* a beat fills about a sixteenth of its period */
#define FLOOR   1e-3f /* probabilities are kept within FLOOR .. 1 - FLOOR */
#define NEAR    .004  /* a steady tempo is looked for this far around the one tracked */
#define FEWEST  8     /* beats that can be steady */
#define SLIP    .5    /* frames a steady pulse moves over the region from one tempo tried to the next */
#define HALFWAY .3    /* of a period from the nearest beat */
#define LANES   8     /* steps that are worked on at once: a beat comes no sooner after another */

typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));
typedef int32_t choice __attribute__((vector_size(LANES * sizeof(int32_t)), aligned(4)));
typedef uint8_t bytes __attribute__((vector_size(LANES), aligned(1)));

struct chain {
    int shortest, longest, periods; /* in steps */
    int64_t steps;
    int64_t ring;    /* a multiple of LANES: steps that are kept of `best` */
    float *evidence; /* log-likelihood ratio of a beat at each step, and zeros up to a multiple of LANES */
    float *best; /* periods * (ring + LANES): best score of a path whose next beat comes `period` after that of a step;
                        the first LANES of a ring once more behind it */
    uint8_t *from; /* [steps / LANES][periods][LANES]: the period before this beat on that path */
    lanes *score;  /* periods: of a path whose last beat is here, by the period before it; for LANES steps */
    float *cost;   /* periods - 1: between neighbouring periods */
    float *prior;  /* periods: weighted log-prior of such a period */
};

static float activation_at(const float *activation, int64_t count, double frame) {
    const int64_t i = (int64_t)floor(frame);
    const float part = (float)(frame - (double)i);
    const float a = i >= 0 && i < count ? activation[i] : 0, b = i + 1 >= 0 && i + 1 < count ? activation[i + 1] : 0;
    return a + part * (b - a);
}

/* The log-likelihood ratio of a beat, log(p / ((1 - p) / (ODDS - 1))), twice the mean over the step and half of each
 * neighbour. */
static void evidence_make(const float *activation, int64_t count, double bias, float *evidence) {
    const int64_t steps = count * FINER;
    float before = 0, now = 0;
    for (int64_t t = -1; t <= steps; t++) {
        float p = activation_at(activation, count, (double)t / FINER);
        p = p < FLOOR ? FLOOR : p > 1 - FLOOR ? 1 - FLOOR : p;
        const float next = logf(p * (float)(ODDS - 1) / (1 - p));
        if (t > 0) evidence[t - 1] = 2 * (.25f * before + .5f * now + .25f * next) + (float)bias;
        before = now;
        now = next;
    }
}

static bool chain_open(struct chain *chain, const float *activation, int64_t count, double fps,
                       const struct beats_params *params) {
    chain->shortest = (int)floor(60 * fps * FINER / params->fastest_bpm);
    chain->longest = (int)ceil(60 * fps * FINER / params->slowest_bpm);
    if (chain->shortest < LANES) chain->shortest = LANES;
    if (chain->longest > chain->shortest + 255) chain->longest = chain->shortest + 255;
    chain->periods = chain->longest - chain->shortest + 1;
    chain->steps = count * FINER;
    chain->ring = (chain->longest + 2 * LANES - 1) / LANES * LANES;
    const size_t periods = (size_t)chain->periods, steps = (size_t)(chain->steps + LANES - 1) / LANES * LANES;
    chain->evidence = calloc(steps, sizeof(float));
    chain->best = calloc(periods * (size_t)(chain->ring + LANES), sizeof(float));
    chain->from = malloc(steps * periods);
    chain->score = malloc(periods * sizeof(lanes));
    chain->cost = malloc(periods * sizeof(float));
    chain->prior = malloc(periods * sizeof(float));
    if (!chain->evidence || !chain->best || !chain->from || !chain->score || !chain->cost || !chain->prior)
        return false;
    evidence_make(activation, count, params->beat_bias, chain->evidence);
    for (int p = 0; p < chain->periods; p++) {
        const double period = chain->shortest + p;
        chain->prior[p] = 0;
        if (params->prior)
            chain->prior[p] = (float)(params->prior_weight * period / (fps * FINER)) *
                              network_tempo_at(params->prior, 60 * fps * FINER / period);
        chain->cost[p] = (float)(params->lambda * log((period + 1) / period));
    }
    return true;
}

static void chain_close(struct chain *chain) {
    free(chain->evidence);
    free(chain->best);
    free(chain->from);
    free(chain->score);
    free(chain->cost);
    free(chain->prior);
}

/* Scores of LANES steps from `t` on, a multiple of LANES. The first beat lies within one period of the start: before
 * that, `best` is 0. */
SONDE_CLONES static void score_make(const struct chain *chain, int64_t t) {
    const lanes evidence = *(const lanes *)(const void *)(chain->evidence + t);
    const float *row = chain->best;
    int64_t back = (t - chain->shortest) % chain->ring;
    if (back < 0) back += chain->ring;
    for (int p = 0; p < chain->periods; p++, row += chain->ring + LANES) {
        chain->score[p] = *(const lanes *)(const void *)(row + back) + evidence + chain->prior[p];
        back = back ? back - 1 : chain->ring - 1;
    }
}

/* From those scores to the best score for each next period, max over q of score[q] - cost(q, p), and its q. */
SONDE_CLONES static void best_make(const struct chain *chain, int64_t t) {
    const int n = chain->periods;
    const int64_t at = t % chain->ring, stride = chain->ring + LANES;
    uint8_t *from = chain->from + t * n;
    lanes best = chain->score[0];
    choice of = {0};
    for (int p = 0; p < n; p++) {
        const lanes own = chain->score[p], other = best - chain->cost[p > 0 ? p - 1 : 0];
        const choice moved = p > 0 ? (choice)(other > own) : (choice){0};
        best = (lanes)((moved & (choice)other) | (~moved & (choice)own));
        of = (moved & of) | (~moved & p);
        *(lanes *)(void *)(chain->best + p * stride + at) = best;
        *(bytes *)(void *)(from + p * LANES) = __builtin_convertvector(of, bytes);
    }
    for (int p = n - 1; p >= 0; p--) {
        float *row = chain->best + p * stride;
        bytes *place = (bytes *)(void *)(from + p * LANES);
        const lanes own = *(lanes *)(void *)(row + at), other = best - chain->cost[p];
        const choice moved = p < n - 1 ? (choice)(other > own) : (choice){0};
        best = (lanes)((moved & (choice)other) | (~moved & (choice)own));
        of = (moved & of) | (~moved & __builtin_convertvector(*place, choice));
        *(lanes *)(void *)(row + at) = best;
        if (at == 0) *(lanes *)(void *)(row + chain->ring) = best;
        *place = __builtin_convertvector(of, bytes);
    }
}

/* Runs the chain; returns the step of the last beat of the best path and its period index. */
static int64_t chain_run(struct chain *chain, int *last_period) {
    int64_t last = -1;
    float top = -INFINITY;
    for (int64_t t = 0; t < chain->steps; t += LANES) {
        score_make(chain, t);
        best_make(chain, t);
        for (int64_t k = t; k < t + LANES && k < chain->steps; k++) {
            const int64_t first = chain->steps - k - chain->shortest; /* a shorter period has room for another beat */
            for (int64_t p = first > 0 ? first : 0; p < chain->periods; p++)
                if (chain->score[p][k - t] > top) {
                    top = chain->score[p][k - t];
                    last = k;
                    *last_period = (int)p;
                }
        }
    }
    return last;
}

/* The activation's own peak near step `t`, in frames: a parabola through the highest of the nearest frames. */
static double peak_refine(const float *activation, int64_t count, int64_t t) {
    const double at = (double)t / FINER;
    int64_t i = (int64_t)lround(at);
    for (int64_t k = i - 1; k <= i + 1; k++)
        if (k >= 0 && k < count && (i >= count || activation[k] > activation[i])) i = k;
    if (i < 1 || i + 1 >= count) return at;
    const double a = activation[i - 1], b = activation[i], c = activation[i + 1], bend = a - 2 * b + c;
    if (!(bend < 0) || b < a || b < c) return at;
    const double peak = (double)i + .5 * (a - c) / bend;
    return fabs(peak - at) <= 1.25 ? peak : at;
}

static int from_at(const struct chain *chain, int64_t t, int period) {
    return chain->from[(t / LANES * chain->periods + period) * LANES + t % LANES];
}

static bool beats_collect(const struct chain *chain, const float *activation, int64_t count, double fps, int64_t last,
                          int period, struct beats *beats) {
    const size_t most = (size_t)(chain->steps / chain->shortest + 2);
    beats->time = malloc(most * sizeof *beats->time);
    beats->strength = malloc(most * sizeof *beats->strength);
    if (!beats->time || !beats->strength) return false;
    int n = 0;
    double sum = 0;
    for (int64_t t = last; t >= 0;) {
        beats->time[n] = peak_refine(activation, count, t) / fps;
        beats->strength[n++] = activation_at(activation, count, (double)t / FINER);
        sum += chain->evidence[t];
        const int64_t before = t - (chain->shortest + period);
        if (before >= 0) period = from_at(chain, before, period);
        t = before;
    }
    for (int i = 0; i < n / 2; i++) {
        const double time = beats->time[i];
        const float strength = beats->strength[i];
        beats->time[i] = beats->time[n - 1 - i];
        beats->strength[i] = beats->strength[n - 1 - i];
        beats->time[n - 1 - i] = time;
        beats->strength[n - 1 - i] = strength;
    }
    beats->count = n;
    beats->score = n ? sum / n : 0;
    return true;
}

bool beats_track(const float *activation, int64_t count, double fps, const struct beats_params *params,
                 struct beats *beats) {
    struct chain chain = {0};
    memset(beats, 0, sizeof *beats);
    if (count < 2) return true;
    bool ok = chain_open(&chain, activation, count, fps, params);
    if (ok) {
        int period = 0;
        const int64_t last = chain_run(&chain, &period);
        ok = beats_collect(&chain, activation, count, fps, last, period, beats);
    }
    chain_close(&chain);
    if (!ok) beats_free(beats);
    return ok;
}

/* sum[phase] = evidence of all beats that come every `period` steps from `phase` on, for every whole phase. `evidence` has
 * `steps` values, and zeros for a period after them. */
SONDE_CLONES static void phases_sum(const float *evidence, int64_t steps, double period, float *sum) {
    const int64_t phases = (int64_t)ceil(period);
    memset(sum, 0, (size_t)phases * sizeof *sum);
    for (int64_t k = 0;; k++) {
        const int64_t start = llround((double)k * period);
        if (start >= steps) break;
        for (int64_t p = 0; p < phases; p++) sum[p] += evidence[start + p];
    }
}

struct pulse_train {
    double period; /* steps */
    int64_t phase;
    double score; /* mean evidence of a beat */
};

static struct pulse_train train_find(const float *evidence, int64_t steps, double period, float *sum) {
    struct pulse_train best = {.score = -INFINITY};
    const double step = SLIP * FINER / (double)steps;
    for (int k = (int)ceil(-NEAR / step); k <= NEAR / step; k++) {
        const double tried = period / (1 + k * step), beats = floor((double)steps / tried);
        phases_sum(evidence, steps, tried, sum);
        for (int64_t p = 0; p < (int64_t)ceil(tried); p++)
            if ((double)sum[p] / beats > best.score)
                best = (struct pulse_train){.period = tried, .phase = p, .score = (double)sum[p] / beats};
    }
    return best;
}

/* Moves the train by half a period where music begins between two of its beats and the evidence allows it. `first` in steps. */
static void train_begin(const float *evidence, int64_t steps, double first, float *sum, struct pulse_train *train) {
    const double period = train->period, beats = floor((double)steps / period),
                 middle = (double)train->phase + period / 2;
    if (fabs(remainder(first - (double)train->phase, period)) < HALFWAY * period) return;
    double least = BEATS_BETWEEN_SHARE * train->score;
    phases_sum(evidence, steps, period, sum);
    for (int moved = -FINER; moved <= FINER; moved++) {
        const int64_t phase = (int64_t)fmod(middle + moved, period);
        const double score = (double)sum[phase] / beats;
        if (score > least) *train = (struct pulse_train){.period = period, .phase = phase, .score = least = score};
    }
}

static bool train_take(const struct pulse_train *train, const float *activation, int64_t count, double fps,
                       struct beats *beats) {
    const int64_t steps = count * FINER;
    const size_t most = (size_t)((double)steps / train->period) + 2;
    double *time = realloc(beats->time, most * sizeof *time);
    if (time) beats->time = time;
    float *strength = realloc(beats->strength, most * sizeof *strength);
    if (strength) beats->strength = strength;
    if (!time || !strength) return false;
    int n = 0;
    for (double at = (double)train->phase; at < (double)steps; at += train->period) {
        time[n] = at / FINER / fps;
        strength[n++] = activation_at(activation, count, at / FINER);
    }
    beats->count = n;
    beats->score = train->score;
    return true;
}

bool beats_steady(const float *activation, int64_t count, double fps, double bpm, double first, struct beats *beats,
                  double *steady_bpm) {
    const int64_t steps = count * FINER;
    const double period = 60 * fps * FINER / bpm;
    *steady_bpm = 0;
    if (beats->count < FEWEST || (double)steps < FEWEST * period) return true;
    const size_t room = (size_t)(period * (1 + NEAR)) + 2;
    float *evidence = calloc((size_t)steps + room, sizeof *evidence), *sum = malloc(room * sizeof *sum);
    bool ok = evidence && sum;
    if (ok) {
        evidence_make(activation, count, 0, evidence);
        struct pulse_train train = train_find(evidence, steps, period, sum);
        if (train.score > BEATS_STEADY_SHARE * beats->score) {
            if (first >= 0) train_begin(evidence, steps, first * fps * FINER, sum, &train);
            ok = train_take(&train, activation, count, fps, beats);
            *steady_bpm = 60 * fps * FINER / train.period;
        }
    }
    free(evidence);
    free(sum);
    return ok;
}

static bool beats_double(struct beats *beats) {
    if (beats->count == 0) return true;
    const int doubled = 2 * beats->count - 1;
    double *time = realloc(beats->time, (size_t)doubled * sizeof *time);
    if (time) beats->time = time;
    float *strength = realloc(beats->strength, (size_t)doubled * sizeof *strength);
    if (strength) beats->strength = strength;
    if (!time || !strength) return false;
    for (int i = doubled - 1; i > 0; i--) {
        time[i] = i % 2 ? .5 * (time[i / 2] + time[i / 2 + 1]) : time[i / 2];
        strength[i] = i % 2 ? 0 : strength[i / 2];
    }
    beats->count = doubled;
    return true;
}

static void beats_halve(const float *marks, int64_t count, double fps, struct beats *beats) {
    double sum[2] = {0, 0};
    for (int i = 0; i < beats->count; i++) sum[i % 2] += (double)activation_at(marks, count, beats->time[i] * fps);
    int kept = 0;
    for (int i = sum[1] > sum[0]; i < beats->count; i += 2) {
        beats->time[kept] = beats->time[i];
        beats->strength[kept++] = beats->strength[i];
    }
    beats->count = kept;
}

bool beats_fold(const float *marks, int64_t count, double fps, double ratio, struct beats *beats) {
    for (; ratio < 1; ratio *= 2) beats_halve(marks, count, fps, beats);
    for (; ratio > 1; ratio /= 2)
        if (!beats_double(beats)) return false;
    return true;
}

void beats_free(struct beats *beats) {
    free(beats->time);
    free(beats->strength);
    memset(beats, 0, sizeof *beats);
}
