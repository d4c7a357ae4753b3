#include "engine/schedule/state.h"

#include "engine/base/json.h"
#include "engine/base/text.h"
#include "engine/ipc/channel.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PROGRESS_MS    100
#define ERRAND_THREADS 4
#define LIBRARIES                                                                                                      \
    "/etc/ld.so.cache" /* the loader's list of them: made anew when one is installed, changed or removed */

void engine_options_init(struct engine_options *options) {
    *options = (struct engine_options){
        .byte_budget = (uint64_t)96 << 20,
        .memory_limit = (uint64_t)1 << 30,
        .recycle_regions = 20000,
        .deadlines =
            {.open = 10, .hello = 10, .load = 60, .identify = 20, .decode = 60, .analyse = 30, .analyse_per_second = 2},
        .circuit_rest = BREAKER_COOL_DOWN,
        .profile = "full",
        .cpu_limit = 86400, /* a job's time is the deadline's business */
        .only_region = -1,
    };
}

/* ---------------------------------------------------------------------------------------------------------- telling */

void engine_wake(struct engine *engine) {
    engine->dirty = true;
}

void engine_changed(struct engine *engine) {
    engine->progress_changed = true;
}

void engine_fail(struct engine *engine, const struct error *error) {
    if (engine->failed) return;
    engine->failed = true;
    engine->failure = *error;
    engine_wake(engine);
}

void engine_fail_memory(struct engine *engine) {
    struct error error;
    error_memory(&error);
    engine_fail(engine, &error);
}

