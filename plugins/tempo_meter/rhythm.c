/* SPDX-License-Identifier: MIT */
#include "rhythm.h"

#include "bands.h"
#include "judge.h"
#include "loop.h"
#include "pulse.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FEWEST_ONSETS   3
#define SHORTEST_S      1.0  /* no tempo below: not even two beats at 120 bpm */
#define LOOP_FRAMES     1300 /* a loop is repeated to half a minute, what the network needs to be sure */
#define LOOP_SHORTEST_S 1.0
#define LOOP_LONGEST_S  40.0 /* in longer files any tempo is near some whole number of bars */
#define LOOP_AGREES     .012 /* relative distance of the tracked tempo, or a relative of it, from the loop's */
#define LINE_OFF        .001 /* the line through the beats is finer than a steady pulse unless it is off by more */
#define QUIET           .056 /* of the reference level, -25 dB */
#define SILENCE_S       .02  /* a frame */
#define BEGINS_S        .12  /* an onset is found so near to where sound begins */
#define TEMPO_PROBABLE  .5
#define LOOP_PROBABLE   .25 /* lower: a loop that is missed costs more than a tempo named with little confidence */

/* What was heard in a stretch of frames. */
struct heard {
    struct network_output network;
    float tempogram[TEMPO_BINS];
};

/* A tempo written in the file is as likely as all that was heard. */
static void believe(float tempo[TEMPO_BINS], double embedded_bpm) {
    if (!(embedded_bpm >= TEMPO_LOWEST_BPM && embedded_bpm <= 300)) return;
    const double bin = log2(embedded_bpm / TEMPO_LOWEST_BPM) * TEMPO_BINS_AN_OCTAVE;
    for (int i = 0; i < TEMPO_BINS; i++)
        tempo[i] = .5f * tempo[i] + .2f * (float)exp(-.5 * (i - bin) * (i - bin)); /* the bump sums to 1/2 */
}

/* The caller frees with heard_free, also after false. */
static bool hear(const struct rhythm_models *models, const float *frames, int64_t count, double embedded_bpm,
                 struct heard *heard) {
    heard->network.beat = malloc((size_t)count * sizeof *heard->network.beat);
    heard->network.downbeat = malloc((size_t)count * sizeof *heard->network.downbeat);
    if (!heard->network.beat || !heard->network.downbeat ||
        !network_run(models->network, frames, count, &heard->network) ||
        !tempogram_run(models->tempogram, frames, count, heard->tempogram))
        return false;
    believe(heard->network.tempo, embedded_bpm);
    believe(heard->tempogram, embedded_bpm);
    return true;
}

