#include "engine/schedule/task.h"

#include "engine/catalogue/store_sweep.h"
#include "engine/schedule/state.h"

#include <stdlib.h>
#include <string.h>

#define STALE_AT_ONCE 500 /* files put into the queue in one piece of the writer's work */

/* Held by its owner, by each of its paths that waits for its walk, and by what is on its way through other threads. */
struct engine_task {
    struct engine *engine;
    struct engine_task *next;
    struct engine_task_spec spec;
    unsigned references;
    bool followed; /* its owner hasn't freed it */
    bool begun, told;
    struct ids waiting; /* files that aren't done yet */
    struct engine_progress progress;
};

/* A piece of looking for stale files, on its way through the writer. */
struct stale {
    struct engine_task *task;
    char profile[HASH_TEXT];
    int64_t after, files[STALE_AT_ONCE];
    size_t n;
    char folder[];
};

static void tell_over(struct engine_task *task) {
    /* The paths hold a reference each, the owner one. */
    if (!task->begun || task->told || !task->followed || task->references > 1 || task->waiting.count > 0) return;
    task->told = true;
    if (task->spec.over) task->spec.over(task->spec.user);
}

void task_ref(struct engine_task *task) {
    task->references++;
}

void task_unref(struct engine_task *task) {
    if (--task->references > 0) {
        tell_over(task);
        return;
    }
    for (struct engine_task **at = &task->engine->tasks; *at; at = &(*at)->next) {
        if (*at != task) continue;
        *at = task->next;
        break;
    }
    ids_clear(&task->waiting);
    free(task);
}

static void tell_file(struct engine_task *task, const struct engine_file *file) {
    struct engine_progress *progress = &task->progress;
    progress->files_done++;
    progress->files_known += file->known;
    progress->files_failed += strcmp(file->status, "failed") == 0 || strcmp(file->status, "missing") == 0;
    progress->regions_done += file->known ? 0 : file->regions;
    progress->results_failed += file->results_failed;
    progress->results_unrun += file->results_unrun;
    progress->audio_done += file->known ? 0 : file->duration;
    progress->audio_total = progress->audio_done;
    if (task->followed && task->spec.file_finished) task->spec.file_finished(task->spec.user, file);
}

void task_file_known(struct engine_task *task, const struct engine_file *file) {
    task->progress.files_total++;
    tell_file(task, file);
}

void task_file_queued(struct engine_task *task, int64_t file) {
    if (ids_has(&task->waiting, file)) return;
    if (ids_add(&task->waiting, file))
        task->progress.files_total++; /* else it will be analysed, and nobody hears of it */
}

void task_file_over(struct engine *engine, int64_t file, const struct engine_file *event) {
    for (struct engine_task *task = engine->tasks, *next = NULL; task; task = next) {
        next = task->next;
        if (!ids_remove(&task->waiting, file)) continue;
        task_ref(task); /* its owner may free it */
        tell_file(task, event);
        task_unref(task);
    }
}

/* ------------------------------------------------------------------------------------------------------------- stale */

static bool queue_stale(struct catalogue *catalogue, void *argument, struct error *error) {
    struct stale *stale = argument;
    int64_t priority = stale->task->spec.background ? PRIORITY_AGAIN : PRIORITY_ASKED;
    return store_queue_stale(catalogue, stale->folder, stale->profile, priority, stale->after, stale->files,
                             STALE_AT_ONCE, &stale->n, error);
}

static void on_stale_queued(void *argument, const struct error *error) {
    struct stale *stale = argument;
    struct engine_task *task = stale->task;
    struct engine *engine = task->engine;
    if (error) engine_fail(engine, error);
    for (size_t i = 0; i < stale->n && !error; i++) task_file_queued(task, stale->files[i]);
    if (stale->n > 0) {
        engine->queue_empty = false;
        engine->progress.files_total += stale->n;
        stale->after = stale->files[stale->n - 1];
    }
    engine_changed(engine);
    engine_wake(engine);
    if (!error && stale->n == STALE_AT_ONCE && writer_post(engine->writer, queue_stale, stale, on_stale_queued)) return;
    free(stale);
    task_unref(task);
}

static bool begin_stale(struct engine_task *task, const char *path, size_t n) {
    const struct engine *engine = task->engine;
    struct stale *stale = calloc(1, sizeof *stale + n + 1);
    if (!stale) return false;
    stale->task = task;
    memcpy(stale->profile, engine->profile, sizeof stale->profile);
    memcpy(stale->folder, path, n);
    if (!writer_post(engine->writer, queue_stale, stale, on_stale_queued)) {
        free(stale);
        return false;
    }
    task_ref(task);
    return true;
}

/* ------------------------------------------------------------------------------------------------------------ owner's */

struct engine_task *engine_task_new(struct engine *engine, const struct engine_task_spec *spec) {
    struct engine_task *task = calloc(1, sizeof *task);
    if (!task) return NULL;
    *task = (struct engine_task){
        .engine = engine, .next = engine->tasks, .spec = *spec, .references = 1, .followed = true};
    engine->tasks = task;
    return task;
}

bool engine_task_add(struct engine_task *task, const char *path, size_t n) {
    const struct engine_task_spec *spec = &task->spec;
    if (spec->kind == ENGINE_TASK_STALE) return begin_stale(task, path, n);
    const struct intent intent = {.task = task,
                                  .force = spec->force,
                                  .retry = spec->retry,
                                  .sweep = spec->kind == ENGINE_TASK_SWEEP,
                                  .priority = spec->background ? PRIORITY_NEW : PRIORITY_ASKED};
    return intake_add(task->engine, path, n, &intent);
}

void engine_task_begin(struct engine_task *task) {
    task->begun = true;
    task_ref(task);
    task_unref(task); /* there may be nothing to do */
}

void engine_task_progress(const struct engine_task *task, struct engine_progress *out) {
    *out = task->progress;
    for (const struct file *file = task->engine->files; file; file = file->next) {
        if (!file_is_under_way(file) || !ids_has(&task->waiting, file->entry.file)) continue;
        out->files_under_way++;
        out->regions_done += file->regions_done;
        out->audio_done += file->work_done;
        out->audio_total += file->work;
    }
    out->counting = task->references > 1;
}

void engine_task_free(struct engine_task *task) {
    if (!task) return;
    task->followed = false;
    task_unref(task);
}
