/* features, content_timeline and classifier together, with the weights that ship, on awkward sounds. */
#include "engine/base/schema.h"
#include "workers/host/host.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PLUGINS = 3 };

static const char *const names[PLUGINS] = {"features", "content_timeline", "classifier"};

struct ears {
    struct host *host;
    const struct host_plugin *plugins[PLUGINS];
    cJSON *timeline, *classes; /* of the last sound, NULL unless ok */
};

static int set_up(void **state) {
    struct ears *ears = calloc(1, sizeof *ears);
    const struct host_hooks hooks = {0};
    struct error error = {0};
    ears->host = host_new(&hooks, &error);
    assert_non_null(ears->host);
    for (int i = 0; i < PLUGINS; i++) {
        char library[600], resources[600];
        snprintf(library, sizeof library, "%s/%s/%s.so", getenv("SONDE_PLUGIN_DIR"), names[i], names[i]);
        snprintf(resources, sizeof resources, "%s/%s/%s.resources", getenv("SONDE_PLUGIN_DIR"), names[i], names[i]);
        if (!host_load(ears->host, library, resources, NULL, NULL, &error)) fail_msg("%s", error.text);
    }
    host_create(ears->host);
    for (int i = 0; i < PLUGINS; i++) {
        ears->plugins[i] = host_plugin_find(ears->host, names[i]);
        assert_non_null(ears->plugins[i]->instance);
    }
    *state = ears;
    return 0;
}

static int tear_down(void **state) {
    struct ears *ears = *state;
    cJSON_Delete(ears->timeline);
    cJSON_Delete(ears->classes);
    host_free(ears->host);
    free(ears);
    return 0;
}

static cJSON *result_of(const struct ears *ears, size_t index, double duration) {
    const struct host_result *result = host_result(ears->host, index);
    if (result->outcome != HOST_OK)
        fail_msg("%s: %s: %s", names[index], host_outcome_name(result->outcome), result->reason);
    cJSON *json = cJSON_ParseWithLength(result->json, result->json_length);
    struct error error = {0};
    if (!schema_check(ears->plugins[index]->schema, json, &error) ||
        !schema_check_instants(ears->plugins[index]->schema, json, duration, &error))
        fail_msg("%s: %s", names[index], error.text);
    return json;
}

static void run(struct ears *ears, const float *samples, size_t count, uint32_t rate) {
    struct error error = {0};
    const double duration = (double)count / rate;
    sonde_region_t region = {.struct_size = sizeof region,
                             .regions = 1,
                             .parts = 1,
                             .rate = rate,
                             .channels = 1,
                             .frames = (int64_t)count,
                             .duration = duration,
                             .sound_end = duration,
                             .file_frames = (int64_t)count,
                             .file_duration = duration};
    cJSON_Delete(ears->timeline);
    cJSON_Delete(ears->classes);
    ears->timeline = ears->classes = NULL;
    host_region_end(ears->host);
    if (!host_region_begin(ears->host, &region, ears->plugins, PLUGINS, NULL, 0, 0, &error)) fail_msg("%s", error.text);
    for (size_t at = 0; at < count; at += 5000) {
        const float *plane = samples + at;
        host_region_feed(ears->host, &plane, count - at < 5000 ? count - at : 5000);
    }
    host_region_finish(ears->host);
}

/* Runs one mono region and checks that every segment of the timeline has its label. */
static void hear(struct ears *ears, const float *samples, size_t count, uint32_t rate) {
    const double duration = (double)count / rate;
    run(ears, samples, count, rate);
    cJSON_Delete(result_of(ears, 0, duration));
    ears->timeline = result_of(ears, 1, duration);
    ears->classes = result_of(ears, 2, duration);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(ears->timeline, "segments")),
                     cJSON_GetArraySize(cJSON_GetObjectItem(ears->classes, "segments")));
}

static const char *content(const struct ears *ears) {
    return cJSON_GetStringValue(cJSON_GetObjectItem(ears->timeline, "label"));
}

static float random_float(uint32_t *seed) {
    *seed = *seed * 1664525u + 1013904223u;
    return (float)(*seed >> 8) / 8388608.0f - 1.0f;
}