static void heard_free(struct heard *heard) {
    free(heard->network.beat);
    free(heard->network.downbeat);
    heard->network.beat = heard->network.downbeat = NULL;
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

/* Beats on the loop's own grid, whose first is at `start`; bars from there. */
static bool loop_beats(const struct rhythm_facts *facts, double start, const struct loop *loop, struct rhythm *rhythm) {
    const double period = 60 / loop->bpm;
    const size_t most = (size_t)(facts->duration / period) + 2;
    rhythm->beats.time = malloc(most * sizeof *rhythm->beats.time);
    rhythm->beats.strength = malloc(most * sizeof *rhythm->beats.strength);
    rhythm->bars.is_downbeat = malloc(most);
    if (!rhythm->beats.time || !rhythm->beats.strength || !rhythm->bars.is_downbeat) return false;
    const int first = (int)ceil(-start / period - 1e-6), bar = loop->beats_per_bar;
    for (int i = first; rhythm->beats.count < (int)most; i++) {
        const double time = start + i * period;
        if (time > facts->duration - .25 * period) break; /* the next round's first beat */
        rhythm->beats.time[rhythm->beats.count] = time > 0 ? time : 0;
        rhythm->beats.strength[rhythm->beats.count] = 1;
        rhythm->bars.is_downbeat[rhythm->beats.count++] = (i % bar + bar) % bar == 0;
    }
    rhythm->bars.beats_per_bar = loop->beats_per_bar;
    rhythm->bars.confidence = loop->meter_confidence;
    return true;
}

/* When music begins, if silence comes before it: the first onset, where nothing louder than QUIET sounds before. Else -1: a
 * region that begins in the midst of sound says nothing of beats. */
static double begins(const float *frames, int64_t count, const struct rhythm_facts *facts,
                     const struct onsets *onsets) {
    int64_t t = 0;
    for (; t < count; t++) {
        double power = 0;
        for (int b = 0; b < BANDS_COUNT; b++) {
            const double amplitude = expm1((double)frames[t * BANDS_COUNT + b]) / BANDS_GAIN;
            power += amplitude * amplitude / BANDS_COUNT;
        }
        if (power > QUIET * QUIET) break;
    }
    const double silence = (double)t / BANDS_FPS, first = onsets->count > 0 ? onsets->time[0] : -1;
    return facts->lead + silence > SILENCE_S && fabs(first - silence) < BEGINS_S ? first : -1;
}

/* The beats of the most probable pulse, its bars, and what else it could have been. */
static bool pulse_take(struct pulse pulse[PULSES], int count, const struct network_output *heard, int64_t frames,
                       double first, struct rhythm *rhythm) {
    struct tempo_candidate known[PULSES];
    double steady;
    if (!beats_steady(heard->beat, frames, BANDS_FPS, pulse[0].bpm, first, &pulse[0].beats, &steady)) return false;
    rhythm->beats = pulse[0].beats;
    pulse[0].beats = (struct beats){0};
    rhythm->bpm = steady > 0 && fabs(steady / pulse[0].bpm - 1) > LINE_OFF ? steady : pulse[0].bpm;
    rhythm->stability = tempo_stability(rhythm->beats.time, rhythm->beats.count, rhythm->bpm);
    rhythm->basis = RHYTHM_FROM_BEATS;
    rhythm->bpm *= pulse[0].ratio;
    if (!beats_fold(heard->downbeat, frames, BANDS_FPS, pulse[0].ratio, &rhythm->beats)) return false;
    for (int i = 0; i < count; i++)
        known[i] = (struct tempo_candidate){pulse[i].bpm * pulse[i].ratio, pulse[i].probability};
    known[0].bpm = rhythm->bpm;
    rhythm->candidate_count = tempo_candidates(known, count, rhythm->bpm, rhythm->candidates);
    return bars_find(heard->downbeat, frames, BANDS_FPS, rhythm->beats.time, rhythm->beats.count, &rhythm->bars);
}

/* Follows the beats, wherever they lead. *tracked_bpm: the tempo found, even where it isn't probable enough to be one. */
static bool track(const struct rhythm_models *models, const float *frames, int64_t count,
                  const struct rhythm_facts *facts, struct rhythm *rhythm, double *tracked_bpm) {
    struct heard heard = {0};
    struct pulse pulse[PULSES];
    int pulses = 0;
    bool ok = hear(models, frames, count, facts->embedded_bpm, &heard);
    const struct pulse_view view = {
        .heard = &heard.network, .tempogram = heard.tempogram, .onsets = &rhythm->onsets, .count = count};
    ok = ok && pulses_find(&view, pulse, &pulses);
    *tracked_bpm = 0;
    if (ok && pulses > 0) {
        const struct judge_facts known = {.none = (double)heard.network.tempo[TEMPO_BINS],
                                          .onsets = rhythm->onsets.count,
                                          .seconds = facts->duration};
        *tracked_bpm = pulse[0].bpm;
        if (judge_tempo(&pulse[0], &known) > TEMPO_PROBABLE) {
            pulses = pulses_fold(&facts->range, pulse, pulses);
            rhythm->bpm_confidence = judge_right(&pulse[0], &known);
            const double first = begins(frames, count, facts, &rhythm->onsets);
            ok = pulse_take(pulse, pulses, &heard.network, count, first, rhythm);
        }
    }
    pulses_free(pulse, pulses);
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

/* The most probable reading as a loop replaces whatever was tracked; `heard` in the loop repeated. */
static bool loop_take(const struct rhythm_facts *facts, const struct network_output *heard, struct loop *loop,
                      int count, double probability, struct rhythm *rhythm) {
    struct tempo_candidate known[LOOPS];
    const struct loop_padding padding = loop_unpad(&rhythm->onsets, facts->loop_start, facts->loop_seconds,
                                                   loop->beats);
    const double seconds = facts->loop_seconds - padding.all;
    count = loops_fold(&facts->range, seconds, loop, count);
    if (count == 0) return true;
    if (!loop_meter(heard, LOOP_FRAMES, loop)) return false;
    for (int i = 0; i < count; i++) loop[i].bpm = 60 * loop[i].beats / seconds;
    beats_free(&rhythm->beats);
    bars_free(&rhythm->bars);
    rhythm->bpm = loop[0].bpm;
    rhythm->bpm_confidence = probability * loop[0].probability;
    rhythm->basis = RHYTHM_FROM_LOOP;
    rhythm->stability = 1;
    for (int i = 0; i < count; i++) known[i] = (struct tempo_candidate){loop[i].bpm, loop[i].probability};
    rhythm->candidate_count = tempo_candidates(known, count, loop[0].bpm, rhythm->candidates);
    return loop_beats(facts, facts->loop_start + padding.before, loop, rhythm);
}

/* Tries to understand the region as a loop. `tracked_bpm` is what was found without that idea, 0: nothing. */
static bool loop_try(const struct rhythm_models *models, const float *frames, int64_t count,
                     const struct rhythm_facts *facts, double tracked_bpm, struct rhythm *rhythm) {
    struct heard heard = {0};
    struct onsets onsets = {0};
    struct loop loop[LOOPS];
    float *repeated = loop_repeat(frames, count, facts->loop_start, facts->loop_seconds);
    bool ok = repeated && onsets_find(repeated, LOOP_FRAMES, &onsets) &&
              hear(models, repeated, LOOP_FRAMES, facts->embedded_bpm, &heard);
    const struct pulse_view view = {
        .heard = &heard.network, .tempogram = heard.tempogram, .onsets = &onsets, .count = LOOP_FRAMES};
    const int loops = ok ? loop_rank(&view, facts->loop_seconds, loop) : 0;
    if (loops > 0) {
        const struct judge_facts known = {.none = (double)heard.network.tempo[TEMPO_BINS],
                                          .onsets = rhythm->onsets.count,
                                          .seconds = facts->loop_seconds,
                                          .confirmed = tracked_bpm > 0 && is_relative(tracked_bpm, loop[0].bpm)};
        const double probability = judge_loop(&loop[0], &known);
        if (probability > LOOP_PROBABLE) ok = loop_take(facts, &heard.network, loop, loops, probability, rhythm);
    }
    free(repeated);
    onsets_free(&onsets);
    heard_free(&heard);
    return ok;
}

/* The time signature: beats split in three are written as eighths, three to a beat. */
static void meter_name(struct rhythm *rhythm) {
    const int beats = rhythm->bars.beats_per_bar;
    if (beats == 0) return;
    const bool compound = rhythm->groove.triple > .5 && rhythm->groove.subdivision == 3 && beats >= 2 && beats <= 4;
    rhythm->meter_beats = compound ? 3 * beats : beats;
    rhythm->meter_unit = compound || beats == 7 ? 8 : 4;
}

bool rhythm_analyse(const struct rhythm_models *models, float *amplitudes, int64_t count,
                    const struct rhythm_facts *facts, struct rhythm *rhythm) {
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
    double tracked_bpm;
    if (!track(models, amplitudes, count, facts, rhythm, &tracked_bpm)) return false;
    if (facts->loop_seconds >= LOOP_SHORTEST_S && facts->loop_seconds <= LOOP_LONGEST_S &&
        !loop_try(models, amplitudes, count, facts, tracked_bpm, rhythm))
        return false;
    if (rhythm->bpm == 0) rhythm->none = "nothing in this region sounds like a regular beat";
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
