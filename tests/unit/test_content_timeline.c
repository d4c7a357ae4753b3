/* plugins/content_timeline: the head, the decoding, and the plugin behind the host with made-up embeddings: dimension k of
 * the scene stands for kind k, dimension CHANGE for a change that is heard. */
#include "embedding_rig.h"
#include "head.h"
#include "timeline.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SPEECH, MUSIC, ENVIRONMENT, NOISE, CHANGE };

static uint8_t *weights;
static uint64_t weights_size;

/* The tensors of a head, and where weights_rig takes them from. */
struct tensors {
    float mean[HEAD_INPUTS], scale[HEAD_INPUTS], entry[HEAD_INPUTS * HEAD_WIDTH], entry_bias[HEAD_WIDTH];
    float block[HEAD_BLOCKS][HEAD_TAPS * HEAD_WIDTH * HEAD_WIDTH], block_bias[HEAD_BLOCKS][HEAD_WIDTH];
    float exit[HEAD_WIDTH * HEAD_OUTPUTS], exit_bias[HEAD_OUTPUTS];
};

static uint8_t *file_of(const struct tensors *tensors, uint64_t *size) {
    struct weights_rig rig = {.kind = "timeline", .architecture = 5, .version = 1, .parent = EMBEDDING_RIG_PARENT};
    weights_rig_add(&rig, "input.mean", tensors->mean, HEAD_INPUTS, 1);
    weights_rig_add(&rig, "input.scale", tensors->scale, HEAD_INPUTS, 1);
    weights_rig_add(&rig, "entry.weight", tensors->entry, HEAD_INPUTS, HEAD_WIDTH);
    weights_rig_add(&rig, "entry.bias", tensors->entry_bias, HEAD_WIDTH, 1);
    for (uint32_t i = 0; i < HEAD_BLOCKS; i++) {
        char name[32];
        snprintf(name, sizeof name, "block%u.weight", i);
        weights_rig_add(&rig, name, tensors->block[i], HEAD_TAPS * HEAD_WIDTH, HEAD_WIDTH);
        snprintf(name, sizeof name, "block%u.bias", i);
        weights_rig_add(&rig, name, tensors->block_bias[i], HEAD_WIDTH, 1);
    }
    weights_rig_add(&rig, "exit.weight", tensors->exit, HEAD_WIDTH, HEAD_OUTPUTS);
    weights_rig_add(&rig, "exit.bias", tensors->exit_bias, HEAD_OUTPUTS, 1);
    return weights_rig_make(&rig, size);
}

/* A one in dimension k of the scene gives kind k (or the change) .993, a zero .007. */
static int make_weights(void **state) {
    (void)state;
    static struct tensors tensors;
    for (uint32_t i = 0; i < HEAD_INPUTS; i++) tensors.scale[i] = 1;
    for (uint32_t k = 0; k < HEAD_OUTPUTS; k++) {
        tensors.entry[k * HEAD_WIDTH + k] = 1;
        tensors.exit[k * HEAD_OUTPUTS + k] = 10, tensors.exit_bias[k] = -5;
    }
    weights = file_of(&tensors, &weights_size);
    return 0;
}

static int free_weights(void **state) {
    (void)state;
    free(weights);
    return 0;
}

static int set_up(void **state) {
    struct embedding_rig *rig = malloc(sizeof *rig);
    const struct embedding_rig_file file = {"content_timeline.weights", weights, weights_size};
    embedding_rig_open(rig, "content_timeline", &file, 1, NULL);
    *state = rig;
    return 0;
}

static int tear_down(void **state) {
    embedding_rig_close(*state);
    free(*state);
    return 0;
}

/* From `from` to `to` seconds there is this kind. */
static void paint(struct embedding_rig *rig, double from, double to, int kind) {
    for (uint32_t t = (uint32_t)ceil(from / EMBEDDING_RIG_HOP - 1e-9); t * EMBEDDING_RIG_HOP < to - 1e-9; t++)
        rig->scene[(size_t)t * EMBEDDING_RIG_D + (size_t)kind] = EMBEDDING_RIG_ONE;
}

