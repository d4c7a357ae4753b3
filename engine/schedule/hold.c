/* When nothing new is begun: a user's pause, the end that is near, a disk that is nearly full. And how fast it goes. */
#include "engine/base/path.h"
#include "engine/catalogue/store.h"
#include "engine/schedule/state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#define DISK_MS   2000
#define PACE_SPAN 240.0 /* s of work after which the past counts half */

/* ------------------------------------------------------------------------------------------------------------- holding */

/* A word on its way through the writer. */
struct pause {
    bool pause;
    struct engine *engine;
};

const char *engine_held(const struct engine *engine) {
    if (engine->draining) return NULL;
    if (engine->full[0]) return engine->full;
    return engine->paused ? "paused (sonde resume goes on)" : NULL;
}

bool engine_is_paused(const struct engine *engine) {
    return engine->paused;
}

bool engine_is_draining(const struct engine *engine) {
    return engine->draining;
}

static void tell(struct engine *engine, bool before) {
    const char *why = engine_held(engine);
    engine_wake(engine);
    if (engine->events.holding && (why || before)) engine->events.holding(engine->user, why);
}

/* The last word counts, however many are on their way to the writer. */
static bool keep_pause(struct catalogue *catalogue, void *argument, struct error *error) {
    return store_pause(catalogue, ((const struct pause *)argument)->pause, error);
}

static void on_pause_kept(void *argument, const struct error *error) {
    struct engine *engine = ((struct pause *)argument)->engine;
    if (error) engine_warn(engine, "the pause ends with this engine, for it can't be written down: %s", error->text);
    free(argument);
}

void engine_pause(struct engine *engine, bool pause) {
    if (engine->paused == pause) return;
    bool before = engine_held(engine) != NULL;
    struct pause *word = engine->options.stay ? malloc(sizeof *word) : NULL;
    engine->paused = pause;
    if (word) *word = (struct pause){pause, engine};
    if (word && !writer_post(engine->writer, keep_pause, word, on_pause_kept)) free(word);
    tell(engine, before);
}

static void on_drained_too_long(uv_timer_t *timer) {
    engine_stop(timer->data);
}

void engine_drain(struct engine *engine, double seconds) {
    if (!engine->draining) engine_wake(engine);
    engine->draining = true; /* also of what was held: it comes to its end */
    if (seconds > 0) (void)uv_timer_start(&engine->drain_timer, on_drained_too_long, (uint64_t)(seconds * 1000), 0);
}

/* ---------------------------------------------------------------------------------------------------------- disk space */

static void look_at_disk(uv_timer_t *timer) {
    struct engine *engine = timer->data;
    struct statvfs disk;
    bool before = engine_held(engine) != NULL, full = engine->full[0] != '\0';
    if (statvfs(engine->catalogue_folder, &disk) != 0) return;
    double free_bytes = (double)disk.f_bavail * (double)disk.f_frsize, least = (double)engine->options.min_free;
    if (!full && free_bytes < least) {
        (void)snprintf(engine->full, sizeof engine->full,
                       "only %.0f MB are free where the catalogue is, less than the %.0f that are to stay so"
                       " (engine.min_free): waiting for room",
                       free_bytes / 1e6, least / 1e6);
        tell(engine, before);
    } else if (full && free_bytes >= least + fmin(least / 10, 16e6)) { /* not on and off for every page */
        engine->full[0] = '\0';
        tell(engine, before);
    }
}

bool hold_open(struct engine *engine, const struct catalogue *catalogue, struct error *error) {
    engine->catalogue_folder = path_folder(catalogue_path(catalogue));
    engine->catalogue_path = strdup(catalogue_path(catalogue));
    return (engine->catalogue_folder && engine->catalogue_path) || error_memory(error);
}

void hold_begin(struct engine *engine) {
    engine->pace.last = (double)uv_now(&engine->loop) / 1000;
    if (engine->options.min_free == 0) return;
    look_at_disk(&engine->disk_timer);
    (void)uv_timer_start(&engine->disk_timer, look_at_disk, DISK_MS, DISK_MS);
    uv_unref((uv_handle_t *)&engine->disk_timer);
}

void hold_end(struct engine *engine) {
    (void)uv_timer_stop(&engine->disk_timer);
    (void)uv_timer_stop(&engine->drain_timer);
    engine->draining = false;
}

/* ---------------------------------------------------------------------------------------------------------------- pace */

void hold_note_file(struct engine *engine, const struct file *file) {
    engine->pace.files++;
    engine->pace.bytes += (double)file->stat.size;
    engine->pace.audio += file->duration;
}

void hold_tick(struct engine *engine) {
    struct pace *pace = &engine->pace;
    double now = (double)uv_now(&engine->loop) / 1000;
    if (engine->files_count > 0 && !engine_held(engine)) pace->busy += now - pace->last;
    pace->last = now;
    if (pace->busy < PACE_SPAN) return;
    pace->busy /= 2;
    pace->files /= 2;
    pace->bytes /= 2;
    pace->audio /= 2;
}

void engine_pace(const struct engine *engine, struct engine_pace *out) {
    const struct pace *pace = &engine->pace;
    *out = (struct engine_pace){0};
    if (pace->busy < 0.5) return;
    *out = (struct engine_pace){pace->files / pace->busy, pace->bytes / pace->busy, pace->audio / pace->busy};
}

void engine_looks(const struct engine *engine, struct engine_looks *out) {
    *out = engine->looks;
}
