/* Plugins that died too often (engine/supervise/breaker.h): they rest, their results are skipped; after a while one file tries
 * again, and when that goes well, what was skipped in the meantime goes back into the queue. */
#include "engine/schedule/state.h"

#include <stdlib.h>
#include <string.h>

static double now(void) {
    return (double)uv_hrtime() / 1e9;
}

/* What breakers tell contents apart by; never 0. */
static uint64_t content_mark(const struct file *file) {
    return (uint64_t)file->content + 1;
}

/* -------------------------------------------------------------------------------------------------- in the catalogue */

struct change {
    struct engine *engine;
    const char *plugin; /* of the registry */
    const char *state;  /* of the plugin from now on; NULL: as it was */
    const char *reason;
    int64_t most, queued; /* skipped files to take up again */
};

static bool store_change(struct catalogue *catalogue, void *argument, struct error *error) {
    struct change *change = argument;
    change->queued = 0;
    if (change->state && !store_plugin_state(catalogue, change->plugin, change->state, change->reason, error))
        return false;
    return change->most == 0 ||
           store_queue_skipped(catalogue, change->plugin, CIRCUIT_OPEN, change->most, &change->queued, error);
}

static void on_changed(void *argument, const struct error *error) {
    struct change *change = argument;
    struct engine *engine = change->engine;
    if (error) engine_fail(engine, error);
    if (!error && change->queued > 0) {
        engine->progress.files_total += (uint64_t)change->queued;
        engine->queue_empty = false;
        engine_changed(engine);
        engine_wake(engine);
    }
    free(change);
}

static void post(struct engine *engine, size_t plugin, const char *state, const char *reason, int64_t most) {
    struct change *change = calloc(1, sizeof *change);
    if (change) {
        *change = (struct change){engine, engine->registry->plugins[plugin].id, state, reason, most, 0};
        if (writer_post(engine->writer, store_change, change, on_changed)) return;
        free(change);
    }
    engine_fail_memory(engine);
}

/* ------------------------------------------------------------------------------------------------------------ resting */

static void on_rested(uv_timer_t *timer);

/* The timer runs until the plugin that has rested the longest may try again. */
static void wait_for_rest(struct engine *engine) {
    double first = -1;
    for (size_t i = 0; i < engine->registry->plugins_count; i++) {
        const struct breaker *breaker = &engine->plugins[i].breaker;
        if (breaker->state != BREAKER_OPEN || engine->plugins[i].isolated) continue;
        double left = breaker->opened + breaker->cool_down - now();
        if (first < 0 || left < first) first = left > 0 ? left : 0;
    }
    if (first >= 0) (void)uv_timer_start(&engine->circuit_timer, on_rested, (uint64_t)(first * 1000) + 1, 0);
}

/* Takes up one skipped file for each plugin that has rested: it is the trial. Without one, the next new file will be. */
static void on_rested(uv_timer_t *timer) {
    struct engine *engine = timer->data;
    if (engine->stopping || engine->failed) return;
    for (size_t i = 0; i < engine->registry->plugins_count; i++) {
        struct breaker *breaker = &engine->plugins[i].breaker;
        if (breaker->state == BREAKER_OPEN && !engine->plugins[i].isolated && breaker_allows(breaker, now()))
            post(engine, i, NULL, NULL, 1);
    }
    wait_for_rest(engine);
}

/* A bundled plugin moves into a process of its own, others rest. */
static void open_circuit(struct engine *engine, size_t index) {
    const struct registry_plugin *plugin = &engine->registry->plugins[index];
    if (plugin->third_party) {
        engine_warn(engine, "%s has died too often: its circuit is open, it rests for %.3g s", plugin->id,
                    engine->options.circuit_rest);
        post(engine, index, "open", "it has died too often: it rests, and then tries again", 0);
        wait_for_rest(engine);
    } else if (!engine->plugins[index].isolated) {
        engine->plugins[index].isolated = true;
        engine_warn(engine, "%s has died too often: it runs in a process of its own from now on", plugin->id);
    }
}

void circuit_died(struct engine *engine, size_t plugin, const struct file *file) {
    if (breaker_note(&engine->plugins[plugin].breaker, true, content_mark(file), now())) open_circuit(engine, plugin);
}

void circuit_survived(struct engine *engine, size_t plugin, const struct file *file) {
    struct breaker *breaker = &engine->plugins[plugin].breaker;
    bool trial = breaker->trying;
    (void)breaker_note(breaker, false, content_mark(file), now());
    if (!trial || breaker->state != BREAKER_CLOSED || engine->plugins[plugin].isolated) return;
    engine_warn(engine, "%s works again: what was skipped meanwhile is taken up", engine->registry->plugins[plugin].id);
    post(engine, plugin, "ready", NULL, INT64_MAX);
}

bool circuit_allows(struct engine *engine, size_t plugin) {
    return engine->plugins[plugin].isolated || breaker_allows(&engine->plugins[plugin].breaker, now());
}
