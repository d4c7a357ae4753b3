#include "workers/host/job.h"

#include "engine/base/json.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_LIST 1024

bool job_is(const struct job *job, const cJSON *message) {
    return json_integer(message, "job", -1) == job->number && json_integer(message, "nonce", -1) == job->nonce;
}

/* ------------------------------------------------------------------------------------------------------------- region */

static uint32_t small(const cJSON *object, const char *key, uint32_t fallback) {
    int64_t value = json_integer(object, key, fallback);
    return value >= 0 && value <= INT32_MAX ? (uint32_t)value : fallback;
}

static bool read_loops(struct job *job, const cJSON *loops, struct error *error) {
    int count = cJSON_GetArraySize(loops);
    if (count <= 0) return true;
    if (count > MAX_LIST) count = MAX_LIST;
    job->loops = calloc((size_t)count, sizeof *job->loops);
    if (!job->loops) return error_memory(error);
    uint32_t n = 0;
    for (const cJSON *item = loops->child; item && n < (uint32_t)count; item = item->next)
        job->loops[n++] = (sonde_loop_t){.struct_size = sizeof *job->loops,
                                         .start_frame = json_integer(item, "start", 0),
                                         .end_frame = json_integer(item, "end", 0)};
    job->region.loops = job->loops;
    job->region.loops_count = n;
    return true;
}

static bool read_region(struct job *job, const cJSON *from, struct error *error) {
    int64_t start = json_integer(from, "start", -1), end = json_integer(from, "end", -1);
    uint32_t rate = small(from, "rate", 0), channels = small(from, "channels", 0);
    if (start < 0 || end <= start || rate == 0 || channels == 0) return error_set(error, "an impossible region");
    double second = 1.0 / rate;
    int64_t file_frames = json_integer(from, "file_frames", end);
    job->region = (sonde_region_t){
        .struct_size = sizeof job->region,
        .flags = (start == 0 ? SONDE_REGION_AT_FILE_START : 0) | (end >= file_frames ? SONDE_REGION_AT_FILE_END : 0),
        .index = small(from, "index", 0),
        .regions = small(from, "regions", 1),
        .part = small(from, "part", 0),
        .parts = small(from, "parts", 1),
        .rate = rate,
        .channels = channels,
        .start_frame = start,
        .frames = end - start,
        .duration = (double)(end - start) / rate,
        .sound_start = (double)(json_integer(from, "sound_start", start) - start) * second,
        .sound_end = (double)(json_integer(from, "sound_end", end) - start) * second,
        .lead = (double)json_integer(from, "lead", 0) * second,
        .tail = (double)json_integer(from, "tail", 0) * second,
        .file_frames = file_frames,
        .file_duration = (double)file_frames / rate,
        .embedded_bpm = json_number(from, "bpm", 0),
        .embedded_key = json_string(from, "key", NULL),
        .seed = strtoull(json_string(from, "seed", "0"), NULL, 16),
    };
    job->next_frame = start;
    return read_loops(job, json_member(from, "loops"), error);
}

static bool read_run(struct job *job, const struct host *host, const cJSON *run, struct error *error) {
    int count = cJSON_GetArraySize(run);
    job->run = calloc((size_t)count + 1, sizeof *job->run);
    if (!job->run) return error_memory(error);
    for (const cJSON *item = run ? run->child : NULL; item; item = item->next) {
        const char *id = cJSON_IsString(item) ? item->valuestring : "";
        const struct host_plugin *plugin = host_plugin_find(host, id);
        if (!plugin) return error_set(error, "this worker has no plugin %.100s", id);
        for (size_t i = 0; i < job->run_count; i++)
            if (job->run[i] == plugin) return error_set(error, "plugin %.100s is to run twice", id);
        job->run[job->run_count++] = plugin;
    }
    return job->run_count > 0 ? true : error_set(error, "a job without plugins");
}

/* -------------------------------------------------------------------------------------------------------------- inputs */

static bool map_array(struct job *job, struct worker *worker, struct error *error) {
    struct descriptor descriptor;
    if (!worker_receive_descriptor(worker, &descriptor, error)) return false;
    struct job_mapping *mapping = &job->mappings[job->mappings_count];
    bool good = descriptor.packet.kind == DESCRIPTOR_ARRAY && descriptor.packet.job == (uint64_t)job->number;
    if (!good) error_set(error, "an array's descriptor is not what was announced");
    if (good) {
        mapping->serial = descriptor.packet.serial;
        mapping->bytes = descriptor.bytes;
        mapping->data = memfd_map(descriptor.fd, descriptor.bytes, false, error);
        good = mapping->data != NULL;
        job->mappings_count += good;
    }
    close(descriptor.fd);
    return good;
}

static bool dtype_by_name(const char *name, uint32_t *dtype) {
    for (uint32_t i = 0; dtype_size(i); i++)
        if (strcmp(dtype_name(i), name) == 0) {
            *dtype = i;
            return true;
        }
    return false;
}

