/* How plugins/classifier ranks labels: timbre, clearance, familiarity, the timeline's kinds, and what comes of them as "unknown". */
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
    struct weights_rig rig = classifier_parts(VOCABULARY, EMBEDDING_RIG_PARENT, weight, bias, shipped, calibration);
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
        classifier_open(&rig, bytes, size);
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

/* Weights by which rain is as probable as mean and maximum of place 7 of the branch `scene` say. */
static uint8_t *make_asking_the_scene(uint32_t rows, uint64_t *size) {
    static float weight[2 * EMBEDDING_RIG_D * CLASSES], scene[2 * EMBEDDING_RIG_D * CLASSES], bias[CLASSES];
    static const float shipped[CLASSES] = {1, 1, 1, 1}, calibration[3] = {1, 0, 0};
    scene[7 * CLASSES + RAIN] = .5f, scene[(EMBEDDING_RIG_D + 7) * CLASSES + RAIN] = .25f;
    weight[3 * CLASSES + RAIN] = 1;
    struct weights_rig rig = classifier_parts(VOCABULARY, EMBEDDING_RIG_PARENT, weight, bias, shipped, calibration);
    weights_rig_add(&rig, "scene.weight", scene, rows, CLASSES);
    return weights_rig_make(&rig, size);
}

/* Two steps that sound and a silent one: 40 and 104 thirty-seconds there, beside .75 of the branch `sound`. */
static void the_scene_speaks_too(void **state) {
    (void)state;
    static const uint8_t steps[3] = {40, 104, 255};
    struct embedding_rig rig;
    uint64_t size;
    uint8_t *bytes = make_asking_the_scene(2 * EMBEDDING_RIG_D, &size);
    classifier_open(&rig, bytes, size);
    embedding_rig_fill(&rig, 3);
    for (uint32_t t = 0; t < 3; t++) {
        rig.scene[t * EMBEDDING_RIG_D + 7] = steps[t];
        rig.values[t * EMBEDDING_RIG_D + 3] = .75f;
    }
    rig.level[2] = -90;
    char *json = timeline_of(1, 3 * EMBEDDING_RIG_HOP, 0);
    assert_ok(run(&rig, json));
    const double odds = exp(.75 + .5 * 72 / 32 + .25 * 104 / 32);
    assert_float_equal((float)score_of(cJSON_GetArrayItem(cJSON_GetObjectItem(rig.json, "segments"), 0), "rain"),
                       (float)(odds / (odds + 3)), 1e-5f);
    free(json);
    embedding_rig_close(&rig);
    free(bytes);
}

/* With a clearance of 3, a label that is twice as probable as the second isn't clear enough. */
static void what_lies_between_labels_is_unknown(void **state) {
    (void)state;
    uint64_t size;
    uint8_t *bytes = make(VOCABULARY, 1, 3, EMBEDDING_RIG_PARENT, &size);
    struct embedding_rig rig;
    classifier_open(&rig, bytes, size);
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
    uint8_t *bytes = make("animals/dog bark\ntools/drilling\ntools/drilling\nunknown/other\n", 1, 3,
                          EMBEDDING_RIG_PARENT, &size);
    struct embedding_rig rig;
    classifier_open(&rig, bytes, size);
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
    uint8_t *bytes = make("animals/dog bark\nweather/rain\ninstruments/piano\ninstruments/flute\n", 1, 3,
                          EMBEDDING_RIG_PARENT, &size);
    struct embedding_rig rig;
    classifier_open(&rig, bytes, size);
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
    bytes = make("own/a\nown/b\nown/c\nown/d\n", 1, 0, EMBEDDING_RIG_PARENT, &size); /* one group tells nothing apart */
    classifier_open(&rig, bytes, size);
    embedding_rig_fill(&rig, 40);
    paint(&rig, 0, 2, WANTED);
    assert_ok(run(&rig, json));
    assert_string_equal(text(cJSON_GetArrayItem(cJSON_GetObjectItem(rig.json, "segments"), 0), "label"), "unknown");
    assert_string_equal(text(cJSON_GetArrayItem(cJSON_GetObjectItem(rig.json, "segments"), 0), "group"), "unknown");
    free(json);
    embedding_rig_close(&rig);
    free(bytes);
}

