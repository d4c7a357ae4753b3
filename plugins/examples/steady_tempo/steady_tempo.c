/* SPDX-License-Identifier: MIT
 *
 * An alternative provider: offers the interface tempo_meter/1, as the bundled plugin of that name does, by another method (the
 * autocorrelation of the energy's rises; Gouyon et al. 2006, section III, describes the family). Its result follows the
 * interface's published schema (schema/results/tempo_meter.json), of which it fills in what is required. Who provides an
 * interface first is a matter of rank: the bundled one does, unless it fails, is disabled, or the user ranks otherwise. */
#include "sonde/frame.h"

#include <math.h>

#define RATE    8000
#define STEP    80 /* samples: 10 ms */
#define SLOWEST 50.0
#define FASTEST 200.0
#define LEAST   0.3 /* correlation from which there is a tempo at all */
#define MOST    200 /* onsets a minute are told at most, times the minutes */

struct tempo {
    float *rise; /* of the level, in dB, for each step */
    uint64_t count, room;
    double energy, last; /* of the step under way; level of the one before, dB */
    uint32_t filled;
    double duration;
};

static int32_t begin(void *state, const sonde_region_t *region, const sonde_inputs_t *others) {
    (void)others;
    struct tempo *t = state;
    *t = (struct tempo){.duration = region->duration, .last = -100};
    t->room = (uint64_t)(region->duration * RATE / STEP) + 16;
    t->rise = calloc(t->room, sizeof *t->rise);
    return t->rise ? SONDE_OK : SONDE_NO_MEMORY;
}

static int32_t process(void *state, const sonde_block_t *block) {
    struct tempo *t = state;
    const float *x = block->planes[0];
    for (uint32_t i = 0; i < block->frames; i++) {
        t->energy += (double)(x[i] * x[i]);
        if (++t->filled < STEP) continue;
        const double level = 10.0 * log10(t->energy / STEP + 1e-10);
        if (t->count < t->room) t->rise[t->count++] = (float)fmax(0.0, fmin(level - t->last, 30.0));
        t->last = level;
        t->energy = 0;
        t->filled = 0;
    }
    return SONDE_OK;
}

/* Share of the rises' power that comes again after `lag` steps. */
static double repetition(const struct tempo *t, uint64_t lag) {
    double same = 1e-9, again = 0;
    for (uint64_t i = 0; i < t->count; i++) same += (double)(t->rise[i] * t->rise[i]);
    for (uint64_t i = lag; i < t->count; i++) {
        double near = (double)t->rise[i];
        if (i + 1 < t->count) near = fmax(near, 0.8 * (double)t->rise[i + 1]);
        near = fmax(near, 0.8 * (double)t->rise[i - 1]);
        again += (double)t->rise[i - lag] * near;
    }
    return again / same;
}

/* The best lag and how much comes again after it; listeners prefer tempi about 120 bpm. */
static double find_lag(const struct tempo *t, uint64_t *lag) {
    double best = 0, found = 0;
    const double step = (double)STEP / RATE;
    for (uint64_t k = (uint64_t)(60 / FASTEST / step); k <= (uint64_t)(60 / SLOWEST / step) && k < t->count; k++) {
        const double octaves = log2(60.0 / ((double)k * step) / 120.0), share = repetition(t, k);
        const double score = share * exp(-octaves * octaves / 2);
        if (score <= best) continue;
        best = score;
        found = share;
        *lag = k;
    }
    return found;
}

static int is_onset(const struct tempo *t, uint64_t i) {
    const float x = t->rise[i];
    return x > 6.0f && (i == 0 || x >= t->rise[i - 1]) && (i + 1 == t->count || x > t->rise[i + 1]);
}

static void write_onsets(const struct tempo *t, const sonde_writer_t *out) {
    const uint64_t most = 16 + (uint64_t)(MOST * t->duration / 60.0);
    uint64_t told = 0;
    out->begin_array(out, "onsets");
    for (uint64_t i = 0; i < t->count && told < most; i++)
        if (is_onset(t, i)) out->number(out, NULL, fmin((double)i * STEP / RATE, t->duration)), told++;
    out->end_array(out);
    told = 0;
    out->begin_array(out, "onset_strengths");
    for (uint64_t i = 0; i < t->count && told < most; i++)
        if (is_onset(t, i)) out->number(out, NULL, (double)t->rise[i] / 30.0), told++;
    out->end_array(out);
}

static int32_t finish(void *state, const sonde_inputs_t *others, const sonde_writer_t *out) {
    const struct tempo *t = state;
    (void)others;
    uint64_t lag = 0;
    const double share = fmin(1.0, find_lag(t, &lag));
    const int there = lag > 0 && share >= LEAST;
    sonde_write_number_if(out, "bpm", lag ? 60.0 * RATE / ((double)lag * STEP) : 0, there);
    out->number(out, "bpm_confidence", there ? 0.5 * share : 0);
    if (!there) out->string(out, "no_tempo", "Nothing comes again regularly.");
    write_onsets(t, out);
    return out->status(out);
}

static void clear(void *state) {
    struct tempo *t = state;
    free(t->rise);
    t->rise = NULL;
}

static const sonde_interface_t provides[] = {{sizeof *provides, 1, "tempo_meter"}};
static const sonde_input_t inputs[] = {
    {.struct_size = sizeof *inputs, .kind = SONDE_INPUT_AUDIO, .channels = SONDE_CHANNELS_MID, .rate = RATE}};

static const sonde_descriptor_t descriptor = {
    .struct_size = sizeof descriptor,
    .flags = SONDE_FLAG_DETERMINISTIC,
    .id = "org.example.steady_tempo",
    .name = "Steady tempo",
    .vendor = "sonde examples",
    .version = "1.0.0",
    .licence = "MIT",
    .description = "The tempo of loops and other steady music, by autocorrelation.",
    .schema =
        "{\"type\":\"object\",\"required\":[\"bpm\",\"bpm_confidence\",\"onsets\",\"onset_strengths\"],\"properties\":{"
        "\"bpm\":{\"type\":[\"number\",\"null\"],\"minimum\":20,\"maximum\":400,\"x-unit\":\"bpm\",\"x-summary\":{"
        "\"as\":\"bpm\",\"rule\":\"mode\",\"weight\":\"bpm_confidence\",\"confidence_as\":\"bpm_confidence\","
        "\"tolerance\":0.04}},"
        "\"bpm_confidence\":{\"type\":\"number\",\"minimum\":0,\"maximum\":1,\"x-unit\":\"probability\"},"
        "\"no_tempo\":{\"type\":\"string\"},"
        "\"onsets\":{\"type\":\"array\",\"items\":{\"type\":\"number\"},\"x-unit\":\"s@region\"},"
        "\"onset_strengths\":{\"type\":\"array\",\"items\":{\"type\":\"number\"},\"x-unit\":\"1\"}}}",
    .provides = provides,
    .provides_count = 1,
    .inputs = inputs,
    .inputs_count = 1,
};

static const sonde_frame_t plugins[] = {{.descriptor = &descriptor,
                                         .size = sizeof(struct tempo),
                                         .begin = begin,
                                         .process = process,
                                         .finish = finish,
                                         .clear = clear}};
SONDE_LIBRARY(plugins)
