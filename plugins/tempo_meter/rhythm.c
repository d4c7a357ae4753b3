/* SPDX-License-Identifier: MIT */
#include "rhythm.h"

#include "bands.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FEWEST_ONSETS 3
#define SHORTEST_S 1.0      /* no tempo below: not even two beats at 120 bpm */
#define LOOP_FRAMES 1300    /* a loop is repeated to half a minute, what the network needs to be sure */
#define LOOP_SHORTEST_S 1.0
#define LOOP_LONGEST_S 40.0 /* in longer files any tempo is near some whole number of bars */
#define LOOP_ACCEPTED (-6.0)
#define NONE_ABOVE .5f      /* the network's probability of "no tempo" */

static const struct beats_params TRACKING = {
    .lambda = 60, .slowest_bpm = 36, .fastest_bpm = 230, .prior_weight = 1, .beat_bias = -2};

/* A tempo written in the file is as likely as all that the network heard. */
static void believe(struct network_output *heard, double embedded_bpm) {
    if (!(embedded_bpm >= TEMPO_LOWEST_BPM && embedded_bpm <= 300))
        return;
    const double bin = log2(embedded_bpm / TEMPO_LOWEST_BPM) * TEMPO_BINS_AN_OCTAVE;
    for (int i = 0; i < TEMPO_BINS; i++)
        heard->tempo[i] = .5f * heard->tempo[i] + .2f * (float)exp(-.5 * (i - bin) * (i - bin)); /* sums to 1/2 */
}

/* What the network heard in `count` frames; the caller frees the two arrays. */
static bool hear(const struct network *network, const float *frames, int64_t count, double embedded_bpm,
                 struct network_output *heard) {
    heard->beat = malloc((size_t)count * sizeof *heard->beat);
    heard->downbeat = malloc((size_t)count * sizeof *heard->downbeat);
    if (!heard->beat || !heard->downbeat || !network_run(network, frames, count, heard))
        return false;
    believe(heard, embedded_bpm);
    return true;
}

static void heard_free(struct network_output *heard) {
    free(heard->beat);
    free(heard->downbeat);
    heard->beat = heard->downbeat = NULL;
}

/* The loop's frames again and again, as if it played for half a minute; silence where it lies outside the region. NULL when
 * out of memory. */
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

/* Beats on the loop's own grid, bars from its start. */
static bool loop_beats(const struct rhythm_facts *facts, const struct tempo_loop *loop, struct rhythm *rhythm) {
    const double period = 60 / loop->bpm;
    const size_t most = (size_t)(facts->duration / period) + 2;
    rhythm->beats.time = malloc(most * sizeof *rhythm->beats.time);
    rhythm->beats.strength = malloc(most * sizeof *rhythm->beats.strength);
    rhythm->bars.is_downbeat = malloc(most);
    if (!rhythm->beats.time || !rhythm->beats.strength || !rhythm->bars.is_downbeat)
        return false;
    const int first = (int)ceil(-facts->loop_start / period - 1e-6), bar = loop->beats_per_bar;
    for (int i = first; rhythm->beats.count < (int)most; i++) {
        const double time = facts->loop_start + i * period;
        if (time > facts->duration - .25 * period)
            break; /* the next round's first beat */
        rhythm->beats.time[rhythm->beats.count] = time > 0 ? time : 0;
        rhythm->beats.strength[rhythm->beats.count] = 1;
        rhythm->bars.is_downbeat[rhythm->beats.count++] = (i % bar + bar) % bar == 0;
    }
    rhythm->bars.beats_per_bar = loop->beats_per_bar;
    rhythm->bars.confidence = .8;
    return true;
}

/* Tries to understand the region as a loop. Sets bpm when it is one. */
static bool loop_try(const struct network *network, const float *frames, int64_t count, const struct rhythm_facts *facts,
                     struct rhythm *rhythm) {
    struct network_output heard = {0};
    float *loop_frames = loop_repeat(frames, count, facts->loop_start, facts->loop_seconds);
    bool ok = loop_frames && hear(network, loop_frames, LOOP_FRAMES, facts->embedded_bpm, &heard);
    struct tempo_loop loop;
    if (ok && heard.tempo[TEMPO_BINS] < NONE_ABOVE &&
        tempo_loop_find(&heard, LOOP_FRAMES, BANDS_FPS, facts->loop_seconds, &loop) && loop.score > LOOP_ACCEPTED) {
        rhythm->bpm = loop.bpm;
        rhythm->basis = RHYTHM_FROM_LOOP;
        rhythm->bpm_confidence = logistic(loop.score + 3.5);
        rhythm->stability = 1;
        rhythm->candidate_count = tempo_candidates(&heard, LOOP_FRAMES, BANDS_FPS, loop.bpm, rhythm->candidates);
        ok = loop_beats(facts, &loop, rhythm);
    }
    free(loop_frames);
    heard_free(&heard);
    return ok;
}

