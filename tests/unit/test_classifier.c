/* plugins/classifier behind the host, with made-up embeddings and timelines: dimension k of an embedding stands for
 * class k; class 3 is not shipped. */
#include "embedding_rig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { DOG, RAIN, PIANO, WANTED, CLASSES };

static const char vocabulary[] = "animals/dog bark\nweather, water and fire/rain\ninstruments/piano\nunknown/other\n";
static const char *const names[] = {"dog bark", "rain", "piano", "unknown"};
static float clearance; /* of the weights made from now on */
static uint8_t *weights;
static uint64_t weights_size;

static uint8_t *make(const char *labels, float temperature, uint64_t parent, uint64_t *size) {
    static float weight[2 * EMBEDDING_RIG_D * CLASSES], bias[CLASSES];
    static const float shipped[CLASSES] = {1, 1, 1, 0};
    const float calibration[3] = {temperature, .5f, clearance};
    for (int k = 0; k < CLASSES; k++) weight[k * CLASSES + k] = 4, weight[((int)EMBEDDING_RIG_D + k) * CLASSES + k] = 2;
    struct weights_rig rig = {.kind = "classifier", .architecture = 2, .version = 1, .parent = parent};
    weights_rig_add_text(&rig, "labels", labels);
    weights_rig_add(&rig, "classes.weight", weight, 2 * EMBEDDING_RIG_D, CLASSES);
    weights_rig_add(&rig, "classes.bias", bias, CLASSES, 1);
    weights_rig_add(&rig, "classes.shipped", shipped, CLASSES, 1);
    weights_rig_add(&rig, "calibration", calibration, 3, 1);
    return weights_rig_make(&rig, size);
}

static int make_weights(void **state) {
    (void)state;
    weights = make(vocabulary, 1, EMBEDDING_RIG_PARENT, &weights_size);
    return 0;
}

static int free_weights(void **state) {
    (void)state;
    free(weights);
    return 0;
}

static int set_up(void **state) {
    struct embedding_rig *rig = malloc(sizeof *rig);
    const struct embedding_rig_file file = {"classifier.weights", weights, weights_size};
    embedding_rig_open(rig, "classifier", &file, 1, NULL);
    *state = rig;
    return 0;
}

static int tear_down(void **state) {
    embedding_rig_close(*state);
    free(*state);
    return 0;
}

/* From `from` to `to` seconds there is this class. */
static void paint(struct embedding_rig *rig, double from, double to, int class) {
    for (uint32_t t = (uint32_t)ceil(from / EMBEDDING_RIG_HOP - 1e-9); t * EMBEDDING_RIG_HOP < to - 1e-9; t++)
        rig->values[(size_t)t * EMBEDDING_RIG_D + (size_t) class] = 1;
}

/* A timeline of `n` segments of `length` seconds; every `silent`-th is near-silence (0: none). */
static char *timeline_of(int n, double length, int silent) {
    char *json = malloc(200 * (size_t)n + 100), *end = json;
    end += sprintf(end, "{\"segments\":[");
    for (int i = 0; i < n; i++)
        end += sprintf(end, "%s{\"start\":%g,\"end\":%g,\"label\":\"%s\",\"confidence\":0.75}", i ? "," : "",
                       i * length, (i + 1) * length, silent && i % silent == 0 ? "near-silence" : "environment");
    sprintf(end, "]}");
    return json;
}

static struct host_input timeline_input(const char *json) {
    return (struct host_input){.interface = "content_timeline",
                               .major = 1,
                               .provider = "content_timeline",
                               .outcome = "ok",
                               .json = json,
                               .json_length = strlen(json)};
}

static const struct host_result *run(struct embedding_rig *rig, const char *json) {
    const struct host_input inputs[] = {rig->features, timeline_input(json)};
    return embedding_rig_run(rig, inputs, 2);
}

static void assert_ok(const struct host_result *result) {
    if (result->outcome != HOST_OK) fail_msg("%s: %s", host_outcome_name(result->outcome), result->reason);
}

static const char *text(const cJSON *object, const char *key) {
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItem(object, key));
    assert_non_null(value);
    return value;
}

