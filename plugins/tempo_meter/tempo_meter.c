/* SPDX-License-Identifier: MIT
 *
 * The plugin "tempo_meter": tempo, beats, bars, meter, swing, onsets. This file speaks to the host; rhythm.c does the
 * work. */
#include "bands.h"
#include "network.h"
#include "rhythm.h"
#include "sonde/frame.h"
#include "tempo_meter_schema.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NETWORK_FILE   "tempo_meter.weights"
#define TEMPOGRAM_FILE "tempogram.weights"
#define CURVE_BEATS    4 /* beats between points of the tempo curve, and averaged for each */

struct tempo_meter {
    struct network *network;
    struct tempogram *tempogram;
    struct bands bands;
    struct tempo_range range;
    struct rhythm_facts facts;
    float *amplitudes; /* count * BANDS_COUNT, room for `room` frames */
    int64_t count, room;
};

/* ------------------------------------------------------------------------------------------------------ the region */

static void forget(void *state) {
    struct tempo_meter *t = state;
    free(t->amplitudes);
    t->amplitudes = NULL;
    t->count = t->room = 0;
}

/* A loop: the one written in the file where it lies within the region, else the whole file. */
static void facts_read(const sonde_region_t *region, const struct tempo_range *range, struct rhythm_facts *facts) {
    *facts = (struct rhythm_facts){
        .duration = region->duration, .embedded_bpm = region->embedded_bpm, .lead = region->lead, .range = *range};
    if (region->regions == 1 && region->parts <= 1) {
        facts->loop_seconds = region->file_duration;
        facts->loop_start = -(double)region->start_frame / region->rate;
    }
    for (uint32_t i = 0; i < region->loops_count; i++) {
        const double start = (double)(region->loops[i].start_frame - region->start_frame) / region->rate;
        const double length = (double)(region->loops[i].end_frame - region->loops[i].start_frame) / region->rate;
        if (start >= -.001 && length > 0 && start + length <= region->duration + .001) {
            facts->loop_seconds = length;
            facts->loop_start = start;
            break;
        }
    }
}

static int32_t begin(void *state, const sonde_region_t *region, const sonde_inputs_t *inputs) {
    struct tempo_meter *t = state;
    (void)inputs;
    facts_read(region, &t->range, &t->facts);
    return SONDE_OK;
}

static int32_t process(void *state, const sonde_block_t *block) {
    struct tempo_meter *t = state;
    if (t->count + block->frames > t->room) {
        const int64_t room = 2 * t->room + block->frames + 64;
        float *grown = realloc(t->amplitudes, (size_t)(room * BANDS_COUNT) * sizeof *grown);
        if (!grown) return SONDE_NO_MEMORY;
        t->amplitudes = grown;
        t->room = room;
    }
    for (uint32_t f = 0; f < block->frames; f++)
        bands_apply(&t->bands, block->spectra + (size_t)f * block->stride, t->amplitudes + t->count++ * BANDS_COUNT);
    return SONDE_OK;
}

/* ------------------------------------------------------------------------------------------------------ the result */

static double within(double time, double duration) {
    return time < 0 ? 0 : time > duration ? duration : time;
}

static double rounded(double value, double step) {
    return round(value / step) * step;
}

/* Instants with a resolution of 0.1 ms; `wanted` (or all, when NULL) of them. */
static void write_times(const sonde_writer_t *out, const char *key, const double *time, int count,
                        const uint8_t *wanted, double duration) {
    out->begin_array(out, key);
    for (int i = 0; i < count; i++)
        if (!wanted || wanted[i]) out->number(out, NULL, rounded(within(time[i], duration), 1e-4));
    out->end_array(out);
}

static void write_candidates(const sonde_writer_t *out, const struct rhythm *r) {
    out->begin_array(out, "candidates");
    for (int i = 0; i < r->candidate_count; i++) {
        out->begin_object(out, NULL);
        out->number(out, "bpm", rounded(r->candidates[i].bpm, 1e-3));
        out->number(out, "strength", rounded(r->candidates[i].strength, 1e-4));
        out->end_object(out);
    }
    out->end_array(out);
}

static void write_curve(const sonde_writer_t *out, const struct rhythm *r, double duration) {
    out->begin_array(out, "tempo_curve");
    for (int i = 0; i + CURVE_BEATS < r->beats.count; i += CURVE_BEATS) {
        const double from = r->beats.time[i], to = r->beats.time[i + CURVE_BEATS];
        out->begin_object(out, NULL);
        out->number(out, "time", rounded(within(from, duration), 1e-4));
        out->number(out, "bpm", rounded(60 * CURVE_BEATS / (to - from), 1e-2));
        out->end_object(out);
    }
    out->end_array(out);
}

static void write_meter(const sonde_writer_t *out, const struct rhythm *r) {
    if (r->meter_beats == 0) return;
    char meter[16];
    snprintf(meter, sizeof meter, "%d/%d", r->meter_beats, r->meter_unit);
    out->string(out, "meter", meter);
    out->integer(out, "beats_per_bar", r->meter_beats);
    out->integer(out, "beat_unit", r->meter_unit);
    out->number(out, "meter_confidence", rounded(r->bars.confidence, 1e-4));
}

static void write_groove(const sonde_writer_t *out, const struct rhythm *r, double duration) {
    if (r->groove.swing_onsets > 0) out->number(out, "swing", rounded(r->groove.swing, 1e-3));
    if (r->beats.count == 0) return; /* a loop most of which lies outside the region */
    out->begin_object(out, "grid");
    out->number(out, "start", rounded(within(r->beats.time[0], duration), 1e-4));
    out->number(out, "step", 60 / r->bpm / r->groove.subdivision);
    out->integer(out, "steps_per_beat", r->groove.subdivision);
    out->number(out, "deviation", rounded(r->groove.deviation, 1e-4));
    out->end_object(out);
}

