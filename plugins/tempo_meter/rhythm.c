/* SPDX-License-Identifier: MIT */
#include "rhythm.h"

#include "bands.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FEWEST_ONSETS   3
#define SHORTEST_S      1.0  /* no tempo below: not even two beats at 120 bpm */
#define LOOP_FRAMES     1300 /* a loop is repeated to half a minute, what the network needs to be sure */
#define LOOP_SHORTEST_S 1.0
#define LOOP_LONGEST_S  40.0   /* in longer files any tempo is near some whole number of bars */
#define LOOP_AGREES     .012   /* relative distance of the tracked tempo, or a relative of it, from the loop's */
#define LOOP_CONFIRMED  (-6.0) /* score that a loop needs when the tracked tempo agrees with it ... */
#define LOOP_ALONE      (-2.8) /* ... and when it doesn't */

#define JUDGED          9
#define TEMPO_PROBABLE  .5
static const double TEMPO_WEIGHT[JUDGED] = {-7.169, 0.357, -0.334, 5.361, -0.15, 0.27, 1.562, 1.672, 1.173};
static const double RIGHT_WEIGHT[JUDGED] = {-4.956, 0.453, 0.065, 3.045, -0.118, 0.014, 2.799, 0.977, 0.352};

static const struct beats_params TRACKING = {
    .lambda = 60, .slowest_bpm = 36, .fastest_bpm = 230, .prior_weight = 1.5, .beat_bias = -1};

/* A tempo written in the file is as likely as all that the network heard. */
static void believe(struct network_output *heard, double embedded_bpm) {
    if (!(embedded_bpm >= TEMPO_LOWEST_BPM && embedded_bpm <= 300)) return;
    const double bin = log2(embedded_bpm / TEMPO_LOWEST_BPM) * TEMPO_BINS_AN_OCTAVE;
    for (int i = 0; i < TEMPO_BINS; i++)
        heard->tempo[i] = .5f * heard->tempo[i] + .2f * (float)exp(-.5 * (i - bin) * (i - bin)); /* sums to 1/2 */
}

/* What the network heard in `count` frames; the caller frees the two arrays. */
static bool hear(const struct network *network, const float *frames, int64_t count, double embedded_bpm,
                 struct network_output *heard) {
    heard->beat = malloc((size_t)count * sizeof *heard->beat);
    heard->downbeat = malloc((size_t)count * sizeof *heard->downbeat);
    if (!heard->beat || !heard->downbeat || !network_run(network, frames, count, heard)) return false;
    believe(heard, embedded_bpm);
    return true;
}

static void heard_free(struct network_output *heard) {
    free(heard->beat);
    free(heard->downbeat);
    heard->beat = heard->downbeat = NULL;
}

/* The loop's frames again and again, as if it played for half a minute; silence where it lies outside the region. NULL
 * when out of memory. */
static float *loop_repeat(const float *frames, int64_t count, double start, double seconds) {
    float *out = calloc((size_t)LOOP_FRAMES * BANDS_COUNT, sizeof *out);
    for (int64_t t = 0; out && t < LOOP_FRAMES; t++) {
        const double at = (start + fmod((double)t / BANDS_FPS, seconds)) * BANDS_FPS;
        const int64_t i = (int64_t)floor(at);
        const float part = (float)(at - (double)i);
        float *to = out + t * BANDS_COUNT;
        for (int b = 0; b < BANDS_COUNT; b++) {
            const float now = i >= 0 && i < count ? frames[i * BANDS_COUNT + b] : 0;
            const float next = i + 1 >= 0 && i + 1 < count ? frames[(i + 1) * BANDS_COUNT + b] : now;
            to[b] = now + part * (next - now);
        }
    }
    return out;
}

static double logistic(double x) {
    return 1 / (1 + exp(-x));
}

static double contrast(const float *envelope, int64_t count) {
    double sum = 0, squares = 0;
    for (int64_t t = 0; t < count; t++) {
        sum += envelope[t];
        squares += (double)envelope[t] * (double)envelope[t];
    }
    return sum > 0 ? sqrt(fmax(0, squares * (double)count / (sum * sum) - 1)) : 0;
}

/* Gathers what speaks for `rhythm->bpm`. */
static void evidence_gather(const struct network_output *heard, int64_t count, struct rhythm *rhythm) {
    rhythm->evidence = (struct rhythm_evidence){
        .heard = network_tempo_at(heard->tempo, rhythm->bpm),
        .none = heard->tempo[TEMPO_BINS],
        .beat_score = rhythm->beats.score,
        .periodicity = tempo_periodicity(rhythm->onsets.envelope, count, BANDS_FPS, rhythm->bpm),
        .contrast = contrast(rhythm->onsets.envelope, count)};
}