static double number(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItem(object, key);
    assert_true(cJSON_IsNumber(item));
    return item->valuedouble;
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

static void assert_outcome(struct embedding_rig *rig, const struct host_input *inputs, size_t count, int outcome,
                           const char *reason) {
    const struct host_result *result = embedding_rig_run(rig, inputs, count);
    if (result->outcome != outcome || strstr(result->reason, reason) == NULL)
        fail_msg("%s: \"%s\", expected %s: \"%s\"", host_outcome_name(result->outcome), result->reason,
                 host_outcome_name(outcome), reason);
    assert_null(result->json);
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
        "a/b\nc/d\ne/f\n", "a/b\nc/d\ne/f\nnothing\n", "a/b\nc/d\ne/f\n/g\n", "a/b\nc/d\ne/f\ng/\n", vocabulary,
        vocabulary};
    for (int i = 0; i < 6; i++) {
        struct embedding_rig rig;
        uint64_t size;
        uint8_t *bytes = make(labels[i], i == 4 ? 0 : 1, EMBEDDING_RIG_PARENT, &size);
        const struct embedding_rig_file file = {"classifier.weights", bytes, i == 5 ? size - 64 : size};
        embedding_rig_open(&rig, "classifier", &file, 1, NULL);
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
        uint8_t *bytes = make(mine, 1, i == 1 ? EMBEDDING_RIG_PARENT + 1 : EMBEDDING_RIG_PARENT, &size);
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

/* Weights that turn statistic `place` of the timbre, in tenths, plus 1 into the logit of rain. */
static uint8_t *make_listening_to(uint32_t place, uint64_t *size) {
    enum { STATISTICS = 159, HIDDEN = 8 };
    static float weight[2 * EMBEDDING_RIG_D * CLASSES], bias[CLASSES], mean[STATISTICS], scale[STATISTICS];
    static float hidden[STATISTICS * HIDDEN], hidden_bias[HIDDEN], out[HIDDEN * CLASSES];
    static const float shipped[CLASSES] = {1, 1, 1, 1}, calibration[3] = {1, 0, 0};
    memset(hidden, 0, sizeof hidden);
    for (int i = 0; i < STATISTICS; i++) scale[i] = .1f;
    hidden[place * HIDDEN + 2] = 1;
    hidden_bias[2] = 1, hidden_bias[5] = -1; /* unit 5 stays silent */
    out[2 * CLASSES + RAIN] = 1, out[5 * CLASSES + DOG] = 100;
    struct weights_rig rig = {.kind = "classifier", .architecture = 2, .version = 1, .parent = EMBEDDING_RIG_PARENT};
    weights_rig_add_text(&rig, "labels", vocabulary);
    weights_rig_add(&rig, "classes.weight", weight, 2 * EMBEDDING_RIG_D, CLASSES);
    weights_rig_add(&rig, "classes.bias", bias, CLASSES, 1);
    weights_rig_add(&rig, "classes.shipped", shipped, CLASSES, 1);
    weights_rig_add(&rig, "calibration", calibration, 3, 1);
    weights_rig_add(&rig, "timbre.mean", mean, STATISTICS, 1);
    weights_rig_add(&rig, "timbre.scale", scale, STATISTICS, 1);
    weights_rig_add(&rig, "timbre.hidden", hidden, STATISTICS, HIDDEN);
    weights_rig_add(&rig, "timbre.hidden_bias", hidden_bias, HIDDEN, 1);
    weights_rig_add(&rig, "timbre.weight", out, HIDDEN, CLASSES);
    return weights_rig_make(&rig, size);
}

static double score_of(const cJSON *segment, const char *label) {
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(segment, "labels")) {
        if (strcmp(text(item, "label"), label) == 0) return number(item, "score");
    }
    return 0;
}

/* Two steps that sound and a silent one; cepstrum 3 has these means, spreads, changes and bends. */
static void the_timbre_speaks_too(void **state) {
    (void)state;
    const float rows[4][2] = {{4, 7}, {3, 5}, {2, 9}, {6, 1}};
    const double expected[8] = {5.5, sqrt(1.5 * 1.5 + (9 + 25) / 2.0), 1.5, 4, 5.5, 3.5, 1.5, -1.5};
    for (uint32_t statistic = 0; statistic < 8; statistic++) {
        struct embedding_rig rig;
        uint64_t size;
        uint8_t *bytes = make_listening_to(statistic == 0 ? 2 : 19 + (statistic - 1) * 20 + 3, &size);
        const struct embedding_rig_file file = {"classifier.weights", bytes, size};
        embedding_rig_open(&rig, "classifier", &file, 1, NULL);
        embedding_rig_fill(&rig, 3);
        for (uint32_t i = 0; i < 4; i++)
            for (uint32_t t = 0; t < 3; t++)
                rig.timbre[t * EMBEDDING_RIG_TIMBRE + i * 20 + 3] = t < 2 ? rows[i][t] : 1000;
        rig.level[2] = -90;
        char *json = timeline_of(1, 3 * EMBEDDING_RIG_HOP, 0);
        assert_ok(run(&rig, json));
        const double odds = exp(1 + expected[statistic] / 10);
        assert_float_equal((float)score_of(cJSON_GetArrayItem(cJSON_GetObjectItem(rig.json, "segments"), 0), "rain"),
                           (float)(odds / (odds + 3)), 1e-5f);
        free(json);
        embedding_rig_close(&rig);
        free(bytes);
    }
}

/* With a clearance of 3, a label that is twice as probable as the second isn't clear enough. */
static void what_lies_between_labels_is_unknown(void **state) {
    (void)state;
    uint64_t size;
    clearance = 3;
    uint8_t *bytes = make(vocabulary, 1, EMBEDDING_RIG_PARENT, &size);
    clearance = 0;
    const struct embedding_rig_file file = {"classifier.weights", bytes, size};
    struct embedding_rig rig;
    embedding_rig_open(&rig, "classifier", &file, 1, NULL);
    embedding_rig_fill(&rig, 20);
    paint(&rig, 0, 2, DOG); /* logit 6; that of rain is 6 - ln 2, then 6 - ln 4 */
    paint(&rig, 2, 4, DOG);
    for (uint32_t t = 0; t < 20; t++) rig.values[t * EMBEDDING_RIG_D + RAIN] = (6 - logf(t < 10 ? 2.f : 4.f)) / 6;
    char *json = timeline_of(2, 2, 0);
    assert_ok(run(&rig, json));
    const cJSON *segments = cJSON_GetObjectItem(rig.json, "segments");
    assert_string_equal(text(cJSON_GetArrayItem(segments, 0), "label"), "unknown");
    assert_string_equal(text(cJSON_GetArrayItem(segments, 1), "label"), "dog bark");
    free(json);
    embedding_rig_close(&rig);
    free(bytes);
}

/* Two classes of one label are it together: what lies between them is clear. */
static void classes_of_one_label_add_up(void **state) {
    (void)state;
    uint64_t size;
    clearance = 3;
    uint8_t *bytes = make("animals/dog bark\ntools/drilling\ntools/drilling\nunknown/other\n", 1, EMBEDDING_RIG_PARENT,
                          &size);
    clearance = 0;
    const struct embedding_rig_file file = {"classifier.weights", bytes, size};
    struct embedding_rig rig;
    embedding_rig_open(&rig, "classifier", &file, 1, NULL);
    embedding_rig_fill(&rig, 20);
    paint(&rig, 0, 2, RAIN);  /* a drill */
    paint(&rig, 0, 2, PIANO); /* as much as a jackhammer */
    paint(&rig, 2, 4, PIANO);
    char *json = timeline_of(2, 2, 0);
    assert_ok(run(&rig, json));
    for (int i = 0; i < 2; i++) {
        const cJSON *segment = cJSON_GetArrayItem(cJSON_GetObjectItem(rig.json, "segments"), i);
        const cJSON *labels = cJSON_GetObjectItem(segment, "labels");
        assert_string_equal(text(segment, "label"), "drilling");
        assert_true(number(segment, "confidence") > .95);
        for (int k = 1; k < cJSON_GetArraySize(labels); k++)
            assert_string_not_equal(text(cJSON_GetArrayItem(labels, k), "label"), "drilling");
    }
    assert_string_equal(text(rig.json, "label"), "drilling");
    assert_true(number(rig.json, "label_confidence") > .95);
    free(json);
    embedding_rig_close(&rig);
    free(bytes);
}

/* What carries no label has a group all the same, where the labels of one group are together .7 probable. */
static void unknown_has_a_group(void **state) {
    (void)state;
    static const char *const wanted[] = {"instruments", "instruments", "unknown", "unknown"};
    uint64_t size;
    clearance = 3;
    uint8_t *bytes = make("animals/dog bark\nweather/rain\ninstruments/piano\ninstruments/flute\n", 1,
                          EMBEDDING_RIG_PARENT, &size);
    const struct embedding_rig_file file = {"classifier.weights", bytes, size};
    struct embedding_rig rig;
    embedding_rig_open(&rig, "classifier", &file, 1, NULL);
    embedding_rig_fill(&rig, 40);
    paint(&rig, 0, 2, WANTED); /* a flute, which isn't shipped */
    paint(&rig, 2, 4, WANTED); /* between it and a piano */
    paint(&rig, 2, 4, PIANO);
    paint(&rig, 4, 6, PIANO); /* between two groups */
    paint(&rig, 4, 6, DOG);
    char *json = timeline_of(4, 2, 0); /* and nothing */
    assert_ok(run(&rig, json));
    for (int i = 0; i < 4; i++) {
        const cJSON *segment = cJSON_GetArrayItem(cJSON_GetObjectItem(rig.json, "segments"), i);
        assert_string_equal(text(segment, "label"), "unknown");
        assert_string_equal(text(segment, "group"), wanted[i]);
        assert_string_equal(text(cJSON_GetArrayItem(cJSON_GetObjectItem(segment, "labels"), 0), "group"), wanted[i]);
    }
    const cJSON *groups = cJSON_GetObjectItem(rig.json, "groups");
    assert_int_equal(cJSON_GetArraySize(groups), 1);
    assert_string_equal(cJSON_GetStringValue(cJSON_GetArrayItem(groups, 0)), "instruments");
    embedding_rig_close(&rig);
    free(bytes);
    bytes = make("own/a\nown/b\nown/c\nown/d\n", 1, EMBEDDING_RIG_PARENT, &size); /* one group tells nothing apart */
    clearance = 0;
    const struct embedding_rig_file own = {"classifier.weights", bytes, size};
    embedding_rig_open(&rig, "classifier", &own, 1, NULL);
    embedding_rig_fill(&rig, 40);
    paint(&rig, 0, 2, WANTED);
    assert_ok(run(&rig, json));
    assert_string_equal(text(cJSON_GetArrayItem(cJSON_GetObjectItem(rig.json, "segments"), 0), "label"), "unknown");
    assert_string_equal(text(cJSON_GetArrayItem(cJSON_GetObjectItem(rig.json, "segments"), 0), "group"), "unknown");
    free(json);
    embedding_rig_close(&rig);
    free(bytes);
}

/* Weights that look for familiarity in dimension 50: rain lies at 0, the dog at `dog`. */
static uint8_t *make_asking(const char *labels, float dog, int damage, uint64_t *size) {
    static float weight[2 * EMBEDDING_RIG_D * CLASSES], bias[CLASSES], mean[EMBEDDING_RIG_D], scale[EMBEDDING_RIG_D];
    static float far[EMBEDDING_RIG_D * EMBEDDING_RIG_D], near[EMBEDDING_RIG_D * EMBEDDING_RIG_D];
    static float centres[CLASSES * EMBEDDING_RIG_D];
    static const float shipped[CLASSES] = {1, 1, 1, 0}, calibration[3] = {1, .1f, 2}, one[1] = {1};
    for (int k = 0; k < CLASSES; k++) weight[k * CLASSES + k] = 4, weight[((int)EMBEDDING_RIG_D + k) * CLASSES + k] = 2;
    for (uint32_t i = 0; i < EMBEDDING_RIG_D; i++) scale[i] = 2;
    near[50 * EMBEDDING_RIG_D + 51] = 1; /* what is whitened may end up in another place */
    centres[DOG * EMBEDDING_RIG_D + 51] = dog;
    struct weights_rig rig = {.kind = "classifier", .architecture = 2, .version = 1, .parent = EMBEDDING_RIG_PARENT};
    weights_rig_add_text(&rig, "labels", labels);
    weights_rig_add(&rig, "classes.weight", weight, 2 * EMBEDDING_RIG_D, CLASSES);
    weights_rig_add(&rig, "classes.bias", bias, CLASSES, 1);
    weights_rig_add(&rig, "classes.shipped", shipped, CLASSES, 1);
    weights_rig_add(&rig, "calibration", calibration, 3, 1);
    weights_rig_add(&rig, "familiar.weight", one, 1, 1);
    weights_rig_add(&rig, "familiar.mean", mean, EMBEDDING_RIG_D, 1);
    weights_rig_add(&rig, "familiar.scale", scale, EMBEDDING_RIG_D, 1);
    weights_rig_add(&rig, "familiar.far", far, EMBEDDING_RIG_D, EMBEDDING_RIG_D);
    weights_rig_add(&rig, "familiar.near", near, EMBEDDING_RIG_D, EMBEDDING_RIG_D);
    if (!damage) weights_rig_add(&rig, "familiar.centres", centres, CLASSES, EMBEDDING_RIG_D);
    return weights_rig_make(&rig, size);
}

/* The dog is four times as probable as the rain and the clearance is 2. How much more it takes depends on the distance of
 * the mean embedding from the dog's centre: exp(distance^2) times as much. A label of two classes has no centre. */
static void what_is_far_from_its_class_is_unknown(void **state) {
    (void)state;
    static const char two_dogs[] = "animals/dog bark\nweather/rain\nanimals/dog bark\nunknown/other\n";
    static const struct {
        const char *labels;
        float centre, place;
        const char *label;
    } cases[] = {{vocabulary, 0, 0, "dog bark"}, {vocabulary, 0, .4f, "dog bark"}, {vocabulary, 0, .43f, "unknown"},
                 {vocabulary, 2, 1, "dog bark"}, {vocabulary, 2, 0, "unknown"},    {two_dogs, 2, 0, "dog bark"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct embedding_rig rig;
        uint64_t size;
        uint8_t *bytes = make_asking(cases[i].labels, cases[i].centre, 0, &size);
        const struct embedding_rig_file file = {"classifier.weights", bytes, size};
        embedding_rig_open(&rig, "classifier", &file, 1, NULL);
        embedding_rig_fill(&rig, 10);
        paint(&rig, 0, 2, DOG);
        for (uint32_t t = 0; t < 10; t++) {
            rig.values[t * EMBEDDING_RIG_D + RAIN] = (6 - logf(4)) / 6;
            rig.values[t * EMBEDDING_RIG_D + 50] = cases[i].place * (t % 2 ? .5f : 1.5f); /* the mean counts */
        }
        char *json = timeline_of(1, 2, 0);
        assert_ok(run(&rig, json));
        assert_string_equal(text(cJSON_GetArrayItem(cJSON_GetObjectItem(rig.json, "segments"), 0), "label"),
                            cases[i].label);
        assert_string_equal(text(rig.json, "label"), cases[i].label);
        free(json);
        embedding_rig_close(&rig);
        free(bytes);
    }
}

/* Two sounds at once are like neither: the timeline says so, and familiarity isn't asked for. */
static void mixtures_need_not_be_familiar(void **state) {
    (void)state;
    struct embedding_rig rig;
    uint64_t size;
    uint8_t *bytes = make_asking(vocabulary, 0, 0, &size);
    const struct embedding_rig_file file = {"classifier.weights", bytes, size};
    embedding_rig_open(&rig, "classifier", &file, 1, NULL);
    embedding_rig_fill(&rig, 20);
    paint(&rig, 0, 4, DOG);
    for (uint32_t t = 0; t < 20; t++) {
        rig.values[t * EMBEDDING_RIG_D + RAIN] = (6 - logf(4)) / 6;
        rig.values[t * EMBEDDING_RIG_D + 50] = 1;
    }
    assert_ok(run(&rig, "{\"segments\":[{\"start\":0,\"end\":2,\"label\":\"environment\",\"confidence\":1},"
                        "{\"start\":2,\"end\":4,\"label\":\"speech over environment\",\"confidence\":1}]}"));
    const cJSON *segments = cJSON_GetObjectItem(rig.json, "segments");
    assert_string_equal(text(cJSON_GetArrayItem(segments, 0), "label"), "unknown");
    assert_string_equal(text(cJSON_GetArrayItem(segments, 1), "label"), "dog bark");
    embedding_rig_close(&rig);
    free(bytes);
}

static void half_a_measure_of_familiarity_is_refused(void **state) {
    (void)state;
    struct embedding_rig rig;
    uint64_t size;
    uint8_t *bytes = make_asking(vocabulary, 0, 1, &size);
    const struct embedding_rig_file file = {"classifier.weights", bytes, size};
    embedding_rig_open(&rig, "classifier", &file, 1, NULL);
    embedding_rig_fill(&rig, 10);
    char *json = timeline_of(1, 2, 0);
    const struct host_input inputs[] = {rig.features, timeline_input(json)};
    assert_outcome(&rig, inputs, 2, HOST_FAILED, "familiar.centres");
    free(json);
    embedding_rig_close(&rig);
    free(bytes);
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
        cmocka_unit_test(the_timbre_speaks_too),
        cmocka_unit_test(what_lies_between_labels_is_unknown),
        cmocka_unit_test(classes_of_one_label_add_up),
        cmocka_unit_test(unknown_has_a_group),
        cmocka_unit_test(what_is_far_from_its_class_is_unknown),
        cmocka_unit_test(mixtures_need_not_be_familiar),
        cmocka_unit_test(half_a_measure_of_familiarity_is_refused),
    };
    return cmocka_run_group_tests(tests, make_weights, free_weights);
}
