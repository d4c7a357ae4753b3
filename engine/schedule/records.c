/* What the scheduler posts to the catalogue's writer about results and incidents. All texts are copied, so that the loop can
 * go on; a record runs on the writer's thread, perhaps more than once. */
#include "engine/schedule/state.h"

#include "engine/base/json.h"
#include "engine/base/text.h"

#include <stdlib.h>
#include <string.h>

struct stored {
    struct store_result result;
    char *identity, *outcome, *reason, *json, *inputs;
    struct array *arrays; /* copies: the result may still be read */
    size_t arrays_count;
    struct store_array *views;
};

struct results_record {
    struct engine *engine;
    size_t n;
    struct stored items[];
};

static void free_arrays(struct array *arrays, size_t n) {
    for (size_t i = 0; i < n; i++) {
        free(arrays[i].name);
        free(arrays[i].unit);
        free(arrays[i].data);
    }
    free(arrays);
}

static void results_free(struct results_record *record) {
    for (size_t i = 0; i < record->n; i++) {
        struct stored *stored = &record->items[i];
        free(stored->identity);
        free(stored->outcome);
        free(stored->reason);
        free(stored->inputs);
        cJSON_free(stored->json);
        free_arrays(stored->arrays, stored->arrays_count);
        free(stored->views);
    }
    free(record);
}

static bool store_results(struct catalogue *catalogue, void *argument, struct error *error) {
    const struct results_record *record = argument;
    int64_t analysis = 0;
    for (size_t i = 0; i < record->n; i++)
        if (!store_result(catalogue, &record->items[i].result, &analysis, error)) return false;
    return true;
}

static void on_results(void *argument, const struct error *error) {
    struct results_record *record = argument;
    if (error) engine_fail(record->engine, error);
    results_free(record);
}

static char *copy(const char *text, bool *ok) {
    char *to = text ? strdup(text) : NULL;
    if (text && !to) *ok = false;
    return to;
}

static bool copy_arrays(struct stored *stored, const struct result *result) {
    stored->arrays = calloc(result->arrays_count + 1, sizeof *stored->arrays);
    bool ok = stored->arrays != NULL;
    for (size_t i = 0; ok && i < result->arrays_count; i++) {
        struct array *to = &stored->arrays[stored->arrays_count++];
        *to = result->arrays[i];
        to->sealed = 0;
        to->name = copy(to->name, &ok);
        to->unit = copy(to->unit, &ok);
        to->data = malloc(to->bytes + 1);
        if (!to->data) return false;
        memcpy(to->data, result->arrays[i].data, to->bytes);
    }
    return ok;
}

/* The result's JSON with its instants counted from the start of the file. */
static char *print_shifted(const struct file *file, const struct region *region, const struct registry_plugin *plugin,
                           const cJSON *json) {
    const struct store_region *frames = &region->frames;
    double duration = (double)(frames->end - frames->start) / file->rate, offset = (double)frames->start / file->rate;
    if (!plugin->schema || frames->start == 0) return json_print(json);
    cJSON *shifted = cJSON_Duplicate(json, true);
    if (!shifted) return NULL;
    schema_shift_instants(plugin->schema, shifted, duration, offset);
    char *text = json_print(shifted);
    cJSON_Delete(shifted);
    return text;
}

static bool fill(struct stored *stored, const struct file *file, const struct region *region, size_t index) {
    const struct registry_plugin *plugin = &file->engine->registry->plugins[index];
    const struct result *result = &region->results[index];
    double offset = (double)region->frames.start / file->rate;
    bool ok = true;
    stored->identity = copy(result->identity, &ok);
    stored->outcome = copy(result->outcome, &ok);
    stored->reason = copy(result->reason, &ok);
    stored->inputs = copy(result->inputs, &ok);
    if (result->json) stored->json = print_shifted(file, region, plugin, result->json);
    stored->views = calloc(result->arrays_count + 1, sizeof *stored->views);
    ok = ok && (stored->json || !result->json) && stored->views && copy_arrays(stored, result);
    for (size_t i = 0; ok && i < stored->arrays_count; i++) {
        const struct array *array = &stored->arrays[i];
        stored->views[i] = (struct store_array){.name = array->name,
                                                .dtype = array->dtype,
                                                .unit = array->unit,
                                                .dimensions = array->dimensions,
                                                .hop = array->hop,
                                                .start = array->start + offset,
                                                .data = array->data,
                                                .bytes = array->bytes};
        memcpy(stored->views[i].shape, array->shape, sizeof array->shape);
    }
    stored->result = (struct store_result){
        .region = region->frames.region,
        .plugin = plugin->id,
        .version = plugin->version,
        .identity = stored->identity,
        .outcome = stored->outcome,
        .reason = stored->reason,
        .json = stored->json,
        .interfaces = plugin->interfaces,
        .inputs = stored->inputs,
        .run = file->engine->run,
        .cpu_us = result->cpu_us,
        .wall_us = result->wall_us,
        .peak_bytes = result->peak_bytes,
        .arrays = stored->views,
        .arrays_count = stored->arrays_count,
    };
    return ok;
}

