/* plugins/classifier behind the host. */
#include "classifier_rig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const names[] = {"dog bark", "rain", "piano", "unknown"};
static uint8_t *weights;
static uint64_t weights_size;

static int make_weights(void **state) {
    (void)state;
    weights = make(VOCABULARY, 1, 0, EMBEDDING_RIG_PARENT, &weights_size);
    return 0;
}

static int free_weights(void **state) {
    (void)state;
    free(weights);
    return 0;
}

static int set_up(void **state) {
    struct embedding_rig *rig = malloc(sizeof *rig);
    classifier_open(rig, weights, weights_size);
    *state = rig;
    return 0;
}

static int tear_down(void **state) {
    embedding_rig_close(*state);
    free(*state);
    return 0;
}

static void every_segment_gets_its_label(void **state) {
    struct embedding_rig *rig = *state;
    enum { SEGMENTS = 120 };
    embedding_rig_fill(rig, SEGMENTS * 5);
    for (int i = 0; i < SEGMENTS; i++) paint(rig, i, i + 1, i % 3);
    char *json = timeline_of(SEGMENTS, 1, 0);
    assert_ok(run(rig, json));
    const cJSON *segments = cJSON_GetObjectItem(rig->json, "segments");
    assert_int_equal(cJSON_GetArraySize(segments), SEGMENTS);
    for (int i = 0; i < SEGMENTS; i++) {
        const cJSON *segment = cJSON_GetArrayItem(segments, i);
        assert_string_equal(text(segment, "label"), names[i % 3]);
        assert_float_equal(number(segment, "start"), i, 1e-9);
        assert_float_equal(number(segment, "end"), i + 1, 1e-9);
        assert_true(number(segment, "confidence") > .9);
    }
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(rig->json, "classes")), 3);
    free(json);
}

static void every_region_of_a_file_gets_its_labels(void **state) {
    struct embedding_rig *rig = *state;
    char *json = timeline_of(2, 2, 0);
    for (int region = 0; region < 12; region++) {
        embedding_rig_fill(rig, 20);
        rig->region.index = (uint32_t)region, rig->region.regions = 12;
        paint(rig, 0, 2, region % 3);
        paint(rig, 2, 4, (region + 1) % 3);
        assert_ok(run(rig, json));
        const cJSON *segments = cJSON_GetObjectItem(rig->json, "segments");
        assert_string_equal(text(cJSON_GetArrayItem(segments, 0), "label"), names[region % 3]);
        assert_string_equal(text(cJSON_GetArrayItem(segments, 1), "label"), names[(region + 1) % 3]);
    }
    free(json);
}

static void the_region_goes_by_duration(void **state) {
    struct embedding_rig *rig = *state;
    embedding_rig_fill(rig, 50);
    paint(rig, 0, 3, DOG);
    paint(rig, 3, 10, RAIN);
    assert_ok(run(rig, "{\"segments\":[{\"start\":0,\"end\":3,\"label\":\"environment\",\"confidence\":1},"
                       "{\"start\":3,\"end\":10,\"label\":\"environment\",\"confidence\":1}]}"));
    assert_string_equal(text(rig->json, "label"), "rain");
    assert_string_equal(text(rig->json, "group"), "weather, water and fire");
    const cJSON *labels = cJSON_GetObjectItem(rig->json, "labels");
    assert_string_equal(text(cJSON_GetArrayItem(labels, 1), "label"), "dog bark");
    assert_float_equal(number(cJSON_GetArrayItem(labels, 0), "score"), .7, .05);
    assert_float_equal(number(cJSON_GetArrayItem(labels, 1), "score"), .3, .05);
}

static void what_has_no_label_is_unknown(void **state) {
    struct embedding_rig *rig = *state;
    embedding_rig_fill(rig, 30); /* no evidence for anything from 0 to 2; a class that isn't shipped; a shipped one */
    paint(rig, 2, 4, WANTED);
    paint(rig, 4, 6, PIANO);
    char *json = timeline_of(3, 2, 0);
    assert_ok(run(rig, json));
    const cJSON *segments = cJSON_GetObjectItem(rig->json, "segments");
    assert_string_equal(text(cJSON_GetArrayItem(segments, 0), "label"), "unknown");
    assert_string_equal(text(cJSON_GetArrayItem(segments, 1), "label"), "unknown");
    assert_string_equal(text(cJSON_GetArrayItem(segments, 2), "label"), "piano");
    for (int i = 0; i < 3; i++) { /* scores are ranked and add up to no more than one */
        double sum = 0, last = 2;
        const cJSON *label;
        cJSON_ArrayForEach(label, cJSON_GetObjectItem(cJSON_GetArrayItem(segments, i), "labels")) {
            assert_true(number(label, "score") <= last);
            last = number(label, "score");
            sum += last;
        }
        assert_true(sum <= 1 + 1e-6);
    }
    free(json);
}

