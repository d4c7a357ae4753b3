/* Out of the catalogue's queue, when there is room for more files under way. */
#include "engine/catalogue/store_sweep.h"
#include "engine/schedule/state.h"

#include <stdlib.h>

#define WAIT_MAX 5.0 /* s that a run which doesn't stay waits for a file that was put back */

struct taking {
    struct engine *engine;
    struct store_job entries[TAKE_MAX];
    size_t max, n;
    enum queue_order order;
    int64_t attempts;
    double next; /* s until something is due, when nothing is now; -1: never */
};

static enum queue_order order_of(enum engine_order order) {
    return order == ENGINE_NEWEST     ? QUEUE_NEWEST
           : order == ENGINE_OLDEST   ? QUEUE_OLDEST
           : order == ENGINE_SMALLEST ? QUEUE_SMALLEST
                                      : QUEUE_ARRIVAL;
}

static bool take_entries(struct catalogue *catalogue, void *argument, struct error *error) {
    struct taking *taking = argument;
    for (size_t i = 0; i < taking->n; i++) store_job_free(&taking->entries[i]); /* of a run that was rolled back */
    taking->n = 0;
    taking->next = -1;
    return store_queue_take(catalogue, taking->order, taking->entries, taking->max, &taking->n, error) &&
           (taking->n > 0 || store_queue_next(catalogue, taking->attempts, &taking->next, error));
}

static void on_due(uv_timer_t *timer) {
    struct engine *engine = timer->data;
    engine->due = false;
    engine->queue_empty = false;
    engine_wake(engine);
}

static void wait_for_due(struct engine *engine, double seconds) {
    if (seconds < 0 || engine->stopping || (!engine->options.stay && seconds > WAIT_MAX)) return;
    engine->due = true;
    (void)uv_timer_start(&engine->due_timer, on_due, (uint64_t)(seconds * 1000) + 100, 0);
}

/* Nothing waits and nothing is under way: what was counted as still to come, and then went away, or was analysed together with
 * what it had changed from, comes no more. */
static void settle_total(struct engine *engine) {
    struct engine_progress *progress = &engine->progress;
    if (!engine->options.stay || engine->files_count > 0 || progress->files_total == progress->files_done) return;
    progress->files_total = progress->files_done;
    engine_changed(engine);
}

static void on_taken(void *argument, const struct error *error) {
    struct taking *taking = argument;
    struct engine *engine = taking->engine;
    engine->taking = false;
    if (error) engine_fail(engine, error);
    if (taking->n == 0 && !error) {
        engine->queue_empty = true;
        if (taking->next < 0) settle_total(engine);
        wait_for_due(engine, taking->next);
    }
    for (size_t i = 0; i < taking->n; i++) {
        if (!error && file_new(engine, &taking->entries[i])) continue;
        store_job_free(&taking->entries[i]);
    }
    free(taking);
    engine_wake(engine);
}

static size_t files_wanted(const struct engine *engine) {
    return FILES_AHEAD + 4 * (size_t)engine->options.jobs;
}

void take_pump(struct engine *engine) {
    size_t wanted = files_wanted(engine), here = engine->files_count - file_count_guests(engine);
    if (engine->taking || engine->queue_empty || engine->stopping || engine->draining || engine_held(engine) ||
        here > wanted / 2 + 1)
        return;
    struct taking *taking = calloc(1, sizeof *taking);
    if (taking) {
        *taking = (struct taking){.engine = engine,
                                  .order = order_of(engine->options.order),
                                  .attempts = engine->options.stay ? INT32_MAX : ATTEMPTS_MAX};
        taking->max = wanted - here < TAKE_MAX ? wanted - here : TAKE_MAX;
        engine->taking = writer_post(engine->writer, take_entries, taking, on_taken);
        if (engine->taking) return;
        free(taking);
    }
    engine_fail_memory(engine);
}
