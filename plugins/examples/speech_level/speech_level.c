/* SPDX-License-Identifier: MIT
 *
 * Reads the results of others: the level of what the content timeline calls speech, from its JSON (segments with labels) and the
 * array "rms" of features (one value each 50 ms, in dBFS). It takes no audio itself. Parses JSON with cJSON (libcjson-dev). */
#include "sonde/frame.h"

#include <cjson/cJSON.h>
#include <math.h>

/* Adds up the power between two times. */
struct power {
    double sum;
    uint64_t count;
};

static void add_span(struct power *power, const sonde_array_view_t *rms, double start, double end) {
    const float *level = rms->data;
    for (uint64_t i = 0; i < rms->shape[0]; i++) {
        const double time = rms->start + (double)i * rms->hop;
        if (time < start || time >= end) continue;
        power->sum += pow(10.0, (double)level[i] / 10.0);
        power->count++;
    }
}

/* The label of a segment may name a mixture: "speech over music". */
static double add_speech(struct power *power, const sonde_array_view_t *rms, const cJSON *timeline) {
    double seconds = 0.0;
    const cJSON *segment;
    cJSON_ArrayForEach(segment, cJSON_GetObjectItemCaseSensitive(timeline, "segments")) {
        const char *label = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(segment, "label"));
        const cJSON *start = cJSON_GetObjectItemCaseSensitive(segment, "start");
        const cJSON *end = cJSON_GetObjectItemCaseSensitive(segment, "end");
        if (!label || !strstr(label, "speech") || !cJSON_IsNumber(start) || !cJSON_IsNumber(end)) continue;
        add_span(power, rms, start->valuedouble, end->valuedouble);
        seconds += end->valuedouble - start->valuedouble;
    }
    return seconds;
}

static int32_t finish(void *state, const sonde_inputs_t *others, const sonde_writer_t *out) {
    (void)state;
    sonde_array_view_t rms;
    uint64_t length = 0;
    const char *json = others->json(others, "content_timeline", &length);
    if (others->array(others, "features", "rms", &rms) != SONDE_OK || rms.dtype != SONDE_F32 || rms.dimensions != 1) {
        out->fail(out, "features has no array rms");
        return SONDE_FAILED;
    }
    cJSON *timeline = json ? cJSON_ParseWithLength(json, length) : NULL;
    if (!timeline) return SONDE_NO_MEMORY;
    struct power power = {0};
    const double seconds = add_speech(&power, &rms, timeline);
    cJSON_Delete(timeline);
    if (power.count == 0) {
        out->fail(out, "nobody speaks");
        return SONDE_EMPTY;
    }
    out->number(out, "speech_level", fmax(-200.0, 10.0 * log10(power.sum / (double)power.count)));
    out->number(out, "speech_seconds", seconds);
    return out->status(out);
}

static const sonde_interface_t provides[] = {{sizeof *provides, 1, "org.example.speech_level"}};
static const sonde_need_t needs[] = {{sizeof *needs, 1, "content_timeline", SONDE_NEED_REQUIRED, SONDE_NEED_AT_FINISH},
                                     {sizeof *needs, 1, "features", SONDE_NEED_REQUIRED, SONDE_NEED_AT_FINISH}};

static const sonde_descriptor_t descriptor = {
    .struct_size = sizeof descriptor,
    .flags = SONDE_FLAG_DETERMINISTIC,
    .id = "org.example.speech_level",
    .name = "Speech level",
    .vendor = "sonde examples",
    .version = "1.0.0",
    .licence = "MIT",
    .description = "How loud the speech is, apart from everything else in the recording.",
    .schema = "{\"type\":\"object\",\"required\":[\"speech_level\",\"speech_seconds\"],\"properties\":{"
              "\"speech_level\":{\"type\":\"number\",\"minimum\":-200,\"maximum\":20,\"x-unit\":\"dBFS\","
              "\"x-summary\":{\"as\":\"speech_level\",\"rule\":\"mean\"}},"
              "\"speech_seconds\":{\"type\":\"number\",\"minimum\":0,\"x-unit\":\"s\","
              "\"x-summary\":{\"as\":\"speech_seconds\",\"rule\":\"sum\"}}}}",
    .provides = provides,
    .provides_count = 1,
    .needs = needs,
    .needs_count = 2,
};

static const sonde_frame_t plugins[] = {{.descriptor = &descriptor, .finish = finish}};
SONDE_LIBRARY(plugins)