static void loudness(struct embedding_rig *rig, double from, double to, float level) {
    for (uint32_t t = (uint32_t)ceil(from / EMBEDDING_RIG_HOP - 1e-9); t * EMBEDDING_RIG_HOP < to - 1e-9; t++)
        rig->level[t] = level;
}

static const cJSON *run(struct embedding_rig *rig) {
    const struct host_result *result = embedding_rig_run(rig, &rig->features, 1);
    if (result->outcome != HOST_OK) fail_msg("%s: %s", host_outcome_name(result->outcome), result->reason);
    return cJSON_GetObjectItem(rig->json, "segments");
}

static double number(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItem(object, key);
    assert_true(cJSON_IsNumber(item));
    return item->valuedouble;
}

/* "speech music ...": the labels in order; and that segments are gapless from 0 to the region's end. */
static void assert_segments(const struct embedding_rig *rig, const cJSON *segments, const char *expected) {
    char labels[2000] = "";
    double end = 0;
    const cJSON *segment;
    cJSON_ArrayForEach(segment, segments) {
        assert_float_equal(number(segment, "start"), end, 1e-6);
        end = number(segment, "end");
        const size_t used = strlen(labels);
        snprintf(labels + used, sizeof labels - used, "%s%s%s", used ? ", " : "",
                 cJSON_GetStringValue(cJSON_GetObjectItem(segment, "label")),
                 cJSON_IsTrue(cJSON_GetObjectItem(segment, "event")) ? "!" : "");
    }
    assert_string_equal(labels, expected);
    assert_float_equal(end, rig->region.duration, 1e-6);
}

static double start_of(const cJSON *segments, int index) {
    return number(cJSON_GetArrayItem(segments, index), "start");
}

static void one_kind_is_one_segment(void **state) {
    struct embedding_rig *rig = *state;
    for (int kind = 0; kind < 4; kind++) {
        static const char *const names[] = {"speech", "music", "environment", "noise"};
        embedding_rig_fill(rig, 150);
        paint(rig, 0, 30, kind);
        const cJSON *segments = run(rig);
        assert_segments(rig, segments, names[kind]);
        assert_true(number(cJSON_GetArrayItem(segments, 0), "confidence") > .9);
        assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(rig->json, "label")), names[kind]);
    }
}

static void boundaries_are_where_the_kind_changes(void **state) {
    struct embedding_rig *rig = *state;
    embedding_rig_fill(rig, 300);
    paint(rig, 0, 20, SPEECH);
    paint(rig, 20, 41, MUSIC);
    paint(rig, 35, 60, SPEECH); /* over the music until 41 */
    const cJSON *segments = run(rig);
    assert_segments(rig, segments, "speech, music, speech over music, speech");
    assert_float_equal(start_of(segments, 1), 20, .2);
    assert_float_equal(start_of(segments, 2), 35, .2);
    assert_float_equal(start_of(segments, 3), 41, .2);
    const cJSON *transitions = cJSON_GetObjectItem(rig->json, "transitions");
    assert_int_equal(cJSON_GetArraySize(transitions), 3);
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(cJSON_GetArrayItem(transitions, 0), "to")), "music");
    assert_float_equal(number(cJSON_GetArrayItem(transitions, 2), "time"), start_of(segments, 3), 1e-6);
}

static void flicker_is_no_segment(void **state) {
    struct embedding_rig *rig = *state;
    embedding_rig_fill(rig, 300);
    paint(rig, 0, 60, MUSIC);
    for (int i = 3; i < 300; i += 11) {
        rig->scene[(size_t)i * EMBEDDING_RIG_D + MUSIC] = 0;
        rig->scene[(size_t)i * EMBEDDING_RIG_D + SPEECH] = EMBEDDING_RIG_ONE;
    }
    assert_segments(rig, run(rig), "music");
}