static void near_silence_is_not_classified(void **state) {
    struct embedding_rig *rig = *state;
    embedding_rig_fill(rig, 40);
    paint(rig, 0, 4, RAIN); /* what the network says of silence is nothing */
    paint(rig, 4, 8, DOG);
    char *json = timeline_of(2, 4, 2);
    assert_ok(run(rig, json));
    assert_string_equal(text(cJSON_GetArrayItem(cJSON_GetObjectItem(rig->json, "segments"), 0), "label"),
                        "near-silence");
    assert_string_equal(text(rig->json, "label"), "dog bark");
    free(json);
    json = timeline_of(1, 8, 1);
    assert_ok(run(rig, json));
    assert_string_equal(text(rig->json, "label"), "near-silence");
    free(json);
}

/* Only what is within 40 dB of a segment's loudest step counts. */
static void the_quiet_part_of_a_segment_does_not_count(void **state) {
    struct embedding_rig *rig = *state;
    embedding_rig_fill(rig, 50);
    paint(rig, 0, 1, DOG);
    paint(rig, 1, 10, RAIN);
    for (uint32_t t = 5; t < 50; t++) rig->level[t] = -70;
    char *json = timeline_of(1, 10, 0);
    assert_ok(run(rig, json));
    assert_string_equal(text(rig->json, "label"), "dog bark");
    free(json);
}

static void segments_shorter_than_a_step_get_the_nearest(void **state) {
    struct embedding_rig *rig = *state;
    embedding_rig_fill(rig, 3);
    paint(rig, 0, .6, PIANO);
    assert_ok(run(rig, "{\"segments\":[{\"start\":0,\"end\":0.25,\"label\":\"music\",\"confidence\":1},"
                       "{\"start\":0.25,\"end\":0.26,\"label\":\"music\",\"confidence\":1},"
                       "{\"start\":0.59,\"end\":0.6,\"label\":\"music\",\"confidence\":1}]}"));
    const cJSON *segment;
    cJSON_ArrayForEach(segment, cJSON_GetObjectItem(rig->json, "segments"))
        assert_string_equal(text(segment, "label"), "piano");
}

static void without_a_timeline_nothing_is_guessed(void **state) {
    struct embedding_rig *rig = *state;
    embedding_rig_fill(rig, 10);
    paint(rig, 0, 2, DOG); /* there would be something to say */
    struct host_input inputs[] = {rig->features, timeline_input("{}")};
    assert_outcome(rig, inputs, 1, HOST_SKIPPED, "content_timeline"); /* missing */
    inputs[1].json = NULL, inputs[1].json_length = 0;
    inputs[1].outcome = "failed", inputs[1].reason = "the weights are gone";
    assert_outcome(rig, inputs, 2, HOST_SKIPPED, "content_timeline"); /* failed */
    inputs[1].outcome = "empty", inputs[1].reason = "";
    assert_outcome(rig, inputs, 2, HOST_SKIPPED, "content_timeline"); /* empty */
    char *json = timeline_of(1, 2, 0);
    inputs[1] = timeline_input(json);
    inputs[1].major = 2;
    assert_outcome(rig, inputs, 2, HOST_SKIPPED, "content_timeline"); /* of another version */
    free(json);
}

static void timelines_that_break_their_contract_are_refused(void **state) {
    struct embedding_rig *rig = *state;
    embedding_rig_fill(rig, 10);
    struct host_input inputs[] = {rig->features, timeline_input("{\"segments\":[]}")};
    assert_outcome(rig, inputs, 2, HOST_FAILED, "content_timeline/1 is empty");
    static const char *const broken[] = {
        "{\"segments\":[{}]}",
        "{\"segments\":[{\"start\":1,\"end\":0,\"label\":\"music\",\"confidence\":1}]}",
        "{\"segments\":[{\"start\":-1,\"end\":0,\"label\":\"music\",\"confidence\":1}]}",
        "{\"segments\":[{\"start\":0,\"end\":1e300,\"label\":\"music\",\"confidence\":1}]}",
        "{\"segments\":[{\"start\":0,\"end\":\"1\",\"label\":\"music\",\"confidence\":1}]}",
        "{\"segments\":[{\"start\":0,\"end\":1,\"label\":7,\"confidence\":1}]}",
        "{\"segments\":[{\"start\":0,\"end\":1,\"confidence\":1,\"label\":"
        "\"a label that goes on and on and on and on and on and on and on\"}]}",
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        inputs[1] = timeline_input(broken[i]);
        assert_outcome(rig, inputs, 2, HOST_FAILED, "content_timeline/1 has a segment without");
    }
    inputs[1] = timeline_input("{\"segments\":3}");
    assert_outcome(rig, inputs, 2, HOST_FAILED, "no list of segments");
}

