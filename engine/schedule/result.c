/* Checking what a worker says a plugin found: size, depth, UTF-8 and finite numbers (json_parse saw to some of it), the declared
 * schema, instants inside the region, arrays as declared, and that it was asked for. */
#include "engine/base/json.h"
#include "engine/base/text.h"
#include "engine/ipc/memfd.h"
#include "engine/schedule/state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REASON_MAX 500

bool result_is_usable(const struct result *result) {
    return strcmp(result->outcome, "ok") == 0;
}

bool result_is_lasting(const char *outcome) {
    static const char *const lasting[] = {"ok", "empty", "failed", "unsupported", "quarantined"};
    for (size_t i = 0; i < sizeof lasting / sizeof *lasting; i++)
        if (strcmp(outcome, lasting[i]) == 0) return true;
    return false;
}

bool result_is_failure(const char *outcome) {
    return strcmp(outcome, "ok") != 0 && strcmp(outcome, "empty") != 0 && strcmp(outcome, "unsupported") != 0 &&
           strcmp(outcome, "skipped") != 0;
}

static void clear_payload(struct result *result) {
    cJSON_Delete(result->json);
    result->json = NULL;
    for (size_t i = 0; i < result->arrays_count; i++) {
        free(result->arrays[i].name);
        free(result->arrays[i].unit);
        free(result->arrays[i].data);
        if (result->arrays[i].sealed) close(result->arrays[i].sealed - 1);
    }
    free(result->arrays);
    result->arrays = NULL;
    result->arrays_count = 0;
}

void result_clear(struct result *result) {
    clear_payload(result);
    free(result->reason);
    free(result->inputs);
    result->reason = result->inputs = NULL;
}

void result_set(struct result *result, const char *outcome, const char *reason) {
    clear_payload(result);
    free(result->reason);
    result->reason = NULL;
    (void)snprintf(result->outcome, sizeof result->outcome, "%s", outcome);
    result->cpu_us = result->wall_us = result->peak_bytes = -1;
    if (!reason || !reason[0]) return;
    result->reason = text_display(reason, strlen(reason)); /* without memory the outcome stands without its sentence */
    if (result->reason) text_cut(result->reason, REASON_MAX);
}

/* --------------------------------------------------------------------------------------------------------------- checks */

static bool all_finite(const cJSON *value) {
    if (cJSON_IsNumber(value)) return isfinite(value->valuedouble);
    for (const cJSON *child = value->child; child; child = child->next)
        if (!all_finite(child)) return false;
    return true;
}

static int depth_of(const cJSON *value) {
    int deepest = 0;
    for (const cJSON *child = value->child; child; child = child->next) {
        int depth = depth_of(child);
        if (depth > deepest) deepest = depth;
    }
    return cJSON_IsObject(value) || cJSON_IsArray(value) ? deepest + 1 : deepest;
}

static bool check_json(const struct registry_plugin *plugin, const cJSON *json, double duration, struct error *error) {
    if (!cJSON_IsObject(json)) return error_set(error, "its result is not an object");
    if (depth_of(json) > RESULT_MAX_DEPTH)
        return error_set(error, "its result is nested more than %d deep", RESULT_MAX_DEPTH);
    if (!all_finite(json)) return error_set(error, "its result holds a number that is not finite");
    if (!plugin->schema) return true;
    return schema_check(plugin->schema, json, error) && schema_check_instants(plugin->schema, json, duration, error);
}

static uint64_t size_of_dtype(const char *dtype) {
    return strcmp(dtype, "f64") == 0                                ? 8
           : strcmp(dtype, "f32") == 0 || strcmp(dtype, "i32") == 0 ? 4
           : strcmp(dtype, "u8") == 0                               ? 1
                                                                    : 0;
}

/* The array as the descriptor declares it, or NULL. */
static const cJSON *find_declaration(const struct registry_plugin *plugin, const char *name) {
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, json_member(plugin->descriptor, "arrays")) {
        if (strcmp(json_string(item, "name", ""), name) == 0) return item;
    }
    return NULL;
}

static bool read_shape(struct array *array, const cJSON *shape, struct error *error) {
    int dimensions = cJSON_GetArraySize(shape);
    if (dimensions < 1 || dimensions > 4) return error_set(error, "array %s has no proper shape", array->name);
    array->dimensions = (uint32_t)dimensions;
    uint64_t items = size_of_dtype(array->dtype);
    for (int i = 0; i < dimensions; i++) {
        double n = cJSON_GetArrayItem(shape, i)->valuedouble;
        if (!(n >= 0 && n <= OUT_BYTES) || n != floor(n))
            return error_set(error, "array %s has no proper shape", array->name);
        array->shape[i] = (uint64_t)n;
        items *= array->shape[i];
        if (items > OUT_BYTES) return error_set(error, "array %s is too large", array->name);
    }
    return items == array->bytes || error_set(error, "array %s is not as large as its shape says", array->name);
}