bool record_results(struct file *file, struct region *region, const size_t *plugins, size_t count) {
    struct results_record *record = calloc(1, sizeof *record + count * sizeof record->items[0]);
    if (!record) return false;
    record->engine = file->engine;
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++) ok = fill(&record->items[record->n++], file, region, plugins[i]);
    if (ok && writer_post(file->engine->writer, store_results, record, on_results)) return true;
    results_free(record);
    return false;
}

struct retirement {
    struct engine *engine;
    int64_t region;
    const char *plugin;
};

static bool retire(struct catalogue *catalogue, void *argument, struct error *error) {
    const struct retirement *record = argument;
    return store_result_retire(catalogue, record->region, record->plugin, error);
}

static void on_retired(void *argument, const struct error *error) {
    struct retirement *record = argument;
    if (error) engine_fail(record->engine, error);
    free(record);
}

bool record_retired(struct engine *engine, const struct region *region, size_t plugin) {
    struct retirement *record = malloc(sizeof *record);
    if (!record) return false;
    *record = (struct retirement){engine, region->frames.region, engine->registry->plugins[plugin].id};
    if (writer_post(engine->writer, retire, record, on_retired)) return true;
    free(record);
    return false;
}

/* ------------------------------------------------------------------------------------------------------------ incidents */

struct incident_record {
    struct engine *engine;
    struct store_incident incident;
    char *kind, *plugin, *identity, *reason, *detail;
};

static void incident_free(struct incident_record *record) {
    free(record->kind);
    free(record->plugin);
    free(record->identity);
    free(record->reason);
    cJSON_free(record->detail);
    free(record);
}

static bool store_one_incident(struct catalogue *catalogue, void *argument, struct error *error) {
    const struct incident_record *record = argument;
    int64_t id = 0;
    return store_incident(catalogue, &record->incident, &id, error);
}

static void on_incident(void *argument, const struct error *error) {
    struct incident_record *record = argument;
    if (error) engine_fail(record->engine, error);
    incident_free(record);
}

/* What else is needed to do it again, as it was then: the library may be another one later. */
static bool add_scene(cJSON *detail, const struct engine *engine, const char *plugin, const struct file *file,
                      const struct region *region) {
    size_t index = plugin ? registry_find(engine->registry, plugin) : SIZE_MAX;
    bool ok = true;
    if (index != SIZE_MAX) {
        const struct registry_plugin *known = &engine->registry->plugins[index];
        const struct registry_library *library = &engine->registry->libraries[known->library];
        const cJSON *effective = json_member(known->descriptor, "effective");
        char *path = text_display(library->path, strlen(library->path));
        ok = path && cJSON_AddStringToObject(detail, "library", path) &&
             cJSON_AddStringToObject(detail, "library_hash", library->hash) &&
             cJSON_AddStringToObject(detail, "version", known->version) &&
             (!effective || cJSON_AddItemToObject(detail, "parameters", cJSON_Duplicate(effective, true)));
        free(path);
    }
    if (ok && file && file->bytes_hash[0]) ok = cJSON_AddStringToObject(detail, "bytes_hash", file->bytes_hash);
    if (ok && region)
        ok = cJSON_AddNumberToObject(detail, "start_frame", (double)region->frames.start) &&
             cJSON_AddNumberToObject(detail, "end_frame", (double)region->frames.end);
    return ok;
}

void record_incident(struct engine *engine, const struct worker_death *death, const struct blame *blame,
                     const char *plugin, const struct file *file, const struct region *region, const char *identity,
                     bool strike) {
    struct incident_record *record = calloc(1, sizeof *record);
    cJSON *detail = blame_detail(death, blame);
    bool ok = record && detail && add_scene(detail, engine, plugin, file, region);
    if (ok) {
        record->engine = engine;
        record->kind = copy(blame->from_outside ? "killed" : blame->outcome, &ok);
        record->plugin = copy(plugin, &ok);
        record->identity = copy(identity, &ok);
        record->reason = copy(blame->reason, &ok);
        record->detail = json_print(detail);
        record->incident = (struct store_incident){
            .run = engine->run,
            .kind = record->kind,
            .plugin = record->plugin,
            .file = file ? file->entry.file : 0,
            .region = region ? region->frames.region : 0,
            .identity = record->identity,
            .reason = record->reason,
            .detail = record->detail,
            .strike = strike,
        };
        ok = ok && record->detail && writer_post(engine->writer, store_one_incident, record, on_incident);
    }
    cJSON_Delete(detail);
    if (!ok && record) incident_free(record);
    engine_report_incident(engine, plugin, blame, file, strike);
}