static void tempo_forget(struct rhythm *rhythm, const char *why) {
    beats_free(&rhythm->beats);
    bars_free(&rhythm->bars);
    rhythm->bpm = rhythm->bpm_confidence = rhythm->stability = 0;
    rhythm->basis = NULL;
    rhythm->candidate_count = 0;
    rhythm->none = why;
}

/* Beats on the loop's own grid, bars from its start. */
static bool loop_beats(const struct rhythm_facts *facts, const struct tempo_loop *loop, struct rhythm *rhythm) {
    const double period = 60 / loop->bpm;
    const size_t most = (size_t)(facts->duration / period) + 2;
    rhythm->beats.time = malloc(most * sizeof *rhythm->beats.time);
    rhythm->beats.strength = malloc(most * sizeof *rhythm->beats.strength);
    rhythm->bars.is_downbeat = malloc(most);
    if (!rhythm->beats.time || !rhythm->beats.strength || !rhythm->bars.is_downbeat) return false;
    const int first = (int)ceil(-facts->loop_start / period - 1e-6), bar = loop->beats_per_bar;
    for (int i = first; rhythm->beats.count < (int)most; i++) {
        const double time = facts->loop_start + i * period;
        if (time > facts->duration - .25 * period) break; /* the next round's first beat */
        rhythm->beats.time[rhythm->beats.count] = time > 0 ? time : 0;
        rhythm->beats.strength[rhythm->beats.count] = 1;
        rhythm->bars.is_downbeat[rhythm->beats.count++] = (i % bar + bar) % bar == 0;
    }
    rhythm->bars.beats_per_bar = loop->beats_per_bar;
    rhythm->bars.confidence = .8;
    return true;
}

static double median_bpm(const double *time, int beats) {
    double low = 0, high = 1e9; /* bisection on the interval that half of the beats exceed */
    for (int round = 0; round < 60; round++) {
        const double middle = .5 * (low + high);
        int below = 0;
        for (int i = 0; i + 1 < beats; i++) below += time[i + 1] - time[i] < middle;
        if (2 * below > beats - 1)
            high = middle;
        else
            low = middle;
        if (round == 0) high = 4;
    }
    return 60 / high;
}

static bool track(const struct network *network, const float *frames, int64_t count, const struct rhythm_facts *facts,
                  struct rhythm *rhythm) {
    struct network_output heard = {0};
    bool ok = hear(network, frames, count, facts->embedded_bpm, &heard);
    if (ok) {
        float prior[TEMPO_BINS];
        for (int i = 0; i < TEMPO_BINS; i++) prior[i] = logf(heard.tempo[i] + .003f);
        struct beats_params params = TRACKING;
        params.prior = prior;
        ok = beats_track(heard.beat, count, BANDS_FPS, &params, &rhythm->beats) &&
             bars_find(heard.downbeat, count, BANDS_FPS, rhythm->beats.time, rhythm->beats.count, &rhythm->bars);
        rhythm->bpm = tempo_from_beats(rhythm->beats.time, rhythm->beats.count);
        if (rhythm->bpm > 0) {
            rhythm->stability = tempo_stability(rhythm->beats.time, rhythm->beats.count, rhythm->bpm);
            if (rhythm->stability < .8) rhythm->bpm = median_bpm(rhythm->beats.time, rhythm->beats.count);
            rhythm->basis = RHYTHM_FROM_BEATS;
            rhythm->candidate_count = tempo_candidates(&heard, count, BANDS_FPS, rhythm->bpm, rhythm->candidates);
            evidence_gather(&heard, count, rhythm);
        }
    }
    heard_free(&heard);
    return ok;
}

/* Whether two tempi are the same but for a simple ratio. */
static bool is_relative(double bpm, double other) {
    static const double ratio[] = {1, 2, .5, 1.5, 2.0 / 3, 3, 1.0 / 3, 4, .25, .75, 4.0 / 3};
    for (size_t i = 0; i < sizeof ratio / sizeof *ratio; i++)
        if (fabs(bpm / other / ratio[i] - 1) < LOOP_AGREES) return true;
    return false;
}

/* Tries to understand the region as a loop, after its beats were tracked without that idea. When it is one, its tempo
 * and beats replace the tracked ones. */
