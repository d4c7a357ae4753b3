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

struct weights_rig classifier_parts(const char *labels, uint64_t parent, const float *weight, const float *bias,
                                    const float *shipped, const float *calibration) {
    struct weights_rig rig = {.kind = "classifier", .architecture = 2, .version = 1, .parent = parent};
    weights_rig_add_text(&rig, "labels", labels);
    weights_rig_add(&rig, "classes.weight", weight, 2 * EMBEDDING_RIG_D, CLASSES);
    weights_rig_add(&rig, "classes.bias", bias, CLASSES, 1);
    weights_rig_add(&rig, "classes.shipped", shipped, CLASSES, 1);
    weights_rig_add(&rig, "calibration", calibration, 3, 1);
    return rig;
}

uint8_t *make(const char *labels, float temperature, float clearance, uint64_t parent, uint64_t *size) {
    static float weight[2 * EMBEDDING_RIG_D * CLASSES], bias[CLASSES];
    static const float shipped[CLASSES] = {1, 1, 1, 0};
    const float calibration[3] = {temperature, .5f, clearance};
    for (int k = 0; k < CLASSES; k++) weight[k * CLASSES + k] = 4, weight[((int)EMBEDDING_RIG_D + k) * CLASSES + k] = 2;
    struct weights_rig rig = classifier_parts(labels, parent, weight, bias, shipped, calibration);
    return weights_rig_make(&rig, size);
}

void classifier_open(struct embedding_rig *rig, const uint8_t *bytes, uint64_t size) {
    const struct embedding_rig_file file = {"classifier.weights", bytes, size};
    embedding_rig_open(rig, "classifier", &file, 1, NULL);
}

void paint(struct embedding_rig *rig, double from, double to, int class) {
    for (uint32_t t = (uint32_t)ceil(from / EMBEDDING_RIG_HOP - 1e-9); t * EMBEDDING_RIG_HOP < to - 1e-9; t++)
        rig->values[(size_t)t * EMBEDDING_RIG_D + (size_t) class] = 1;
}

char *timeline_of(int n, double length, int silent) {
    char *json = malloc(200 * (size_t)n + 100), *end = json;
    end += sprintf(end, "{\"segments\":[");
    for (int i = 0; i < n; i++)
        end += sprintf(end, "%s{\"start\":%g,\"end\":%g,\"label\":\"%s\",\"confidence\":0.75}", i ? "," : "",
                       i * length, (i + 1) * length, silent && i % silent == 0 ? "near-silence" : "environment");
    sprintf(end, "]}");
    return json;
}

struct host_input timeline_input(const char *json) {
    return (struct host_input){.interface = "content_timeline",
                               .major = 1,
                               .provider = "content_timeline",
                               .outcome = "ok",
                               .json = json,
                               .json_length = strlen(json)};
}

const struct host_result *run(struct embedding_rig *rig, const char *json) {
    const struct host_input inputs[] = {rig->features, timeline_input(json)};
    return embedding_rig_run(rig, inputs, 2);
}

void assert_ok(const struct host_result *result) {
    if (result->outcome != HOST_OK) fail_msg("%s: %s", host_outcome_name(result->outcome), result->reason);
}

const char *text(const cJSON *object, const char *key) {
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItem(object, key));
    assert_non_null(value);
    return value;
}

double number(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItem(object, key);
    assert_true(cJSON_IsNumber(item));
    return item->valuedouble;
}

void assert_outcome(struct embedding_rig *rig, const struct host_input *inputs, size_t count, int outcome,
                    const char *reason) {
    const struct host_result *result = embedding_rig_run(rig, inputs, count);
    if (result->outcome != outcome || strstr(result->reason, reason) == NULL)
        fail_msg("%s: \"%s\", expected %s: \"%s\"", host_outcome_name(result->outcome), result->reason,
                 host_outcome_name(outcome), reason);
    assert_null(result->json);
}