static bool read_array(struct array *array, const struct registry_plugin *plugin, const struct worker *worker,
                       const cJSON *message, struct error *error) {
    const char *name = json_string(message, "name", "");
    const cJSON *declared = find_declaration(plugin, name);
    int64_t offset = json_integer(message, "offset", -1), bytes = json_integer(message, "bytes", -1);
    if (!declared) return error_set(error, "it wrote an array \"%.60s\" that it does not declare", name);
    *array = (struct array){
        .name = strdup(name),
        .unit = strdup(json_string(declared, "unit", "")),
        .hop = json_number(message, "hop", 0),
        .start = json_number(message, "start", 0),
    };
    if (!array->name || !array->unit) return error_memory(error);
    (void)snprintf(array->dtype, sizeof array->dtype, "%s", json_string(declared, "dtype", ""));
    if (strcmp(json_string(message, "dtype", ""), array->dtype) != 0 || size_of_dtype(array->dtype) == 0 || bytes < 0 ||
        offset < 0)
        return error_set(error, "array %s is not as declared", name);
    array->bytes = (uint64_t)bytes;
    if (!read_shape(array, json_member(message, "shape"), error)) return false;
    array->data = worker_read_out(worker, (uint64_t)offset, (uint64_t)bytes);
    return array->data || error_set(error, "array %s lies outside of the shared memory", name);
}

static bool read_arrays(struct result *result, const struct registry_plugin *plugin, const struct worker *worker,
                        const cJSON *list, struct error *error) {
    int count = cJSON_GetArraySize(list);
    const cJSON *item = NULL;
    if (count == 0) return true;
    if (count > 64) return error_set(error, "it wrote too many arrays");
    result->arrays = calloc((size_t)count, sizeof *result->arrays);
    if (!result->arrays) return error_memory(error);
    cJSON_ArrayForEach(item, list) {
        struct array *array = &result->arrays[result->arrays_count++];
        if (!read_array(array, plugin, worker, item, error)) return false;
        for (size_t i = 0; i + 1 < result->arrays_count; i++)
            if (strcmp(result->arrays[i].name, array->name) == 0)
                return error_set(error, "it wrote array %s twice", array->name);
    }
    return true;
}

static bool is_outcome_of_host(const char *outcome) {
    static const char *const outcomes[] = {"ok", "empty", "failed", "unsupported", "memory", "skipped"};
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++)
        if (strcmp(outcome, outcomes[i]) == 0) return true;
    return false;
}

bool result_check(struct engine *engine, struct job *job, const cJSON *message, struct error *error) {
    size_t index = registry_find(engine->registry, json_string(message, "plugin", ""));
    const char *outcome = json_string(message, "outcome", "");
    struct error refusal = {0};
    if (index == SIZE_MAX || !job->members[index]) return error_set(error, "a result that nobody asked for");
    struct result *result = &job->results[index];
    if (result->state == RESULT_OVER) return error_set(error, "a result that has come before");
    if (!is_outcome_of_host(outcome)) return error_set(error, "an outcome that doesn't exist");
    const struct registry_plugin *plugin = &engine->registry->plugins[index];
    double duration = (double)(job->region->frames.end - job->region->frames.start) / job->file->rate;
    result_set(result, outcome, json_string(message, "reason", NULL));
    if (result_is_usable(result)) {
        const cJSON *json = json_member(message, "json");
        bool good = check_json(plugin, json, duration, &refusal) &&
                    read_arrays(result, plugin, job->seat->worker, json_member(message, "arrays"), &refusal);
        if (good) {
            result->json = cJSON_DetachItemViaPointer((cJSON *)(uintptr_t)message, (cJSON *)(uintptr_t)json);
        } else {
            char sentence[600];
            (void)snprintf(sentence, sizeof sentence, "its result was refused: %.500s", refusal.text);
            result_set(result, "failed", sentence);
        }
    }
    result->cpu_us = json_integer(message, "cpu_us", -1);
    result->wall_us = json_integer(message, "wall_us", -1);
    result->peak_bytes = json_integer(message, "peak_bytes", -1);
    result->state = RESULT_OVER;
    return true;
}
