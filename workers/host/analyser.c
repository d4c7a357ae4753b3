#include "workers/host/analyser.h"

#include "engine/base/json.h"
#include "engine/base/shorts.h"
#include "engine/base/text.h"
#include "engine/ipc/message.h"
#include "workers/host/clock.h"
#include "workers/host/describe.h"
#include "workers/host/feed.h"
#include "workers/host/job.h"
#include "workers/host/measure.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define MAX_LINES 200 /* of a plugin's log, for each job and for loading */
#define STASH     8   /* messages that came while a plugin asked whether it is cancelled; two chunks and a cancel may */

struct analyser {
    struct worker *worker;
    struct host *host;
    struct job job;
    bool busy;      /* host_region_begin was called for `job` */
    bool cancelled; /* a cancel for the job waits in the stash */
    bool leave;     /* the engine is gone, or said quit */
    cJSON *stash[STASH];
    size_t stash_count;
    uint32_t lines;
    size_t out_used; /* bytes of the out area that hold this job's arrays */
    struct measure measure;
    float *samples;       /* of a piece of a chunk, planar */
    int16_t *shorts;      /* of one plane of it */
    const float **planes; /* where each begins */
    int64_t piece;        /* frames */
};

/* --------------------------------------------------------------------------------------------------------------- hooks */

static uint64_t job_number(const struct analyser *a) {
    return a->busy ? (uint64_t)a->job.number : 0;
}

static void on_enter(void *context, const char *plugin, enum host_phase phase) {
    static const enum note_phase phases[HOST_PHASES] = {
        [HOST_LOAD] = NOTE_LOAD,       [HOST_INIT] = NOTE_INIT,       [HOST_CREATE] = NOTE_CREATE,
        [HOST_BEGIN] = NOTE_BEGIN,     [HOST_PROCESS] = NOTE_PROCESS, [HOST_FINISH] = NOTE_FINISH,
        [HOST_ABANDON] = NOTE_ABANDON, [HOST_DESTROY] = NOTE_DESTROY, [HOST_DEINIT] = NOTE_DEINIT,
        [HOST_UNLOAD] = NOTE_UNLOAD};
    struct analyser *a = context;
    worker_note_phase(a->worker, job_number(a), plugin, phases[phase]);
    measure_enter(&a->measure, phase);
}

static void on_leave(void *context) {
    struct analyser *a = context;
    measure_leave(&a->measure);
    worker_note_phase(a->worker, job_number(a), NULL, a->busy ? NOTE_FEED : NOTE_NONE);
}

/* What a plugin has to say goes to the engine's log through stderr; a flood is cut off. */
static void on_log(void *context, const char *plugin, int level, const char *text) {
    static const char *const levels[] = {"debug", "info", "warning", "error"};
    struct analyser *a = context;
    if (level != SONDE_LOG_DEBUG) measure_line(&a->measure);
    if (level == SONDE_LOG_DEBUG || a->lines > MAX_LINES) return;
    if (a->lines++ == MAX_LINES)
        fprintf(stderr, "%s: further lines are dropped\n", plugin);
    else
        fprintf(stderr, "%s: %s: %s\n", plugin, levels[level], text);
}

static const sonde_block_t *on_give(void *context, const sonde_block_t *block) {
    struct analyser *a = context;
    return measure_give(&a->measure, block);
}

static void on_take(void *context, const sonde_block_t *given) {
    struct analyser *a = context;
    measure_take(&a->measure, given);
}

/* Messages that come meanwhile are kept for the loop. */
static bool on_cancelled(void *context) {
    struct analyser *a = context;
    while (!a->cancelled && !a->leave && a->stash_count < STASH) {
        cJSON *message = worker_poll(a->worker, &a->leave);
        if (!message) break;
        a->stash[a->stash_count++] = message;
        a->cancelled = strcmp(json_string(message, "type", ""), "cancel") == 0 && job_is(&a->job, message);
    }
    return a->cancelled || a->leave;
}

/* ------------------------------------------------------------------------------------------------------------- loading */

/* What became of one entry of the settings' libraries. */
struct loading {
    const char *path;
    const struct library *library; /* NULL: refused */
    struct error refusal;
    int64_t cpu_ns;
};