static void silence_goes_by_level(void **state) {
    struct embedding_rig *rig = *state;
    embedding_rig_fill(rig, 100);
    paint(rig, 0, 20, SPEECH);
    loudness(rig, 8, 12, -90);
    const cJSON *segments = run(rig);
    assert_segments(rig, segments, "speech, near-silence, speech");
    assert_float_equal(start_of(segments, 1), 8, .2);
    assert_float_equal(start_of(segments, 2), 12, .2);
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(rig->json, "label")), "speech");
    loudness(rig, 0, 20, -120);
    assert_segments(rig, run(rig), "near-silence");
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(rig->json, "label")), "near-silence");
}

static void one_thunderclap_in_ten_minutes_is_found(void **state) {
    struct embedding_rig *rig = *state;
    embedding_rig_fill(rig, 3000);
    paint(rig, 0, 600, ENVIRONMENT);
    for (uint32_t t = 0; t < 3000; t++) rig->level[t] = -45 + 3 * sinf((float)t * .7f); /* rain */
    loudness(rig, 300, 302, -14);
    const cJSON *segments = run(rig);
    assert_segments(rig, segments, "environment, environment!, environment");
    assert_float_equal(start_of(segments, 1), 300, .5);
    assert_float_equal(start_of(segments, 2), 302, .5);
    /* and over near-silence, however short */
    embedding_rig_fill(rig, 3000);
    loudness(rig, 0, 600, -85);
    loudness(rig, 300, 300.4, -14);
    paint(rig, 300, 300.4, ENVIRONMENT);
    segments = run(rig);
    assert_segments(rig, segments, "near-silence, environment!, near-silence");
    assert_float_equal(start_of(segments, 1), 300, .5);
}

static void steady_ups_and_downs_are_no_events(void **state) {
    struct embedding_rig *rig = *state;
    embedding_rig_fill(rig, 600);
    paint(rig, 0, 120, ENVIRONMENT);
    for (uint32_t t = 0; t < 600; t++) rig->level[t] = t % 20 < 10 ? -50 : -20; /* a hammer at work */
    assert_segments(rig, run(rig), "environment");
}

static void pauses_between_hits_are_no_silence(void **state) {
    struct embedding_rig *rig = *state;
    embedding_rig_fill(rig, 100);
    for (uint32_t t = 0; t < 100; t++) {
        rig->level[t] = t % 5 == 0 ? -25 : -90;
        rig->scene[(size_t)t * EMBEDDING_RIG_D + ENVIRONMENT] = t % 5 == 0 ? EMBEDDING_RIG_ONE : 0;
    }
    const cJSON *segments = run(rig);
    assert_int_equal(cJSON_GetArraySize(segments), 1);
    assert_string_not_equal(cJSON_GetStringValue(cJSON_GetObjectItem(cJSON_GetArrayItem(segments, 0), "label")),
                            "near-silence");
}

/* A second of speech within music is no flicker where both its ends are heard. */
static void a_change_that_is_heard_costs_less(void **state) {
    struct embedding_rig *rig = *state;
    for (int heard = 0; heard < 2; heard++) {
        embedding_rig_fill(rig, 150);
        paint(rig, 0, 12, MUSIC);
        paint(rig, 12, 13, SPEECH);
        paint(rig, 13, 30, MUSIC);
        if (heard) paint(rig, 12, 12.2, CHANGE), paint(rig, 13, 13.2, CHANGE);
        const cJSON *segments = run(rig);
        assert_segments(rig, segments, heard ? "music, speech, music" : "music");
        if (heard) assert_float_equal(start_of(segments, 1), 12, .2);
    }
}