/* The shape, and the bytes it takes; false when it is impossible. */
static bool read_shape(const cJSON *shape, struct host_input_array *array, uint64_t *bytes) {
    int dimensions = cJSON_GetArraySize(shape);
    if (dimensions < 1 || dimensions > 4) return false;
    *bytes = dtype_size(array->dtype);
    for (const cJSON *item = shape->child; item; item = item->next) {
        double extent = cJSON_IsNumber(item) ? item->valuedouble : -1;
        if (!(extent >= 0 && extent <= WRITER_MAX_ARRAY_BYTES)) return false;
        array->shape[array->dimensions++] = (uint64_t)extent;
        *bytes *= (uint64_t)extent; /* at most 2^25 times 2^25 */
        if (*bytes > WRITER_MAX_ARRAY_BYTES) return false;
    }
    return true;
}

static bool read_array(const struct job *job, const cJSON *from, struct host_input_array *array, struct error *error) {
    static const char nothing[64] __attribute__((aligned(64))) = "";
    uint64_t bytes = 0;
    *array = (struct host_input_array){.name = json_string(from, "name", ""),
                                       .unit = json_string(from, "unit", ""),
                                       .hop = json_number(from, "hop", 0),
                                       .start = json_number(from, "start", 0)};
    if (!dtype_by_name(json_string(from, "dtype", ""), &array->dtype) ||
        !read_shape(json_member(from, "shape"), array, &bytes))
        return error_set(error, "array %.100s has an impossible type or shape", array->name);
    array->data = nothing;
    if (bytes == 0) return true; /* what was mapped for it holds nothing of it */
    array->data = NULL;
    for (size_t i = 0; i < job->mappings_count; i++)
        if ((int64_t)job->mappings[i].serial == json_integer(from, "serial", -1) && job->mappings[i].bytes >= bytes)
            array->data = job->mappings[i].data;
    return array->data ? true : error_set(error, "array %.100s has no data", array->name);
}

static bool read_input(const struct job *job, const cJSON *from, struct host_input *input, struct error *error) {
    const cJSON *json = json_member(from, "json"), *arrays = json_member(from, "arrays");
    *input = (struct host_input){.interface = json_string(from, "interface", ""),
                                 .major = small(from, "major", 0),
                                 .provider = json_string(from, "provider", ""),
                                 .outcome = json_string(from, "outcome", "failed"),
                                 .reason = json_string(from, "reason", "")};
    if (!cJSON_IsObject(json)) return true;
    char *text = json_print(json);
    if (!text) return error_memory(error);
    input->json = text;
    input->json_length = strlen(text);
    int count = cJSON_GetArraySize(arrays);
    if (count <= 0) return true;
    struct host_input_array *list = calloc((size_t)count, sizeof *list);
    if (!list) return error_memory(error);
    input->arrays = list;
    for (const cJSON *item = arrays->child; item; item = item->next)
        if (!read_array(job, item, &list[input->arrays_count++], error)) return false;
    return true;
}

/* Descriptors come first and in any order; serials say which is which. */
static bool receive_arrays(struct job *job, struct worker *worker, const cJSON *inputs, struct error *error) {
    size_t count = 0;
    for (const cJSON *input = inputs ? inputs->child : NULL; input; input = input->next) {
        const cJSON *arrays = json_member(input, "arrays");
        for (const cJSON *one = arrays ? arrays->child : NULL; one; one = one->next)
            count += json_integer(one, "serial", -1) >= 0;
    }
    if (count > MAX_LIST) return error_set(error, "too many arrays");
    job->mappings = calloc(count + 1, sizeof *job->mappings);
    if (!job->mappings) return error_memory(error);
    for (size_t i = 0; i < count; i++)
        if (!map_array(job, worker, error)) return false;
    return true;
}

static bool read_inputs(struct job *job, const cJSON *inputs, struct error *error) {
    int count = cJSON_GetArraySize(inputs);
    if (count > MAX_LIST) return error_set(error, "too many inputs");
    job->inputs = calloc((size_t)count + 1, sizeof *job->inputs);
    if (!job->inputs) return error_memory(error);
    for (const cJSON *item = inputs ? inputs->child : NULL; item; item = item->next)
        if (!read_input(job, item, &job->inputs[job->inputs_count++], error)) return false;
    return true;
}

bool job_open(struct job *job, struct worker *worker, const struct host *host, cJSON *message, struct error *error) {
    *job = (struct job){
        .message = message, .number = json_integer(message, "job", -1), .nonce = json_integer(message, "nonce", -1)};
    const cJSON *inputs = json_member(message, "inputs");
    if (job->number < 0) return error_set(error, "a job without a number");
    return receive_arrays(job, worker, inputs, error) && read_region(job, json_member(message, "region"), error) &&
           read_run(job, host, json_member(message, "run"), error) && read_inputs(job, inputs, error);
}

void job_close(struct job *job) {
    for (size_t i = 0; i < job->inputs_count; i++) {
        cJSON_free((char *)(uintptr_t)job->inputs[i].json);
        free((struct host_input_array *)(uintptr_t)job->inputs[i].arrays);
    }
    for (size_t i = 0; i < job->mappings_count; i++) memfd_unmap(job->mappings[i].data, job->mappings[i].bytes);
    free(job->inputs);
    free(job->mappings);
    free(job->run);
    free(job->loops);
    cJSON_Delete(job->message);
    *job = (struct job){.number = -1};
}
