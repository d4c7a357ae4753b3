#include "plugin_rig.h"

#include "engine/base/schema.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct rig {
    struct host *host;
    bool open; /* a region is */
    int64_t piece;
    uint32_t block;
};

struct rig *rig_new(const char *variable) {
    struct error error = {0};
    struct rig *rig = calloc(1, sizeof *rig);
    const char *path = getenv(variable);
    if (!path) fail_msg("%s is not set", variable);
    assert_non_null(rig);
    rig->piece = 100000;
    rig->host = host_new(NULL, &error);
    assert_non_null(rig->host);
    if (!host_load(rig->host, path, NULL, NULL, NULL, &error)) fail_msg("%s", error.text);
    host_create(rig->host);
    return rig;
}

void rig_free(struct rig *rig) {
    if (rig->open) host_region_end(rig->host);
    host_free(rig->host);
    free(rig);
}

void rig_pieces(struct rig *rig, int64_t piece, uint32_t block) {
    rig->piece = piece;
    rig->block = block;
}

static cJSON *checked(const struct host_result *r, double duration) {
    if (r->outcome != HOST_OK) fail_msg("%s: %s", host_outcome_name(r->outcome), r->reason);
    struct error error = {0};
    cJSON *result = cJSON_ParseWithLength(r->json, r->json_length);
    assert_non_null(result);
    assert_non_null(r->plugin->schema);
    if (!schema_check(r->plugin->schema, result, &error) ||
        !schema_check_instants(r->plugin->schema, result, duration, &error))
        fail_msg("%s", error.text);
    return result;
}

cJSON *rig_run(struct rig *rig, const char *id, const float *const *planes, uint32_t channels, int64_t frames,
               uint32_t rate) {
    const struct host_plugin *plugin = host_plugin_find(rig->host, id);
    struct error error = {0};
    const double duration = (double)frames / rate;
    const sonde_region_t region = {.struct_size = sizeof region,
                                   .flags = SONDE_REGION_AT_FILE_START | SONDE_REGION_AT_FILE_END,
                                   .regions = 1,
                                   .parts = 1,
                                   .rate = rate,
                                   .channels = channels,
                                   .frames = frames,
                                   .duration = duration,
                                   .sound_end = duration,
                                   .file_frames = frames,
                                   .file_duration = duration};
    assert_non_null(plugin);
    assert_true(channels <= 8);
    if (rig->open) host_region_end(rig->host);
    rig->open = true;
    if (!host_region_begin(rig->host, &region, &plugin, 1, NULL, 0, rig->block, &error)) fail_msg("%s", error.text);
    for (int64_t from = 0; from < frames; from += rig->piece) {
        const float *at[8];
        for (uint32_t c = 0; c < channels; c++) at[c] = planes[c] + from;
        host_region_feed(rig->host, at, (size_t)(frames - from < rig->piece ? frames - from : rig->piece));
    }
    host_region_finish(rig->host);
    return checked(host_result(rig->host, 0), duration);
}

cJSON *rig_run_mono(struct rig *rig, const char *id, const float *samples, int64_t frames, uint32_t rate) {
    return rig_run(rig, id, &samples, 1, frames, rate);
}

const struct host_array *rig_array(struct rig *rig, const char *name) {
    const struct host_result *r = host_result(rig->host, 0);
    for (size_t i = 0; i < r->arrays_count; i++)
        if (strcmp(r->arrays[i].info->name, name) == 0) return &r->arrays[i];
    return NULL;
}

double rig_number(const cJSON *result, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(result, key);
    if (!cJSON_IsNumber(item)) fail_msg("%s is no number", key);
    return item->valuedouble;
}

void rig_tone(float *samples, uint32_t rate, double from, double to, double hz, double level) {
    const int64_t first = (int64_t)(from * rate), last = (int64_t)(to * rate);
    const double fade = 0.02 * rate;
    for (int h = 1; h <= 10 && hz * h < 0.45 * rate; h++) {
        const double step = 2 * M_PI * hz * h / rate, turn = 2 * cos(step);
        double now = 0, before = -sin(step) * level * pow(0.6, h - 1);
        for (int64_t i = first; i < last; i++) {
            const double edge = fmin((double)(i - first), (double)(last - i));
            samples[i] += (float)(edge < fade ? now * edge / fade : now);
            const double next = turn * now - before;
            before = now;
            now = next;
        }
    }
}

void rig_noise(float *samples, int64_t frames, float level) {
    uint32_t seed = 12345;
    for (int64_t i = 0; i < frames; i++) {
        seed = seed * 1664525u + 1013904223u;
        samples[i] = level * ((float)(seed >> 8) / 8388608.0f - 1.0f);
    }
}