/* Sends one `library` message; `refusal`: why there is nothing to describe, or NULL. */
static bool send_library(struct analyser *a, const struct loading *loading, const char *refusal, struct error *error) {
    const char *path = loading->path;
    const struct library *library = refusal ? NULL : loading->library;
    cJSON *message = message_new("library");
    char *clean = refusal ? text_display(refusal, strlen(refusal)) : NULL;
    bool good = message && (clean || !refusal) && cJSON_AddStringToObject(message, "path", path) &&
                cJSON_AddStringToObject(message, "outcome", refusal ? "failed" : "ok");
    if (good && refusal) good = cJSON_AddStringToObject(message, "reason", clean);
    if (good && library)
        good = describe_library(message, a->host, library) &&
               measure_add_library(&a->measure, message, library, loading->cpu_ns);
    free(clean);
    if (good) return worker_send(a->worker, message, error);
    cJSON_Delete(message);
    return error_memory(error);
}

/* A library whose descriptors don't fit into a message is refused like any other that breaks a rule. */
static bool report_library(struct analyser *a, const struct loading *loading, struct error *error) {
    if (send_library(a, loading, loading->library ? NULL : loading->refusal.text, error)) return true;
    if (error->code != EMSGSIZE) return false;
    return send_library(a, loading, "its descriptors are longer than 2 MiB", error);
}

static const char *text_or_null(const char *text) {
    return text && text[0] ? text : NULL;
}

static void load_one(struct analyser *a, const cJSON *setting, struct loading *loading) {
    loading->path = json_string(setting, "path", "");
    const char *resources = text_or_null(json_string(setting, "resources", NULL));
    int64_t from = clock_cpu_ns();
    if (host_load(a->host, loading->path, resources, json_member(setting, "only"), json_member(setting, "params"),
                  &loading->refusal))
        loading->library = host_library_at(a->host, host_libraries_count(a->host) - 1);
    loading->cpu_ns = clock_cpu_ns() - from;
}

/* Whether there is memory left. A library's variables may take more than the limit, and the system lets it be loaded all the
 * same; only after that it gives no more. */
static bool has_room(void) {
    size_t bytes = 65536;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory != MAP_FAILED && munmap(memory, bytes) == 0;
}

static void refuse_all(struct loading *list, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!list[i].library) continue;
        list[i].library = NULL;
        error_set(&list[i].refusal, "once it is loaded there is no memory left (worker.memory_limit)");
    }
}

/* Every library first, then every instance, then the reports: a `library` message tells of both. */
static bool load_all(struct analyser *a, struct error *error) {
    size_t count = 0;
    struct loading *list = calloc((size_t)cJSON_GetArraySize(a->worker->libraries) + 1, sizeof *list);
    if (!list) return error_memory(error);
    const cJSON *setting;
    cJSON_ArrayForEach(setting, a->worker->libraries) load_one(a, setting, &list[count++]);
    host_create(a->host);
    if (!has_room()) refuse_all(list, count);
    bool good = true;
    for (size_t i = 0; good && i < count; i++) good = report_library(a, &list[i], error);
    free(list);
    return good;
}

/* ------------------------------------------------------------------------------------------------------------- results */

static int64_t peak_bytes(void) {
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (int64_t)usage.ru_maxrss * 1024 : 0;
}

/* Copies the arrays to the out area. False when there is no room. */
static bool export_arrays(struct analyser *a, const struct host_result *result, cJSON *list) {
    for (size_t i = 0; i < result->arrays_count; i++) {
        const struct host_array *array = &result->arrays[i];
        size_t offset = (a->out_used + 63) / 64 * 64;
        cJSON *one = cJSON_CreateObject(), *shape = NULL;
        bool good = one && cJSON_AddItemToArray(list, one) && offset <= a->worker->out_bytes &&
                    array->bytes <= a->worker->out_bytes - offset &&
                    cJSON_AddStringToObject(one, "name", array->info->name) &&
                    cJSON_AddStringToObject(one, "dtype", dtype_name(array->info->dtype)) &&
                    cJSON_AddStringToObject(one, "unit", array->info->unit) &&
                    cJSON_AddNumberToObject(one, "hop", array->hop) &&
                    cJSON_AddNumberToObject(one, "start", array->start) &&
                    cJSON_AddNumberToObject(one, "offset", (double)offset) &&
                    cJSON_AddNumberToObject(one, "bytes", (double)array->bytes) &&
                    (shape = cJSON_AddArrayToObject(one, "shape")) != NULL;
        for (uint32_t d = 0; good && d < array->info->dimensions; d++)
            good = cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)array->shape[d]));
        if (!good) return false;
        memcpy(a->worker->out + offset, array->data, array->bytes);
        a->out_used = offset + array->bytes;
    }
    return true;
}