static void times_beyond_the_embedding_do_no_harm(void **state) {
    struct embedding_rig *rig = *state;
    embedding_rig_fill(rig, 10);
    const struct host_input inputs[] = {
        rig->features,
        timeline_input("{\"segments\":[{\"start\":900000,\"end\":999999,\"label\":\"music\",\"confidence\":1}]}")};
    struct error error = {0};
    host_region_end(rig->host);
    assert_true(host_region_begin(rig->host, &rig->region, &rig->plugin, 1, inputs, 2, 0, &error));
    host_region_finish(rig->host);
    assert_non_null(host_result(rig->host, 0)); /* the engine refuses the instants; the plugin only has to survive */
}

static void bad_weights_make_every_result_say_so(void **state) {
    (void)state;
    static const char *const labels[] = {
        "a/b\nc/d\ne/f\n", "a/b\nc/d\ne/f\nnothing\n", "a/b\nc/d\ne/f\n/g\n", "a/b\nc/d\ne/f\ng/\n", VOCABULARY,
        VOCABULARY};
    for (int i = 0; i < 6; i++) {
        struct embedding_rig rig;
        uint64_t size;
        uint8_t *bytes = make(labels[i], i == 4 ? 0 : 1, 0, EMBEDDING_RIG_PARENT, &size);
        classifier_open(&rig, bytes, i == 5 ? size - 64 : size);
        embedding_rig_fill(&rig, 10);
        char *json = timeline_of(1, 2, 0);
        const struct host_input inputs[] = {rig.features, timeline_input(json)};
        assert_outcome(&rig, inputs, 2, HOST_FAILED,
                       i == 5   ? "classifier.weights: the weights file is truncated"
                       : i == 4 ? "temperature that is not positive"
                                : "one line \"group/label\"");
        free(json);
        embedding_rig_close(&rig);
        free(bytes);
    }
}

static void a_users_own_labels_come_beside_the_stock_ones(void **state) {
    (void)state;
    static const char mine[] = "studio/my dog\nstudio/my rain\nstudio/my piano\nstudio/my other\n";
    for (int i = 0; i < 4; i++) {
        struct embedding_rig rig;
        uint64_t size;
        uint8_t *bytes = make(mine, 1, 0, i == 1 ? EMBEDDING_RIG_PARENT + 1 : EMBEDDING_RIG_PARENT, &size);
        const struct embedding_rig_file files[] = {{"classifier.weights", weights, weights_size},
                                                   {"own.weights", bytes, i == 2 ? size - 1 : size}};
        embedding_rig_open(&rig, "classifier", files, i == 3 ? 1 : 2, "{\"classifier\":{\"own\":\"own.weights\"}}");
        embedding_rig_fill(&rig, 20);
        paint(&rig, 0, 2, DOG);
        paint(&rig, 2, 4, PIANO);
        char *json = timeline_of(2, 2, 0);
        assert_ok(run(&rig, json));
        const cJSON *second = cJSON_GetArrayItem(cJSON_GetObjectItem(rig.json, "segments"), 1);
        assert_string_equal(text(second, "label"), "piano");
        const cJSON *own = cJSON_GetObjectItem(second, "own"), *reason = cJSON_GetObjectItem(rig.json, "own_reason");
        if (i == 0) {
            assert_string_equal(text(cJSON_GetArrayItem(own, 0), "label"), "my piano");
            assert_non_null(cJSON_GetObjectItem(rig.json, "own"));
            assert_null(reason);
        } else {
            assert_null(own);
            assert_non_null(strstr(cJSON_GetStringValue(reason), i == 1   ? "another network"
                                                                 : i == 2 ? "truncated"
                                                                          : "missing"));
        }
        free(json);
        embedding_rig_close(&rig);
        free(bytes);
    }
}

#define RIGGED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        RIGGED(every_segment_gets_its_label),
        RIGGED(every_region_of_a_file_gets_its_labels),
        RIGGED(the_region_goes_by_duration),
        RIGGED(what_has_no_label_is_unknown),
        RIGGED(near_silence_is_not_classified),
        RIGGED(the_quiet_part_of_a_segment_does_not_count),
        RIGGED(segments_shorter_than_a_step_get_the_nearest),
        RIGGED(without_a_timeline_nothing_is_guessed),
        RIGGED(timelines_that_break_their_contract_are_refused),
        RIGGED(times_beyond_the_embedding_do_no_harm),
        cmocka_unit_test(bad_weights_make_every_result_say_so),
        cmocka_unit_test(a_users_own_labels_come_beside_the_stock_ones),
    };
    return cmocka_run_group_tests(tests, make_weights, free_weights);
}