/* The same sums as head.c's, in another order and in double. */
static double naive_entry(const struct tensors *w, const struct embedding *e, int64_t t, uint32_t c) {
    double sum = (double)w->entry_bias[c];
    if (t < 0 || t >= e->count) return 0;
    for (uint32_t i = 0; i < HEAD_INPUTS; i++) {
        const uint32_t place = i % EMBEDDING_DIMENSIONS;
        const float value = i < EMBEDDING_DIMENSIONS ? (float)e->scene[(size_t)t * EMBEDDING_DIMENSIONS + place] / 32
                            : i < 2 * EMBEDDING_DIMENSIONS ? e->values[(size_t)t * EMBEDDING_DIMENSIONS + place]
                                                           : e->timbre[(size_t)t * TIMBRE_DIMENSIONS + place];
        sum += fmin(fmax(((double)value - w->mean[i]) * w->scale[i], -5), 5) * w->entry[i * HEAD_WIDTH + c];
    }
    return fmax(sum, 0);
}

static void naive_block(const struct tensors *w, uint32_t index, const double *x, uint32_t count, double *out) {
    static const int64_t dilations[HEAD_BLOCKS] = {2, 6, 12};
    for (int64_t t = 0; t < count; t++)
        for (uint32_t c = 0; c < HEAD_WIDTH; c++) {
            double sum = (double)w->block_bias[index][c] + x[t * HEAD_WIDTH + c];
            for (int64_t tap = -1; tap <= 1; tap++) {
                const int64_t from = t + tap * dilations[index];
                for (uint32_t i = 0; from >= 0 && from < count && i < HEAD_WIDTH; i++)
                    sum += x[from * HEAD_WIDTH + i] *
                           w->block[index][((size_t)(tap + 1) * HEAD_WIDTH + i) * HEAD_WIDTH + c];
            }
            out[t * HEAD_WIDTH + c] = fmax(sum, 0);
        }
}

static void fill(float *values, size_t count, float size, uint32_t *seed) {
    for (size_t i = 0; i < count; i++) values[i] = size * weights_rig_random(seed);
}

static void the_head_is_what_its_manual_says(void **state) {
    (void)state;
    enum { MOST = 40 };
    static struct tensors w;
    static uint8_t scene[MOST * EMBEDDING_DIMENSIONS];
    static float values[MOST * EMBEDDING_DIMENSIONS], timbre[MOST * TIMBRE_DIMENSIONS];
    static double x[MOST * HEAD_WIDTH], y[MOST * HEAD_WIDTH];
    uint32_t seed = 7;
    fill((float *)&w, sizeof w / sizeof(float), .15f, &seed);
    for (uint32_t i = 0; i < HEAD_INPUTS; i++) w.scale[i] = 1 + fabsf(w.scale[i]);
    for (uint32_t i = 0; i < MOST * EMBEDDING_DIMENSIONS; i++)
        scene[i] = (uint8_t)(255 * fabsf(weights_rig_random(&seed)));
    fill(values, MOST * EMBEDDING_DIMENSIONS, 3, &seed);
    fill(timbre, MOST * TIMBRE_DIMENSIONS, 8, &seed); /* some of it beyond the limit */
    uint64_t size;
    char error[200];
    uint8_t *file = file_of(&w, &size);
    struct weights opened;
    struct head head;
    assert_int_equal(weights_open(&opened, file, size, "timeline", HEAD_ARCHITECTURE, error, sizeof error), 0);
    assert_int_equal(head_open(&head, &opened, error, sizeof error), 0);
    for (uint32_t count = 1; count <= MOST; count += count < 3 ? 1 : 37) {
        const struct embedding embedding = {
            .count = count, .hop = .2, .values = values, .scene = scene, .timbre = timbre};
        float kinds[MOST * TIMELINE_KINDS], change[MOST];
        assert_int_equal(head_measure(&head, &embedding, kinds, change), 0);
        for (uint32_t t = 0; t < count; t++)
            for (uint32_t c = 0; c < HEAD_WIDTH; c++) x[t * HEAD_WIDTH + c] = naive_entry(&w, &embedding, t, c);
        naive_block(&w, 0, x, count, y);
        naive_block(&w, 1, y, count, x);
        naive_block(&w, 2, x, count, y);
        for (uint32_t t = 0; t < count; t++)
            for (uint32_t k = 0; k < HEAD_OUTPUTS; k++) {
                double sum = (double)w.exit_bias[k];
                for (uint32_t c = 0; c < HEAD_WIDTH; c++) sum += y[t * HEAD_WIDTH + c] * w.exit[c * HEAD_OUTPUTS + k];
                const float got = k < TIMELINE_KINDS ? kinds[t * TIMELINE_KINDS + k] : change[t];
                assert_float_equal(got, (float)(1 / (1 + exp(-sum))), 1e-4f);
            }
    }
    free(file);
}