static bool send_result(struct analyser *a, const struct host_result *result, struct error *error) {
    cJSON *message = message_new_job("result", a->job.number, a->job.nonce), *arrays = cJSON_CreateArray();
    bool ok = result->outcome == HOST_OK;
    const char *outcome = host_outcome_name(result->outcome), *reason = result->reason;
    if (ok && arrays && !export_arrays(a, result, arrays)) {
        ok = false;
        outcome = host_outcome_name(HOST_FAILED);
        reason = "the arrays of this group's results take more than 32 MiB together";
        cJSON_Delete(arrays);
        arrays = cJSON_CreateArray();
    }
    bool good = message && arrays && cJSON_AddStringToObject(message, "plugin", result->plugin->descriptor->id) &&
                cJSON_AddStringToObject(message, "outcome", outcome) &&
                cJSON_AddStringToObject(message, "reason", reason) &&
                (ok ? cJSON_AddRawToObject(message, "json", result->json) : cJSON_AddNullToObject(message, "json")) &&
                cJSON_AddNumberToObject(message, "cpu_us", (double)(result->cpu_ns / 1000)) &&
                cJSON_AddNumberToObject(message, "wall_us", (double)(result->wall_ns / 1000)) &&
                cJSON_AddNumberToObject(message, "peak_bytes", (double)result->peak_bytes) &&
                cJSON_AddNumberToObject(message, "nonfinite", (double)result->nonfinite) &&
                cJSON_AddItemToObject(message, "arrays", arrays);
    if (good) return worker_send(a->worker, message, error);
    cJSON_Delete(arrays);
    cJSON_Delete(message);
    return error_memory(error);
}

/* Ends the region first: plugins may hang while they drop it, and the engine must still be waiting then. */
static bool end_job(struct analyser *a, struct error *error) {
    int64_t resample = 0, spectrum = 0, feed = 0;
    cJSON *message = message_new_job("analysed", a->job.number, a->job.nonce), *cpu = NULL;
    if (a->busy) {
        host_region_cost(a->host, &resample, &spectrum, &feed);
        struct host_result result = *host_result(a->host, 0);
        host_region_end(a->host);
        if (message && !measure_add_job(&a->measure, message, &result)) {
            cJSON_Delete(message);
            message = NULL;
        }
    }
    a->busy = false;
    a->cancelled = false;
    job_close(&a->job);
    worker_note_phase(a->worker, 0, NULL, NOTE_NONE);
    if (message && cJSON_AddNumberToObject(message, "peak_bytes", (double)peak_bytes()) &&
        (cpu = cJSON_AddObjectToObject(message, "cpu_us")) &&
        cJSON_AddNumberToObject(cpu, "resample", (double)resample) &&
        cJSON_AddNumberToObject(cpu, "spectrum", (double)spectrum) &&
        cJSON_AddNumberToObject(cpu, "feed", (double)feed))
        return worker_send(a->worker, message, error);
    cJSON_Delete(message);
    return error_memory(error);
}

/* ---------------------------------------------------------------------------------------------------------------- jobs */

/* The region can't be analysed at all: every plugin hears so. */
static bool refuse_region(struct analyser *a, const struct error *why, struct error *error) {
    for (size_t i = 0; i < a->job.run_count; i++) {
        struct host_result result = {.plugin = a->job.run[i],
                                     .outcome = why->code == ENOMEM ? HOST_MEMORY : HOST_UNSUPPORTED};
        snprintf(result.reason, sizeof result.reason, "%s", why->text);
        if (!send_result(a, &result, error)) return false;
    }
    return end_job(a, error);
}

/* Memory for pieces of the region's chunks that are whole blocks, before plugins can take what there is. */
static bool reserve_piece(struct analyser *a, struct error *error) {
    int64_t block = a->worker->block_frames > 0 ? a->worker->block_frames : FEED_BLOCK_FRAMES;
    a->piece = (FEED_BLOCK_FRAMES + block - 1) / block * block;
    if (a->piece > a->job.region.frames) a->piece = a->job.region.frames;
    free(a->samples);
    free(a->shorts);
    free(a->planes);
    a->samples = malloc((size_t)a->piece * a->job.region.channels * sizeof *a->samples);
    a->shorts = malloc((size_t)a->piece * sizeof *a->shorts);
    a->planes = calloc(a->job.region.channels, sizeof *a->planes);
    return (a->samples && a->shorts && a->planes) || error_memory(error);
}