static float *make(size_t count) {
    float *samples = calloc(count, sizeof *samples);
    assert_non_null(samples);
    return samples;
}

static void digital_silence_is_near_silence(void **state) {
    float *samples = make(88200);
    hear(*state, samples, 88200, 44100);
    assert_string_equal(content(*state), "near-silence");
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(((struct ears *)*state)->classes, "label")),
                        "near-silence");
    free(samples);
}

static void white_noise_is_noise(void **state) {
    uint32_t seed = 1;
    float *samples = make(220500);
    for (size_t i = 0; i < 220500; i++) samples[i] = .1f * random_float(&seed);
    hear(*state, samples, 220500, 44100);
    assert_string_equal(content(*state), "noise");
    free(samples);
}

/* 10 ms, 0.2 s, 2 s; 8, 44.1 and 96 kHz; tones, clicks, clipped and rectangular sounds, offsets: an answer each time,
 * by the schema, with a label a segment. */
static void every_sound_gets_an_answer(void **state) {
    static const uint32_t rates[] = {8000, 44100, 96000};
    static const double seconds[] = {.01, .2, 2};
    uint32_t seed = 2;
    for (int r = 0; r < 3; r++)
        for (int s = 0; s < 3; s++)
            for (int kind = 0; kind < 6; kind++) {
                const size_t count = (size_t)(seconds[s] * rates[r]) + 1;
                float *samples = make(count);
                for (size_t i = 0; i < count; i++) {
                    const float sine = sinf(6.2831853f * 440 * (float)i / (float)rates[r]);
                    const float values[] = {.5f * sine,
                                            i == count / 2 ? 1 : 0,
                                            sine > 0 ? 1.f : -1.f,
                                            1,
                                            fminf(fmaxf(8 * random_float(&seed), -1), 1),
                                            1e6f * sine};
                    samples[i] = values[kind];
                }
                hear(*state, samples, count, rates[r]);
                free(samples);
            }
}

/* At 96 kHz a single sample leaves nothing at the network's rate. */
static void what_is_too_short_to_hear_is_empty(void **state) {
    struct ears *ears = *state;
    const float sample = .5f;
    run(ears, &sample, 1, 96000);
    assert_int_equal(host_result(ears->host, 0)->outcome, HOST_OK);
    assert_int_equal(host_result(ears->host, 1)->outcome, HOST_EMPTY);
    assert_int_equal(host_result(ears->host, 2)->outcome, HOST_SKIPPED);
    assert_non_null(strstr(host_result(ears->host, 2)->reason, "content_timeline"));
}

/* Ten minutes of quiet noise and one clap of filtered, decaying noise. */
static void one_clap_in_ten_minutes_is_found(void **state) {
    enum { RATE = 8000 };
    const size_t count = (size_t)600 * RATE;
    uint32_t seed = 3;
    float *samples = make(count), low = 0;
    for (size_t i = 0; i < count; i++) samples[i] = .004f * random_float(&seed);
    for (size_t i = 0; i < (size_t)3 * RATE; i++) {
        low += .1f * (random_float(&seed) - low);
        samples[(size_t)417 * RATE + i] += 2.5f * low * expf(-(float)i / RATE / .7f);
    }
    struct ears *ears = *state;
    hear(ears, samples, count, RATE);
    int found = 0;
    const cJSON *segment;
    cJSON_ArrayForEach(segment, cJSON_GetObjectItem(ears->timeline, "segments")) {
        const double start = cJSON_GetObjectItem(segment, "start")->valuedouble;
        const double end = cJSON_GetObjectItem(segment, "end")->valuedouble;
        found += fabs(start - 417) <= .5 && end < 425;
    }
    assert_int_equal(found, 1);
    free(samples);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digital_silence_is_near_silence),  cmocka_unit_test(white_noise_is_noise),
        cmocka_unit_test(every_sound_gets_an_answer),       cmocka_unit_test(what_is_too_short_to_hear_is_empty),
        cmocka_unit_test(one_clap_in_ten_minutes_is_found),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