static void write_result(const sonde_writer_t *out, const struct rhythm *r, double duration) {
    if (r->bpm > 0) {
        out->number(out, "bpm", rounded(r->bpm, 1e-4));
        out->string(out, "bpm_basis", r->basis);
    } else {
        out->null(out, "bpm");
        out->string(out, "no_tempo", r->none);
    }
    out->number(out, "bpm_confidence", rounded(r->bpm > 0 ? r->bpm_confidence : 0, 1e-4));
    if (r->bpm > 0) {
        write_candidates(out, r);
        out->number(out, "tempo_stability", rounded(r->stability, 1e-3));
        write_curve(out, r, duration);
        write_times(out, "beats", r->beats.time, r->beats.count, NULL, duration);
        if (r->bars.is_downbeat)
            write_times(out, "downbeats", r->beats.time, r->beats.count, r->bars.is_downbeat, duration);
        write_meter(out, r);
        write_groove(out, r, duration);
    }
    write_times(out, "onsets", r->onsets.time, r->onsets.count, NULL, duration);
    out->begin_array(out, "onset_strengths");
    for (int i = 0; i < r->onsets.count; i++) out->number(out, NULL, rounded((double)r->onsets.strength[i], 1e-3));
    out->end_array(out);
}

static int32_t finish(void *state, const sonde_inputs_t *inputs, const sonde_writer_t *out) {
    struct tempo_meter *t = state;
    (void)inputs;
    struct rhythm rhythm;
    int32_t status = SONDE_NO_MEMORY;
    const struct rhythm_models models = {t->network, t->tempogram};
    if (rhythm_analyse(&models, t->amplitudes, t->count, &t->facts, &rhythm)) {
        write_result(out, &rhythm, t->facts.duration);
        status = out->status(out);
    }
    rhythm_free(&rhythm);
    return status;
}

/* ----------------------------------------------------------------------------------------------------- the library */

static const sonde_interface_t provides[] = {{sizeof(sonde_interface_t), 1, "tempo_meter"}};
static const sonde_input_t inputs[] = {{.struct_size = sizeof(sonde_input_t),
                                        .kind = SONDE_INPUT_SPECTRUM,
                                        .channels = SONDE_CHANNELS_MID,
                                        .rate = BANDS_RATE,
                                        .window = BANDS_WINDOW,
                                        .hop = BANDS_HOP,
                                        .form = SONDE_SPECTRUM_POWER}};

enum { RANGE }; /* the parameters, in the descriptor's order */
static const sonde_param_t params[] = {
    {.struct_size = sizeof(sonde_param_t),
     .kind = SONDE_PARAM_TEXT,
     .id = "range",
     .name = "Tempo range",
     .description =
         "The tempi that your music has, at least an octave: 85-170. Others are doubled or halved; empty: any.",
     .unit = "bpm",
     .default_text = ""},
};

static const sonde_descriptor_t descriptor = {
    .struct_size = sizeof descriptor,
    .flags = SONDE_FLAG_DETERMINISTIC,
    .id = "tempo_meter",
    .name = "Tempo and meter",
    .vendor = "sonde",
    .version = "0.4.1",
    .licence = "MIT",
    .description = "Tempo with other candidates, beats, downbeats, meter, swing and onsets; or no tempo.",
    .schema = tempo_meter_schema,
    .provides = provides,
    .provides_count = 1,
    .inputs = inputs,
    .inputs_count = 1,
    .params = params,
    .params_count = 1,
};

static int32_t file_open(const sonde_host_t *host, const char *name, const void **data, uint64_t *size) {
    const int32_t status = host->resource_open(host, name, data, size);
    if (status != SONDE_OK) {
        char line[200];
        snprintf(line, sizeof line, "%s can't be read from the plugin's folder", name);
        host->log(host, SONDE_LOG_ERROR, line);
    }
    return status;
}

static int32_t models_open(const sonde_host_t *host, struct tempo_meter *t) {
    const void *data = NULL;
    uint64_t size = 0;
    int32_t status = file_open(host, NETWORK_FILE, &data, &size);
    if (status != SONDE_OK) return status;
    t->network = network_new(data, size);
    status = file_open(host, TEMPOGRAM_FILE, &data, &size);
    if (status != SONDE_OK) return status;
    t->tempogram = tempogram_new(data, size);
    if (t->network && t->tempogram) return SONDE_OK;
    host->log(host, SONDE_LOG_ERROR, NETWORK_FILE " or " TEMPOGRAM_FILE " is damaged or of another version");
    return SONDE_FAILED;
}

static int32_t instance_open(void *state, const sonde_host_t *host, const sonde_param_value_t *values) {
    struct tempo_meter *t = state;
    bands_init(&t->bands);
    if (tempo_range_read(values[RANGE].text, &t->range)) return models_open(host, t);
    char line[300];
    snprintf(
        line, sizeof line,
        "parameter range should be two tempi from %g to %g bpm, at least an octave apart, as in 85-170, not \"%.100s\"",
        TEMPO_SLOWEST_BPM, TEMPO_FASTEST_BPM, values[RANGE].text);
    host->log(host, SONDE_LOG_ERROR, line);
    return SONDE_UNSUPPORTED;
}

static void instance_close(void *state) {
    struct tempo_meter *t = state;
    network_free(t->network);
    tempogram_free(t->tempogram);
}

static const sonde_frame_t plugins[] = {{.descriptor = &descriptor,
                                         .size = sizeof(struct tempo_meter),
                                         .open = instance_open,
                                         .begin = begin,
                                         .process = process,
                                         .finish = finish,
                                         .clear = forget,
                                         .close = instance_close}};
SONDE_LIBRARY(plugins)