static bool begin_job(struct analyser *a, cJSON *message, struct error *error) {
    if (a->busy) {
        cJSON_Delete(message);
        return error_set(error, "broken protocol: a job before the last one was done");
    }
    a->lines = 0;
    a->out_used = 0;
    struct error why = {0};
    if (!job_open(&a->job, a->worker, a->host, message, &why))
        return error_set(error, "broken protocol: %.400s", why.text);
    a->busy = true;
    worker_note_phase(a->worker, job_number(a), NULL, NOTE_FEED);
    if (reserve_piece(a, &why) &&
        host_region_begin(a->host, &a->job.region, a->job.run, a->job.run_count, a->job.inputs, a->job.inputs_count,
                          (uint32_t)a->worker->block_frames, &why))
        return true;
    a->busy = false;
    return refuse_region(a, &why, error);
}

static bool finish_job(struct analyser *a, struct error *error) {
    host_region_finish(a->host);
    if (on_cancelled(a)) return true; /* the cancel itself ends the job */
    for (size_t i = 0; i < a->job.run_count; i++)
        if (!send_result(a, host_result(a->host, i), error)) return false;
    return end_job(a, error);
}

static size_t sample_bytes_of(const struct descriptor_packet *chunk) {
    return chunk->kind == DESCRIPTOR_SHORTS ? sizeof(int16_t) : sizeof(float);
}

/* Reads `frames` frames of each plane of a chunk, from frame `first`, one plane behind the other: into `a->samples`. */
static bool read_planes(struct analyser *a, int fd, const struct descriptor_packet *chunk, int64_t first,
                        int64_t frames, struct error *error) {
    size_t n = (size_t)frames, size = sample_bytes_of(chunk);
    for (uint32_t c = 0; c < a->job.region.channels; c++) {
        uint64_t place = ((uint64_t)c * chunk->frames + (uint64_t)first) * size;
        float *plane = a->samples + c * n;
        void *to = chunk->kind == DESCRIPTOR_SHORTS ? (void *)a->shorts : plane;
        if (!memfd_read(fd, to, n * size, place, error)) return false;
        if (chunk->kind == DESCRIPTOR_SHORTS) shorts_to_floats(a->shorts, n, plane);
    }
    return true;
}

/* Feeds frames of a chunk in pieces, each of which stays in the cache. */
static bool feed_pieces(struct analyser *a, const struct descriptor_packet *chunk, int fd, int64_t first,
                        int64_t frames, struct error *error) {
    for (int64_t n; frames > 0; first += n, frames -= n) {
        n = frames < a->piece ? frames : a->piece;
        if (!read_planes(a, fd, chunk, first, n, error)) return false;
        for (uint32_t c = 0; c < a->job.region.channels; c++) a->planes[c] = a->samples + (size_t)c * (size_t)n;
        host_region_feed(a->host, a->planes, (size_t)n);
    }
    return true;
}

/* Feeds the part of a chunk that the message names. */
static bool feed_chunk(struct analyser *a, const struct descriptor *descriptor, const cJSON *message,
                       struct error *error) {
    const struct descriptor_packet *chunk = &descriptor->packet;
    int64_t start = json_integer(message, "start", -1), frames = json_integer(message, "frames", -1);
    int64_t region_end = a->job.region.start_frame + a->job.region.frames;
    bool last = json_bool(message, "last", false);
    if (chunk->frames > descriptor->bytes / sample_bytes_of(chunk) / a->job.region.channels ||
        start != a->job.next_frame || frames <= 0 || frames > region_end - start || start < chunk->start ||
        start - chunk->start > (int64_t)chunk->frames || frames > (int64_t)chunk->frames - (start - chunk->start) ||
        last != (start + frames == region_end))
        return error_set(error, "broken protocol: PCM that isn't the next of the region");
    if (!feed_pieces(a, chunk, descriptor->fd, start - chunk->start, frames, error)) return false;
    a->job.next_frame += frames;
    return true;
}