void engine_warn(struct engine *engine, const char *format, ...) {
    char sentence[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    /* It may name files, whose names are whatever somebody chose: commands to a terminal, bytes that are no text. */
    char *clean = text_display(sentence, strlen(sentence));
    if (clean && engine->events.warning) engine->events.warning(engine->user, clean);
    free(clean);
}

void engine_report_incident(struct engine *engine, const char *plugin, const struct blame *blame,
                            const struct file *file, bool strike) {
    engine->progress.incidents++;
    engine_changed(engine);
    struct engine_incident incident = {
        .plugin = plugin,
        .outcome = blame->from_outside ? "killed" : blame->outcome,
        .phase = blame->phase,
        .reason = blame->reason,
        .path = file ? file->display : NULL,
        .path_hex = file ? file->path_hex : NULL,
        .strike = strike,
    };
    if (engine->events.incident) engine->events.incident(engine->user, &incident);
}

static void tell_progress(struct engine *engine) {
    if (!engine->progress_changed || !engine->events.progress) return;
    engine->progress_changed = false;
    struct engine_progress progress;
    engine_progress(engine, &progress);
    engine->events.progress(engine->user, &progress);
}

void engine_progress(const struct engine *engine, struct engine_progress *out) {
    *out = engine->progress;
    for (const struct file *file = engine->files; file; file = file->next)
        out->files_under_way += file_is_under_way(file);
    out->counting = engine->running && engine->walk && !intake_is_over(engine);
}

/* ------------------------------------------------------------------------------------------------------- pools' events */

static void on_available(void *context, struct pool *pool) {
    (void)pool;
    engine_wake(context);
}

static void on_message(void *context, struct seat *seat, const char *type, cJSON *message) {
    (void)context;
    struct job *job = seat->job;
    if (!job) return; /* its job was dropped, and it is about to die */
    if (json_integer(message, "job", 0) != job->id || json_integer(message, "nonce", 0) != job->nonce) {
        if (++seat->strays > STRAYS_MAX)
            worker_break_protocol(seat->worker, "it answers again and again what it wasn't asked");
    } else if (job->kind == JOB_SCAN)
        scan_message(job, type, message);
    else if (seat == job->reader)
        reading_message(job, type, message);
    else
        job_message(job, type, message);
}

/* What a library was when it was probed it must still be: its hash is part of every result's identity. A copy doesn't change,
 * but what it needs of the system may: then what is remembered of it is wrong. */
static void on_loading(void *context, struct seat *seat, const char *type, const cJSON *message) {
    const struct engine *engine = context;
    const char *path = json_string(message, "path", ""), *hash = json_string(message, "hash", "");
    for (size_t i = 0; strcmp(type, "library") == 0 && i < engine->registry->libraries_count; i++) {
        const struct registry_library *library = &engine->registry->libraries[i];
        if (!library->copy.path || strcmp(library->copy.path, path) != 0 || strcmp(library->hash, hash) == 0) continue;
        bool changed = strcmp(json_string(message, "outcome", ""), "ok") == 0;
        char sentence[600];
        (void)snprintf(sentence, sizeof sentence, "was ended, for %.200s %s%.300s", library->path,
                       changed ? "has changed since it was looked at: start sonde again" : "can't be loaded any more: ",
                       changed ? "" : json_string(message, "reason", "no reason given"));
        probe_cache_forget(engine->cache_folder, library->path);
        worker_kill(seat->worker, WORKER_KILL_PROTOCOL, sentence);
    }
}

static void on_died(void *context, struct seat *seat, const struct worker_death *death, const struct blame *blame) {
    struct job *job = seat->job;
    engine_wake(context);
    if (!job) return;
    if (job->kind == JOB_SCAN)
        scan_died(job, death, blame);
    else if (seat == job->reader)
        reading_died(job, death, blame);
    else
        job_died(job, death, blame);
}

static void on_died_idle(void *context, struct pool *pool, const struct worker_death *death,
                         const struct blame *blame) {
    struct engine *engine = context;
    (void)pool;
    record_incident(engine, death, blame, NULL, NULL, NULL, NULL, false);
    engine_wake(engine);
}

static void on_pool_closed(void *context, struct pool *pool, const char *sentence) {
    struct engine *engine = context;
    if (pool_owner(pool)) {
        if (engine->events.plugin_problem) engine->events.plugin_problem(engine->user, pool_name(pool), sentence);
    } else {
        struct error error;
        error_set(&error, "the decoder cannot be started: %.400s", sentence);
        engine_fail(engine, &error);
    }
    engine_wake(engine);
}

static void on_often(void *context, struct pool *pool, unsigned deaths, double seconds) {
    engine_warn(context, "workers of %s die often: more than %u within %.0f s (sonde incidents)", pool_name(pool),
                deaths, seconds);
}

static void on_started(void *context, struct pool *pool, int64_t pid) {
    const struct engine *engine = context;
    if (engine->options.debugger && pool_owner(pool) && engine->events.worker_waits)
        engine->events.worker_waits(engine->user, pool_name(pool), pid);
}

static const struct pool_events pool_calls = {
    .started = on_started,
    .available = on_available,
    .message = on_message,
    .loading = on_loading,
    .died = on_died,
    .died_idle = on_died_idle,
    .closed = on_pool_closed,
    .often = on_often,
};

/* --------------------------------------------------------------------------------------------------------- starting up */

static bool learn_plugins(struct engine *engine, struct probe_report *report, struct error *error) {
    struct discovery discovery = {
        .loop = &engine->loop, .folder = engine->folder.path, .numbers = &engine->worker_numbers};
    engine->registry = discovery_learn(&discovery, &engine->options, report, error);
    if (!engine->registry) return false;
    (void)snprintf(engine->build, sizeof engine->build, "%s", report->build);
    (void)snprintf(engine->dsp, sizeof engine->dsp, "%s", report->dsp);
    if (!discovery_check_params(engine->registry, engine->params, engine->events.plugin_problem, engine->user, error))
        return false;
    discovery_problems(engine->registry, engine->events.plugin_problem, engine->user);
    size_t usable = 0;
    for (size_t i = 0; i < engine->registry->plugins_count; i++)
        usable += engine->registry->plugins[i].enabled && !engine->registry->plugins[i].unmet;
    if (usable == 0) return error_set(error, "there is no plugin that could be used");
    engine->plugins = calloc(engine->registry->plugins_count, sizeof *engine->plugins);
    for (size_t i = 0; engine->plugins && i < engine->registry->plugins_count; i++)
        engine->plugins[i].breaker.cool_down = engine->options.circuit_rest;
    return engine->plugins || error_memory(error);
}

/* What decoders can load, FFmpeg's libraries among others. */
static void hash_libraries(struct hash *hash) {
    struct stat st = {0};
    (void)stat(LIBRARIES, &st);
    hash_add(hash, &st.st_size, sizeof st.st_size);
    hash_add(hash, &st.st_mtim, sizeof st.st_mtim);
}

/* All that decides which results a file should have; a file finished under the same profile has nothing to do. One that failed
 * is tried again also by another version of the decoders, or when they have other libraries. */
static bool make_profile(struct engine *engine, struct error *error) {
    struct hash *hash = hash_new();
    char *segment = cJSON_PrintUnformatted(engine->segment);
    if (hash && segment) {
        hash_add_text(hash, engine->dsp);
        hash_add_text(hash, segment);
        registry_hash(engine->registry, hash);
        hash_text(hash, engine->profile);
        hash_add_text(hash, engine->build);
        hash_libraries(hash);
        hash_text(hash, engine->failed_profile);
    }
    bool ok = hash && segment;
    cJSON_free(segment);
    hash_free(hash);
    return ok || error_memory(error);
}

static struct pool *make_pool(struct engine *engine, const char *name, const char *role, struct group *group,
                              cJSON *settings, struct error *error) {
    const struct engine_options *options = &engine->options;
    if (!settings) {
        error_memory(error);
        return NULL;
    }
    struct pool_spec spec = {
        .loop = &engine->loop,
        .name = name,
        .binary = engine->worker_binary,
        .role = role,
        .folder = engine->folder.path,
        .settings = settings,
        .workers = options->jobs,
        .hello_deadline = options->deadlines.hello,
        .load_deadline = options->deadlines.load,
        .memory_limit = options->memory_limit,
        .jobs_per_worker = options->recycle_regions,
        .numbers = &engine->worker_numbers,
        .events = &pool_calls,
        .context = engine,
        .owner = group,
    };
    return pool_new(&spec, error);
}

static struct pool *make_decoders(struct engine *engine, bool ffmpeg, struct error *error) {
    cJSON *settings = cJSON_Duplicate(engine->settings, true);
    if (settings &&
        (!cJSON_AddArrayToObject(settings, "read_paths") || !cJSON_AddBoolToObject(settings, "ffmpeg", ffmpeg))) {
        cJSON_Delete(settings);
        settings = NULL;
    }
    return make_pool(engine, ffmpeg ? "decoder with FFmpeg" : "decoder", "decode", NULL, settings, error);
}

static bool make_pools(struct engine *engine, struct error *error) {
    const struct registry *registry = engine->registry;
    for (int ffmpeg = 0; ffmpeg < 2; ffmpeg++)
        if (!(engine->decoders[ffmpeg] = make_decoders(engine, ffmpeg, error))) return false;
    engine->groups = calloc(registry->groups_count + 1, sizeof *engine->groups);
    if (!engine->groups) return error_memory(error);
    for (size_t i = 0; i < registry->groups_count; i++) {
        engine->groups[i] = (struct group){.engine = engine, .index = i};
        if (registry->groups[i].plugins_count == 0) continue;
        cJSON *settings = cJSON_Duplicate(engine->settings, true);
        bool ok = settings && (!engine->options.debugger || cJSON_AddTrueToObject(settings, "debugger"));
        if (settings &&
            (!probe_add_libraries(settings, registry_group_libraries(registry, i, engine->params)) || !ok)) {
            cJSON_Delete(settings);
            settings = NULL;
        }
        engine->groups[i].pool = make_pool(engine, registry->groups[i].name, "analyse", &engine->groups[i], settings,
                                           error);
        if (!engine->groups[i].pool) return false;
    }
    return true;
}

/* ------------------------------------------------------------------------------------------------------------- running */

static void on_stop(uv_async_t *async) {
    struct engine *engine = async->data;
    engine->stopping = true;
    engine_wake(engine);
}

static void on_progress(uv_timer_t *timer) {
    hold_tick(timer->data);
    tell_progress(timer->data);
}

/* Lets go of everything under way; what is on its way through the writer or an errand comes back by itself. */
static void wind_up(struct engine *engine) {
    while (engine->jobs) job_drop(engine->jobs, "the engine ends");
    for (struct file *file = engine->files, *next = NULL; file; file = next) {
        next = file->next;
        if (file->stage == STAGE_SCANNING && file->decoder) {
            worker_kill(file->decoder->worker, WORKER_KILL_UNWANTED, "the engine ends");
            continue; /* scan_died puts it back to be opened */
        }
        bool elsewhere = file->stage == STAGE_OPENING || file->stage == STAGE_STORING || file->stage == STAGE_LOOKING ||
                         file->stage == STAGE_FINISHING || file->jobs > 0;
        if (elsewhere) continue;
        if (engine->failed)
            file_free(file);
        else
            file_put_back(file, 0);
    }
}

static void on_prepare(uv_prepare_t *prepare) {
    struct engine *engine = prepare->data;
    while (engine->dirty) {
        engine->dirty = false;
        if (engine->stopping || engine->failed) {
            wind_up(engine);
            continue;
        }
        if (!engine_held(engine)) analysis_pump(engine);
        reading_pump(engine);
        file_pump(engine);
        intake_pump(engine);
    }
}

/* Whether all that is still under way waits for the writer alone. */
static bool only_writes(const struct engine *engine) {
    for (const struct file *file = engine->files; file; file = file->next)
        if (file->stage == STAGE_OPENING || file->stage == STAGE_SCANNING || file->stage == STAGE_LOOKING) return false;
    return !engine->jobs;
}

static bool is_over(const struct engine *engine) {
    /* A catalogue that can't be written to might keep us for ever: engine_free makes the writer give up, and what it drops is still
     * in the queue. */
    if ((engine->stopping || engine->failed) && engine->unwritable) return !engine->dirty && only_writes(engine);
    if (engine->files_count > 0) return false;
    if (engine->stopping || engine->failed) return !engine->taking;
    if (engine->draining) return !engine->taking && writer_pending(engine->writer) == 0;
    if (engine->options.stay) return false;
    return intake_is_over(engine) && !engine->due && writer_pending(engine->writer) == 0;
}

bool engine_run(struct engine *engine, struct error *error) {
    engine->running = true;
    engine->queue_empty = false;
    engine_wake(engine);
    (void)uv_prepare_start(&engine->prepare, on_prepare);
    (void)uv_timer_start(&engine->progress_timer, on_progress, PROGRESS_MS, PROGRESS_MS);
    hold_begin(engine);
    on_prepare(&engine->prepare);
    while (!is_over(engine)) (void)uv_run(&engine->loop, UV_RUN_ONCE);
    (void)uv_prepare_stop(&engine->prepare);
    (void)uv_timer_stop(&engine->progress_timer);
    (void)uv_timer_stop(&engine->due_timer);
    engine->due = false;
    (void)uv_timer_stop(&engine->circuit_timer);
    hold_end(engine);
    engine->running = false;
    engine->progress_changed = true;
    tell_progress(engine);
    engine->stopping = false;
    if (!engine->failed) return true;
    if (error) *error = engine->failure;
    return false;
}

void engine_stop(struct engine *engine) {
    (void)uv_async_send(&engine->stop_async);
}

struct uv_loop_s *engine_loop(struct engine *engine) {
    return &engine->loop;
}

const char *engine_profile(const struct engine *engine) {
    return engine->profile;
}

/* -------------------------------------------------------------------------------------------------------- coming, going */

static bool open_loop(struct engine *engine, struct error *error) {
    int status = uv_loop_init(&engine->loop);
    if (status != 0) return error_set(error, "no event loop: %s", uv_strerror(status));
    engine->loop_ready = true;
    status = uv_async_init(&engine->loop, &engine->stop_async, on_stop);
    if (status != 0) return error_set(error, "no event loop: %s", uv_strerror(status));
    (void)uv_timer_init(&engine->loop, &engine->progress_timer);
    (void)uv_timer_init(&engine->loop, &engine->due_timer);
    (void)uv_timer_init(&engine->loop, &engine->circuit_timer);
    (void)uv_timer_init(&engine->loop, &engine->drain_timer);
    (void)uv_timer_init(&engine->loop, &engine->disk_timer);
    (void)uv_prepare_init(&engine->loop, &engine->prepare);
    engine->stop_async.data = engine->progress_timer.data = engine->due_timer.data = engine->prepare.data = engine;
    engine->circuit_timer.data = engine->drain_timer.data = engine->disk_timer.data = engine;
    engine->handles = 7;
    return true;
}

static bool start(struct engine *engine, struct catalogue **catalogue, struct probe_report *report,
                  struct error *error) {
    const struct engine_options *options = &engine->options;
    *catalogue = catalogue_open(options->catalogue, CATALOGUE_WRITE, error);
    if (!*catalogue || !hold_open(engine, *catalogue, error) || !run_folder_open(&engine->folder, error)) return false;
    engine->folder_open = true;
    if (!learn_plugins(engine, report, error) || !make_profile(engine, error) || !make_pools(engine, error))
        return false;
    engine->errands = errands_new(&engine->loop, ERRAND_THREADS, error);
    if (!engine->errands) return false;
    engine->opener = opener_new(engine->errands, options->deadlines.open, error);
    if (!engine->opener) return false;
    struct catalogue *given = *catalogue;
    *catalogue = NULL;
    return run_open(engine, given, report->sandbox, error);
}

/* The caller's strings need not outlive engine_new. */
static void forget_options(struct engine_options *options) {
    options->catalogue = options->worker = options->params_json = options->segment_json = options->profile = NULL;
    options->libraries = NULL;
    options->rankings = NULL;
    options->probe_cache = NULL;
    options->only = options->disabled = NULL;
}

struct engine *engine_new(const struct engine_options *options, const struct engine_events *events, void *user,
                          struct error *error) {
    struct engine *engine = calloc(1, sizeof *engine);
    if (!engine) {
        error_memory(error);
        return NULL;
    }
    engine->options = *options;
    if (engine->options.jobs == 0) {
        long processors = sysconf(_SC_NPROCESSORS_ONLN);
        engine->options.jobs = processors > 0 && processors < 256 ? (unsigned)processors : 2;
    }
    engine->events = *events;
    engine->user = user;
    engine->files_end = &engine->files;
    chunks_init(&engine->chunks, options->byte_budget);
    struct catalogue *catalogue = NULL;
    struct probe_report report = {0};
    engine->worker_binary = strdup(options->worker);
    engine->cache_folder = options->probe_cache ? strdup(options->probe_cache) : NULL;
    bool ok = engine->worker_binary && (engine->cache_folder || !options->probe_cache) ? open_loop(engine, error)
                                                                                       : error_memory(error);
    engine->settings = discovery_settings(options);
    ok = ok && (engine->settings || error_memory(error)) &&
         discovery_object(options->params_json, "the plugins' parameters", &engine->params, error) &&
         discovery_object(options->segment_json, "the segmenter's parameters", &engine->segment, error) &&
         start(engine, &catalogue, &report, error);
    cJSON_free(report.sandbox);
    if (catalogue) catalogue_close(catalogue);
    forget_options(&engine->options);
    if (ok) return engine;
    engine_free(engine);
    return NULL;
}

bool engine_path_moved(struct engine *engine, const char *from, const char *to, bool folder) {
    return intake_tell(engine, from, to, folder);
}

bool engine_path_gone(struct engine *engine, const char *path, bool folder) {
    return intake_tell(engine, path, NULL, folder);
}

bool engine_owns(const struct engine *engine, const char *path) {
    return catalogue_owns(engine->catalogue_path, path);
}

bool engine_add_path(struct engine *engine, const char *path, size_t n) {
    const struct intent intent = {.priority = PRIORITY_NEW};
    return intake_add(engine, path, n, &intent);
}

bool engine_sweep(struct engine *engine, const char *path, size_t n) {
    const struct intent intent = {.priority = PRIORITY_NEW, .sweep = true};
    return intake_add(engine, path, n, &intent);
}

bool engine_write(struct engine *engine, writer_function function, void *argument, writer_done done) {
    return writer_post(engine->writer, function, argument, done);
}

void engine_plugin_reset(struct engine *engine, const char *plugin) {
    size_t index = registry_find(engine->registry, plugin);
    if (index < engine->registry->plugins_count) breaker_reset(&engine->plugins[index].breaker);
}

static void on_handle_closed(uv_handle_t *handle) {
    struct engine *engine = handle->data;
    engine->closing--;
}

static void on_part_closed(void *context) {
    struct engine *engine = context;
    engine->closing--;
}

struct ending {
    struct engine *engine;
    const char *outcome;
};

static bool end_run(struct catalogue *catalogue, void *argument, struct error *error) {
    const struct ending *ending = argument;
    return store_run_end(catalogue, ending->engine->run, ending->outcome, error);
}

void engine_free(struct engine *engine) {
    if (!engine) return;
    struct ending ending = {.engine = engine, .outcome = engine->failed ? "failed" : "ended"};
    for (int i = 0; i < 2; i++)
        if (engine->decoders[i]) engine->closing++, pool_free(engine->decoders[i], on_part_closed, engine);
    for (size_t i = 0; engine->groups && i < engine->registry->groups_count; i++)
        if (engine->groups[i].pool) engine->closing++, pool_free(engine->groups[i].pool, on_part_closed, engine);
    while (engine->closing > 0) (void)uv_run(&engine->loop, UV_RUN_ONCE);
    if (engine->errands) engine->closing++, errands_free(engine->errands, on_part_closed, engine);
    if (engine->writer) {
        if (engine->run != 0) (void)writer_post(engine->writer, end_run, &ending, NULL);
        engine->closing++;
        writer_stop(engine->writer, true, on_part_closed, engine);
    }
    while (engine->closing > 0) (void)uv_run(&engine->loop, UV_RUN_ONCE);
    if (engine->handles > 0) {
        uv_handle_t *handles[] = {(uv_handle_t *)&engine->stop_async,    (uv_handle_t *)&engine->progress_timer,
                                  (uv_handle_t *)&engine->due_timer,     (uv_handle_t *)&engine->prepare,
                                  (uv_handle_t *)&engine->circuit_timer, (uv_handle_t *)&engine->drain_timer,
                                  (uv_handle_t *)&engine->disk_timer};
        for (size_t i = 0; i < sizeof handles / sizeof *handles; i++) {
            engine->closing++;
            uv_close(handles[i], on_handle_closed);
        }
        while (engine->closing > 0) (void)uv_run(&engine->loop, UV_RUN_ONCE);
    }
    while (engine->files) file_free(engine->files);
    if (engine->loop_ready) channel_close_loop(&engine->loop);
    if (engine->folder_open) run_folder_close(&engine->folder);
    intake_free(engine);
    while (engine->sweeping) sweep_free(engine->sweeping);
    opener_free(engine->opener);
    registry_free(engine->registry);
    cJSON_Delete(engine->settings);
    cJSON_Delete(engine->params);
    cJSON_Delete(engine->segment);
    free(engine->plugins);
    free(engine->groups);
    free(engine->worker_binary);
    free(engine->cache_folder);
    free(engine->catalogue_folder);
    free(engine->catalogue_path);
    free(engine);
}