static bool loop_try(const struct network *network, const float *frames, int64_t count,
                     const struct rhythm_facts *facts, struct rhythm *rhythm) {
    struct network_output heard = {0};
    struct tempo_loop loop;
    float *loop_frames = loop_repeat(frames, count, facts->loop_start, facts->loop_seconds);
    bool ok = loop_frames && hear(network, loop_frames, LOOP_FRAMES, facts->embedded_bpm, &heard);
    if (ok && tempo_loop_find(&heard, LOOP_FRAMES, BANDS_FPS, facts->loop_seconds, &loop) &&
        loop.score > (rhythm->bpm > 0 && is_relative(rhythm->bpm, loop.bpm) ? LOOP_CONFIRMED : LOOP_ALONE)) {
        beats_free(&rhythm->beats);
        bars_free(&rhythm->bars);
        rhythm->bpm = loop.bpm;
        rhythm->basis = RHYTHM_FROM_LOOP;
        rhythm->stability = 1;
        rhythm->candidate_count = tempo_candidates(&heard, LOOP_FRAMES, BANDS_FPS, loop.bpm, rhythm->candidates);
        rhythm->beats.score = loop.score;
        evidence_gather(&heard, count, rhythm);
        ok = loop_beats(facts, &loop, rhythm);
    }
    free(loop_frames);
    heard_free(&heard);
    return ok;
}

/* How probable it is that there is a tempo, and that it is this one: logistic regressions fitted by
 * tools/train_tempo/calibrate.py. */
static void judge(struct rhythm *rhythm) {
    const struct rhythm_evidence *e = &rhythm->evidence;
    const bool loop = strcmp(rhythm->basis, RHYTHM_FROM_LOOP) == 0;
    const double feature[JUDGED] = {1,
                                    log(e->heard + .003),
                                    log(e->none + .003),
                                    e->periodicity,
                                    loop ? 0 : rhythm->beats.score,
                                    loop ? rhythm->beats.score : 0,
                                    loop,
                                    log(rhythm->onsets.count),
                                    log(e->contrast + .1)};
    double tempo = 0, right = 0;
    for (int i = 0; i < JUDGED; i++) {
        tempo += TEMPO_WEIGHT[i] * feature[i];
        right += RIGHT_WEIGHT[i] * feature[i];
    }
    rhythm->bpm_confidence = logistic(right);
    if (logistic(tempo) < TEMPO_PROBABLE) tempo_forget(rhythm, "nothing in this region sounds like a regular beat");
}

/* The time signature: beats split in three are written as eighths, three to a beat. */
static void meter_name(struct rhythm *rhythm) {
    const int beats = rhythm->bars.beats_per_bar;
    if (beats == 0) return;
    const bool compound = rhythm->groove.triple > .5 && rhythm->groove.subdivision == 3 && beats >= 2 && beats <= 4;
    rhythm->meter_beats = compound ? 3 * beats : beats;
    rhythm->meter_unit = compound || beats == 7 ? 8 : 4;
}

bool rhythm_analyse(const struct network *network, float *amplitudes, int64_t count, const struct rhythm_facts *facts,
                    struct rhythm *rhythm) {
    memset(rhythm, 0, sizeof *rhythm);
    const double level = bands_compress(amplitudes, count);
    if (level < 0 || !onsets_find(amplitudes, count, &rhythm->onsets)) return false;
    if (level == 0)
        rhythm->none = "the region is silent";
    else if (facts->duration < SHORTEST_S)
        rhythm->none = "the region is shorter than a second";
    else if (rhythm->onsets.count < FEWEST_ONSETS)
        rhythm->none = "fewer than three sounds begin in this region";
    if (rhythm->none) return true;
    if (!track(network, amplitudes, count, facts, rhythm)) return false;
    if (facts->loop_seconds >= LOOP_SHORTEST_S && facts->loop_seconds <= LOOP_LONGEST_S &&
        !loop_try(network, amplitudes, count, facts, rhythm))
        return false;
    if (rhythm->bpm > 0)
        judge(rhythm);
    else
        tempo_forget(rhythm, "fewer than four beats were found");
    if (!groove_find(&rhythm->onsets, rhythm->beats.time, rhythm->beats.count, &rhythm->groove)) return false;
    meter_name(rhythm);
    return true;
}

void rhythm_free(struct rhythm *rhythm) {
    beats_free(&rhythm->beats);
    bars_free(&rhythm->bars);
    onsets_free(&rhythm->onsets);
    memset(rhythm, 0, sizeof *rhythm);
}