static double median_bpm(const double *time, int beats) {
    double low = 0, high = 1e9; /* bisection on the interval that half of the beats exceed */
    for (int round = 0; round < 60; round++) {
        const double middle = .5 * (low + high);
        int below = 0;
        for (int i = 0; i + 1 < beats; i++)
            below += time[i + 1] - time[i] < middle;
        if (2 * below > beats - 1)
            high = middle;
        else
            low = middle;
        if (round == 0)
            high = 4;
    }
    return 60 / high;
}

static bool track(const struct network *network, const float *frames, int64_t count, const struct rhythm_facts *facts,
                  struct rhythm *rhythm) {
    struct network_output heard = {0};
    bool ok = hear(network, frames, count, facts->embedded_bpm, &heard);
    if (ok && heard.tempo[TEMPO_BINS] >= NONE_ABOVE)
        rhythm->none = "nothing in this region sounds like a regular beat";
    else if (ok) {
        float prior[TEMPO_BINS];
        for (int i = 0; i < TEMPO_BINS; i++)
            prior[i] = logf(heard.tempo[i] + .003f);
        struct beats_params params = TRACKING;
        params.prior = prior;
        ok = beats_track(heard.beat, count, BANDS_FPS, &params, &rhythm->beats) &&
             bars_find(heard.downbeat, count, BANDS_FPS, rhythm->beats.time, rhythm->beats.count, &rhythm->bars);
        rhythm->bpm = tempo_from_beats(rhythm->beats.time, rhythm->beats.count);
        if (rhythm->bpm > 0) {
            rhythm->stability = tempo_stability(rhythm->beats.time, rhythm->beats.count, rhythm->bpm);
            if (rhythm->stability < .8)
                rhythm->bpm = median_bpm(rhythm->beats.time, rhythm->beats.count);
            rhythm->basis = RHYTHM_FROM_BEATS;
            rhythm->candidate_count = tempo_candidates(&heard, count, BANDS_FPS, rhythm->bpm, rhythm->candidates);
            rhythm->bpm_confidence =
                logistic(1.2 * log((double)network_tempo_at(heard.tempo, rhythm->bpm) + .003) + .3 * rhythm->beats.score + 2);
        } else
            rhythm->none = "fewer than four beats were found";
    }
    heard_free(&heard);
    return ok;
}

/* The time signature: beats split in three are written as eighths, three to a beat. */
static void meter_name(struct rhythm *rhythm) {
    const int beats = rhythm->bars.beats_per_bar;
    if (beats == 0)
        return;
    const bool compound = rhythm->groove.triple > .5 && rhythm->groove.subdivision == 3 && beats >= 2 && beats <= 4;
    rhythm->meter_beats = compound ? 3 * beats : beats;
    rhythm->meter_unit = compound || beats == 7 ? 8 : 4;
}

bool rhythm_analyse(const struct network *network, float *amplitudes, int64_t count, const struct rhythm_facts *facts,
                    struct rhythm *rhythm) {
    memset(rhythm, 0, sizeof *rhythm);
    const double level = bands_compress(amplitudes, count);
    if (level < 0 || !onsets_find(amplitudes, count, &rhythm->onsets))
        return false;
    if (level == 0)
        rhythm->none = "the region is silent";
    else if (facts->duration < SHORTEST_S)
        rhythm->none = "the region is shorter than a second";
    else if (rhythm->onsets.count < FEWEST_ONSETS)
        rhythm->none = "fewer than three sounds begin in this region";
    if (rhythm->none)
        return true;
    if (facts->loop_seconds >= LOOP_SHORTEST_S && facts->loop_seconds <= LOOP_LONGEST_S &&
        !loop_try(network, amplitudes, count, facts, rhythm))
        return false;
    if (rhythm->bpm == 0 && !track(network, amplitudes, count, facts, rhythm))
        return false;
    if (!groove_find(&rhythm->onsets, rhythm->beats.time, rhythm->beats.count, &rhythm->groove))
        return false;
    meter_name(rhythm);
    return true;
}

void rhythm_free(struct rhythm *rhythm) {
    beats_free(&rhythm->beats);
    bars_free(&rhythm->bars);
    onsets_free(&rhythm->onsets);
    memset(rhythm, 0, sizeof *rhythm);
}