static void one_shots_get_one_segment(void **state) {
    struct embedding_rig *rig = *state;
    for (uint32_t count = 1; count < 4; count++) {
        embedding_rig_fill(rig, count);
        paint(rig, 0, count * EMBEDDING_RIG_HOP, MUSIC);
        assert_segments(rig, run(rig), "music");
    }
}

static void restless_sounds_stay_within_the_limits(void **state) {
    struct embedding_rig *rig = *state;
    uint32_t seed = 3;
    embedding_rig_fill(rig, 3300);
    for (uint32_t t = 0; t < 3300; t++) {
        rig->level[t] = -50 + 40 * weights_rig_random(&seed);
        for (uint32_t k = 0; k < 4; k++)
            rig->scene[(size_t)t * EMBEDDING_RIG_D + k] = (uint8_t)(32 * fabsf(weights_rig_random(&seed)));
    }
    const cJSON *segments = run(rig);
    assert_in_range(cJSON_GetArraySize(segments), 1, 1200);
    const cJSON *segment;
    double end = 0;
    cJSON_ArrayForEach(segment, segments) {
        assert_float_equal(number(segment, "start"), end, 1e-6);
        end = number(segment, "end");
    }
    assert_float_equal(end, rig->region.duration, 1e-6);
}

static void room_is_kept_by_joining_the_shortest(void **state) {
    (void)state;
    enum { COUNT = 400 };
    static float kinds[COUNT * TIMELINE_KINDS], change[COUNT], level[COUNT];
    struct timeline_segment segments[7];
    for (uint32_t t = 0; t < COUNT; t++) {
        level[t] = -20;
        for (uint32_t k = 0; k < TIMELINE_KINDS; k++) kinds[t * TIMELINE_KINDS + k] = t / 20 % 2 == k ? .99f : .01f;
    }
    const int64_t n = timeline_decode(kinds, change, level, COUNT, .2, segments, 7);
    assert_in_range(n, 1, 7);
    for (int64_t i = 0; i < n; i++) assert_int_equal(segments[i].first, i ? segments[i - 1].end : 0);
    assert_int_equal(segments[n - 1].end, COUNT);
    assert_int_equal(timeline_decode(kinds, change, level, 0, .2, segments, 7), 0);
}

static void assert_outcome(struct embedding_rig *rig, const struct host_input *inputs, size_t count, int outcome,
                           const char *reason) {
    const struct host_result *result = embedding_rig_run(rig, inputs, count);
    if (result->outcome != outcome || strstr(result->reason, reason) == NULL)
        fail_msg("%s: \"%s\", expected %s: \"%s\"", host_outcome_name(result->outcome), result->reason,
                 host_outcome_name(outcome), reason);
}