static bool take_pcm(struct analyser *a, const cJSON *message, struct error *error) {
    struct descriptor descriptor;
    if (!worker_receive_descriptor(a->worker, &descriptor, error)) return false;
    const struct descriptor_packet *chunk = &descriptor.packet;
    bool audio = chunk->kind == DESCRIPTOR_PCM || chunk->kind == DESCRIPTOR_SHORTS;
    bool good = audio && (int64_t)chunk->serial == json_integer(message, "serial", -1);
    if (!good) error_set(error, "broken protocol: a chunk's descriptor is not what was announced");
    bool wanted = good && a->busy && !a->cancelled && job_is(&a->job, message);
    if (wanted) good = feed_chunk(a, &descriptor, message, error);
    close(descriptor.fd);
    if (!good) return false;
    cJSON *consumed = message_new_job("consumed", json_integer(message, "job", 0), json_integer(message, "nonce", 0));
    if (consumed && !cJSON_AddNumberToObject(consumed, "serial", (double)chunk->serial)) {
        cJSON_Delete(consumed);
        consumed = NULL;
    }
    if (!worker_send(a->worker, consumed, error)) return false;
    return wanted && json_bool(message, "last", false) ? finish_job(a, error) : true;
}

static bool cancel_job(struct analyser *a, const cJSON *message, struct error *error) {
    if (!a->busy || !job_is(&a->job, message)) return true; /* it was done before the cancel came */
    return end_job(a, error);
}

/* ---------------------------------------------------------------------------------------------------------------- loop */

static cJSON *next_message(struct analyser *a) {
    if (a->leave) return NULL;
    if (a->stash_count == 0) return worker_receive(a->worker);
    cJSON *message = a->stash[0];
    memmove(a->stash, a->stash + 1, --a->stash_count * sizeof *a->stash);
    return message;
}

/* What ends with the process otherwise: destroy, deinit, destructors. */
static bool unload(struct analyser *a, struct error *error) {
    if (a->busy) return error_set(error, "broken protocol: unload inside a job");
    host_free(a->host);
    a->host = NULL;
    a->measure.on = false;
    worker_note_phase(a->worker, 0, NULL, NOTE_NONE);
    return worker_send(a->worker, message_new("unloaded"), error);
}

static bool serve(struct analyser *a, cJSON *message, struct error *error) {
    const char *type = json_string(message, "type", "");
    if (a->worker->role == WORKER_ANALYSE && a->host && strcmp(type, "analyse") == 0)
        return begin_job(a, message, error);
    bool good;
    if (a->worker->role == WORKER_ANALYSE && strcmp(type, "pcm") == 0)
        good = take_pcm(a, message, error);
    else if (a->worker->role == WORKER_ANALYSE && strcmp(type, "cancel") == 0)
        good = cancel_job(a, message, error);
    else if (a->measure.on && strcmp(type, "unload") == 0)
        good = unload(a, error);
    else
        good = error_set(error, "broken protocol: a message \"%.50s\" for this role", type);
    cJSON_Delete(message);
    return good;
}

static int end(struct analyser *a, int code, const struct error *error) {
    if (code != 0) fprintf(stderr, "sonde-worker: %s\n", error->text);
    if (a->busy) host_region_end(a->host);
    job_close(&a->job);
    for (size_t i = 0; i < a->stash_count; i++) cJSON_Delete(a->stash[i]);
    free(a->samples);
    free(a->shorts);
    free(a->planes);
    /* The host stays: plugins would only get a last chance to hang, and the process is about to end. */
    return code;
}

int analyser_run(struct worker *worker) {
    struct analyser a = {.worker = worker, .job.number = -1};
    struct error error = {0};
    struct host_hooks hooks = {
        .context = &a, .enter = on_enter, .leave = on_leave, .log = on_log, .cancelled = on_cancelled};
    if (json_bool(worker->settings, "measure", false)) {
        hooks.give = on_give;
        hooks.take = on_take;
    }
    a.host = host_new(&hooks, &error);
    if (a.host) measure_open(&a.measure, worker->settings, a.host);
    if (a.host && json_bool(worker->settings, "twins", false)) host_use_twins(a.host);
    if (!a.host || !load_all(&a, &error)) return end(&a, 1, &error);
    if (!worker_lock_down(worker, &error)) return end(&a, WORKER_EXIT_NO_RESPAWN, &error);
    if (!worker_send_ready(worker, NULL, &error)) return end(&a, 1, &error);
    for (cJSON *message; (message = next_message(&a)) != NULL;)
        if (!serve(&a, message, &error)) return end(&a, error.code == EPIPE ? 0 : 1, &error);
    return end(&a, 0, &error);
}