enum { FAMILIAR = 2 * EMBEDDING_RIG_D }; /* both branches' mean embeddings */

/* Weights that look for familiarity in dimension 50 of the branch `sound` and 60 of `scene`: rain lies at 0, the dog at `dog` in the
 * first and at 0 in the other. */
static uint8_t *make_asking(const char *labels, float dog, int damage, uint64_t *size) {
    static float weight[2 * EMBEDDING_RIG_D * CLASSES], bias[CLASSES], mean[FAMILIAR], scale[FAMILIAR];
    static float far[FAMILIAR * FAMILIAR], near[FAMILIAR * FAMILIAR], centres[CLASSES * FAMILIAR];
    static const float shipped[CLASSES] = {1, 1, 1, 0}, calibration[3] = {1, .1f, 2}, one[1] = {1};
    for (int k = 0; k < CLASSES; k++) weight[k * CLASSES + k] = 4, weight[((int)EMBEDDING_RIG_D + k) * CLASSES + k] = 2;
    for (uint32_t i = 0; i < FAMILIAR; i++) scale[i] = 2;
    near[50 * FAMILIAR + 51] = 1; /* what is whitened may end up in another place */
    near[(EMBEDDING_RIG_D + 60) * FAMILIAR + EMBEDDING_RIG_D + 61] = 1;
    centres[DOG * FAMILIAR + 51] = dog;
    struct weights_rig rig = classifier_parts(labels, EMBEDDING_RIG_PARENT, weight, bias, shipped, calibration);
    weights_rig_add(&rig, "familiar.weight", one, 1, 1);
    weights_rig_add(&rig, "familiar.mean", mean, FAMILIAR, 1);
    weights_rig_add(&rig, "familiar.scale", scale, FAMILIAR, 1);
    weights_rig_add(&rig, "familiar.far", far, FAMILIAR, FAMILIAR);
    weights_rig_add(&rig, "familiar.near", near, FAMILIAR, FAMILIAR);
    if (!damage) weights_rig_add(&rig, "familiar.centres", centres, CLASSES, FAMILIAR);
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
        uint8_t scene; /* its place there, in steps of 1 / EMBEDDING_RIG_ONE */
        const char *label;
    } cases[] = {
        {VOCABULARY, 0, 0, 0, "dog bark"},  {VOCABULARY, 0, .4f, 0, "dog bark"}, {VOCABULARY, 0, .43f, 0, "unknown"},
        {VOCABULARY, 2, 1, 0, "dog bark"},  {VOCABULARY, 2, 0, 0, "unknown"},    {two_dogs, 2, 0, 0, "dog bark"},
        {VOCABULARY, 0, 0, 13, "dog bark"}, {VOCABULARY, 0, 0, 14, "unknown"},   {VOCABULARY, 2, 1, 14, "unknown"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct embedding_rig rig;
        uint64_t size;
        uint8_t *bytes = make_asking(cases[i].labels, cases[i].centre, 0, &size);
        classifier_open(&rig, bytes, size);
        embedding_rig_fill(&rig, 10);
        paint(&rig, 0, 2, DOG);
        for (uint32_t t = 0; t < 10; t++) {
            rig.values[t * EMBEDDING_RIG_D + RAIN] = (6 - logf(4)) / 6;
            rig.values[t * EMBEDDING_RIG_D + 50] = cases[i].place * (t % 2 ? .5f : 1.5f); /* the mean counts */
            rig.scene[t * EMBEDDING_RIG_D + 60] = cases[i].scene;
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

/* The same strange dog by what the timeline says: two sounds at once are like neither, and a label that is the timeline's own word
 * has a second witness; any other has to be familiar. */
static void the_timeline_vouches_for_what_is_strange(void **state) {
    (void)state;
    static const char *const expected[] = {"unknown", "dog bark", "dog bark"};
    struct embedding_rig rig;
    uint64_t size;
    uint8_t *bytes = make_asking(VOCABULARY, 0, 0, &size);
    classifier_open(&rig, bytes, size);
    embedding_rig_fill(&rig, 30);
    paint(&rig, 0, 6, DOG);
    for (uint32_t t = 0; t < 30; t++) {
        rig.values[t * EMBEDDING_RIG_D + RAIN] = (6 - logf(4)) / 6;
        rig.values[t * EMBEDDING_RIG_D + 50] = 1;
    }
    assert_ok(run(&rig, "{\"segments\":[{\"start\":0,\"end\":2,\"label\":\"environment\",\"confidence\":1},"
                        "{\"start\":2,\"end\":4,\"label\":\"speech over environment\",\"confidence\":1},"
                        "{\"start\":4,\"end\":6,\"label\":\"dog bark\",\"confidence\":1}]}"));
    const cJSON *segments = cJSON_GetObjectItem(rig.json, "segments");
    assert_int_equal(cJSON_GetArraySize(segments), 3);
    for (int i = 0; i < 3; i++) assert_string_equal(text(cJSON_GetArrayItem(segments, i), "label"), expected[i]);
    embedding_rig_close(&rig);
    free(bytes);
}

/* Of two sounds at once the best label has to be half as probable again as the second, whatever the clearance (2 here, and less for what
 * is familiar). */
static void a_mixture_has_a_clearance_of_its_own(void **state) {
    (void)state;
    static const struct {
        float times;
        const char *label;
    } cases[] = {{1.4f, "unknown"}, {1.6f, "dog bark"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct embedding_rig rig;
        uint64_t size;
        uint8_t *bytes = make_asking(VOCABULARY, 0, 0, &size);
        classifier_open(&rig, bytes, size);
        embedding_rig_fill(&rig, 10);
        paint(&rig, 0, 2, DOG);
        for (uint32_t t = 0; t < 10; t++) rig.values[t * EMBEDDING_RIG_D + RAIN] = (6 - logf(cases[i].times)) / 6;
        assert_ok(run(
            &rig, "{\"segments\":[{\"start\":0,\"end\":2,\"label\":\"music over environment\",\"confidence\":1}]}"));
        const cJSON *segments = cJSON_GetObjectItem(rig.json, "segments");
        assert_string_equal(text(cJSON_GetArrayItem(segments, 0), "label"), cases[i].label);
        assert_string_equal(text(rig.json, "label"), cases[i].label);
        embedding_rig_close(&rig);
        free(bytes);
    }
}

/* A dog of which the first segment is sure, and a second one that is no dog's and far from the dog's place: how strange a dog
 * would be there says nothing about the region's. */
static void a_class_is_familiar_where_it_is_heard(void **state) {
    (void)state;
    struct embedding_rig rig;
    uint64_t size;
    uint8_t *bytes = make_asking(VOCABULARY, 0, 0, &size);
    classifier_open(&rig, bytes, size);
    embedding_rig_fill(&rig, 20);
    paint(&rig, 0, 3, DOG);
    paint(&rig, 3, 4, RAIN);
    for (uint32_t t = 15; t < 20; t++) rig.values[t * EMBEDDING_RIG_D + 50] = 2;
    assert_ok(run(&rig, "{\"segments\":[{\"start\":0,\"end\":3,\"label\":\"environment\",\"confidence\":1},"
                        "{\"start\":3,\"end\":4,\"label\":\"environment\",\"confidence\":1}]}"));
    assert_string_equal(text(rig.json, "label"), "dog bark");
    embedding_rig_close(&rig);
    free(bytes);
}

/* Weights by which dog and rain are equally probable; a dog is environment, rain music or environment. They say so in this many columns. */
static uint8_t *make_of_kinds(uint32_t columns, uint64_t *size) {
    static float weight[2 * EMBEDDING_RIG_D * CLASSES], bias[CLASSES] = {0, 0, -30, -30};
    static const float shipped[CLASSES] = {1, 1, 1, 1}, calibration[3] = {1, 0, 0};
    static const float kinds[CLASSES * 4] = {0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0, 0, 1, 1, 1, 1};
    struct weights_rig rig = classifier_parts(VOCABULARY, EMBEDDING_RIG_PARENT, weight, bias, shipped, calibration);
    if (columns > 0) weights_rig_add(&rig, "classes.kinds", kinds, CLASSES, columns);
    return weights_rig_make(&rig, size);
}

/* Each class counts times the root of what the timeline scored for its kinds, of .05 at least; without scores nothing changes. */
static void the_timelines_kinds_count(void **state) {
    (void)state;
    const struct {
        const char *scores;
        double dog, rain;
    } cases[] = {{"{\"speech\":0.9,\"music\":0.64,\"environment\":0.16,\"noise\":0}", .4, .8},
                 {"{\"speech\":0,\"music\":0.81,\"environment\":0,\"noise\":0}", sqrt(.05), .9},
                 {"{\"music\":7,\"environment\":-1}", sqrt(.05), 1},
                 {"{\"environment\":\"much\",\"noise\":0}", 1, 1},
                 {"7", 1, 1}};
    for (int known = 0; known < 2; known++) {
        struct embedding_rig rig;
        uint64_t size;
        uint8_t *bytes = make_of_kinds(known ? 4 : 0, &size);
        classifier_open(&rig, bytes, size);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            char json[300];
            embedding_rig_fill(&rig, 10);
            snprintf(json, sizeof json,
                     "{\"segments\":[{\"start\":0,\"end\":2,\"label\":\"music\",\"confidence\":1,\"scores\":%s}]}",
                     cases[i].scores);
            assert_ok(run(&rig, json));
            const cJSON *segment = cJSON_GetArrayItem(cJSON_GetObjectItem(rig.json, "segments"), 0);
            const double expected = known ? cases[i].dog / (cases[i].dog + cases[i].rain) : .5;
            assert_float_equal((float)score_of(segment, "dog bark"), (float)expected, 1e-5f);
            assert_float_equal((float)score_of(segment, "rain"), (float)(1 - expected), 1e-5f);
        }
        embedding_rig_close(&rig);
        free(bytes);
    }
}

static void what_is_half_said_is_refused(void **state) {
    (void)state;
    static const char *const missing[] = {"familiar.centres", "classes.kinds", "scene.weight"};
    char *json = timeline_of(1, 2, 0);
    for (int i = 0; i < 3; i++) {
        struct embedding_rig rig;
        uint64_t size;
        uint8_t *bytes = i == 0   ? make_asking(VOCABULARY, 0, 1, &size)
                         : i == 1 ? make_of_kinds(3, &size)
                                  : make_asking_the_scene(EMBEDDING_RIG_D, &size);
        classifier_open(&rig, bytes, size);
        embedding_rig_fill(&rig, 10);
        const struct host_input inputs[] = {rig.features, timeline_input(json)};
        assert_outcome(&rig, inputs, 2, HOST_FAILED, missing[i]);
        embedding_rig_close(&rig);
        free(bytes);
    }
    free(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_timbre_speaks_too),
        cmocka_unit_test(the_scene_speaks_too),
        cmocka_unit_test(what_lies_between_labels_is_unknown),
        cmocka_unit_test(classes_of_one_label_add_up),
        cmocka_unit_test(unknown_has_a_group),
        cmocka_unit_test(what_is_far_from_its_class_is_unknown),
        cmocka_unit_test(the_timeline_vouches_for_what_is_strange),
        cmocka_unit_test(a_class_is_familiar_where_it_is_heard),
        cmocka_unit_test(a_mixture_has_a_clearance_of_its_own),
        cmocka_unit_test(the_timelines_kinds_count),
        cmocka_unit_test(what_is_half_said_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