static void features_that_do_not_fit_are_named(void **state) {
    struct embedding_rig *rig = *state;
    embedding_rig_fill(rig, 10);
    assert_outcome(rig, NULL, 0, HOST_SKIPPED, "features");
    struct host_input input = rig->features;
#define WITH_JSON(text) (input.json = (text), input.json_length = strlen(input.json), &input)
    assert_outcome(rig, WITH_JSON("{}"), 1, HOST_FAILED, "does not say which network");
    assert_outcome(rig, WITH_JSON("{\"embedding\":{\"model\":\"m\",\"version\":1,\"hash\":\"00000000deadbeef\"}}"), 1,
                   HOST_FAILED, "comes from the network 00000000deadbeef");
    assert_outcome(rig, WITH_JSON("{\"embedding\":{\"reason\":\"the weights file is damaged\"}}"), 1, HOST_FAILED,
                   "no embedding: the weights file is damaged");
#undef WITH_JSON
    input = rig->features;
    input.arrays_count = 1;
    assert_outcome(rig, &input, 1, HOST_FAILED, "no array");
    input = rig->features;
    rig->arrays[0].shape[1] = 64;
    assert_outcome(rig, &input, 1, HOST_FAILED, "\"embedding\" of features/1 is not frames x 96");
    embedding_rig_fill(rig, 10);
    rig->arrays[2].shape[0] = 9;
    assert_outcome(rig, &rig->features, 1, HOST_FAILED, "other frames than the embedding");
    embedding_rig_fill(rig, 0);
    assert_outcome(rig, &rig->features, 1, HOST_EMPTY, "no frames");
}

static void channels_that_cancel_are_no_silence(void **state) {
    struct embedding_rig *rig = *state;
    embedding_rig_fill(rig, 50);
    loudness(rig, 0, 10, -120);
    struct host_input input = rig->features;
    char json[200];
    snprintf(json, sizeof json, "{\"correlation\":-1,%s", EMBEDDING_RIG_FEATURES + 1);
    input.json = json, input.json_length = strlen(json);
    assert_outcome(rig, &input, 1, HOST_EMPTY, "the channels cancel each other out");
    snprintf(json, sizeof json, "{\"correlation\":null,%s", EMBEDDING_RIG_FEATURES + 1);
    input.json_length = strlen(json);
    assert_outcome(rig, &input, 1, HOST_OK, "");
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(rig->json, "label")), "near-silence");
}

static void bad_weights_make_every_result_say_so(void **state) {
    (void)state;
    static const char *const expected[] = {"content_timeline.weights: the file is missing",
                                           "content_timeline.weights: the weights file is truncated",
                                           "content_timeline.weights: the weights file has format 0",
                                           "content_timeline.weights: the weights file is for architecture 2, this "
                                           "plugin has architecture 5"};
    for (int i = 0; i < 4; i++) {
        struct embedding_rig rig;
        uint8_t *copy = malloc(weights_size);
        memcpy(copy, weights, weights_size);
        if (i == 2) ((struct weights_header *)(void *)copy)->format = 0;
        if (i == 3) ((struct weights_header *)(void *)copy)->architecture = 2;
        const struct embedding_rig_file file = {"content_timeline.weights", copy,
                                                i == 1 ? weights_size / 2 : weights_size};
        embedding_rig_open(&rig, "content_timeline", &file, i > 0, NULL);
        embedding_rig_fill(&rig, 10);
        assert_outcome(&rig, &rig.features, 1, HOST_FAILED, expected[i]);
        assert_outcome(&rig, &rig.features, 1, HOST_FAILED, expected[i]);
        embedding_rig_close(&rig);
        free(copy);
    }
}

#define RIGGED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        RIGGED(one_kind_is_one_segment),
        RIGGED(boundaries_are_where_the_kind_changes),
        RIGGED(flicker_is_no_segment),
        RIGGED(silence_goes_by_level),
        RIGGED(one_thunderclap_in_ten_minutes_is_found),
        RIGGED(steady_ups_and_downs_are_no_events),
        RIGGED(pauses_between_hits_are_no_silence),
        RIGGED(a_change_that_is_heard_costs_less),
        cmocka_unit_test(the_head_is_what_its_manual_says),
        RIGGED(one_shots_get_one_segment),
        RIGGED(restless_sounds_stay_within_the_limits),
        cmocka_unit_test(room_is_kept_by_joining_the_shortest),
        RIGGED(features_that_do_not_fit_are_named),
        RIGGED(channels_that_cancel_are_no_silence),
        cmocka_unit_test(bad_weights_make_every_result_say_so),
    };
    return cmocka_run_group_tests(tests, make_weights, free_weights);
}
