/* Tasks: what somebody asks of a running engine, before everything else that waits, and follows to its end.
 *
 *     struct engine_task *task = engine_task_new(engine, &spec);
 *     engine_task_add(task, path, n);        any number
 *     engine_task_begin(task);               `over` is called when all of it is done
 *     engine_task_free(task);                also before that: the work goes on, and nobody follows it
 *
 * Loop thread. A task that isn't over when engine_run returns never will be: its files stay queued in the catalogue. */
#ifndef SONDE_SCHEDULE_TASK_H
#define SONDE_SCHEDULE_TASK_H

#include "engine/schedule/engine.h"

enum engine_task_kind {
    ENGINE_TASK_ANALYSE, /* the paths, as engine_add_path takes them, without asking `wanted` */
    ENGINE_TASK_SWEEP,   /* as engine_sweep */
    ENGINE_TASK_STALE,   /* files below the paths (without paths: all) that were analysed, but not with today's plugins,
                          * versions, parameters, weights or segmenter: only what that changes is done again */
};

struct engine_task_spec {
    enum engine_task_kind kind;
    bool force, retry; /* as in engine_options */
    bool background;   /* behind new files, instead of before them */
    void (*file_finished)(void *user, const struct engine_file *file);
    void (*over)(void *user); /* may free the task */
    void *user;
};

struct engine_task;

struct engine_task *engine_task_new(struct engine *engine,
                                    const struct engine_task_spec *spec);   /* NULL: out of memory */
bool engine_task_add(struct engine_task *task, const char *path, size_t n); /* false: out of memory */
void engine_task_begin(struct engine_task *task);
/* The files of this task, and what is done of those that are under way. */
void engine_task_progress(const struct engine_task *task, struct engine_progress *out);
void engine_task_free(struct engine_task *task); /* NULL is fine */

#endif
