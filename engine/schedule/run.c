/* The record of a run in the catalogue, and the writer that all else goes through. */
#include "engine/base/text.h"
#include "engine/schedule/state.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct beginning {
    struct engine *engine;
    const char *sandbox;
    struct queue_counts counts;
    bool done, paused;
    struct error error;
};

/* Of those that this run was not asked for (--only) everything stays as the last whole run has left it. */
static bool store_plugins(struct catalogue *catalogue, const struct registry *registry, struct error *error) {
    const char **ids = calloc(registry->plugins_count + 1, sizeof *ids);
    size_t n = 0;
    bool ok = ids ? true : error_memory(error);
    for (size_t i = 0; ok && i < registry->plugins_count; i++) {
        const struct registry_plugin *plugin = &registry->plugins[i];
        if (registry_find(registry, plugin->id) != i) continue; /* its id belongs to another */
        if (strncmp(plugin->reason, "not asked for", 13) == 0) {
            ids[n++] = plugin->id;
            continue;
        }
        const char *path = registry->libraries[plugin->library].path;
        char *library = text_display(path, strlen(path));
        bool disabled = strncmp(plugin->reason, "disabled", 8) == 0;
        struct store_plugin about = {
            .plugin = plugin->id,
            .version = plugin->version,
            .library = library,
            .hash = registry->libraries[plugin->library].hash,
            .descriptor = plugin->descriptor_text,
            .schema = plugin->schema_text,
            .bundled = !plugin->third_party,
            .enabled = plugin->enabled,
            .state = disabled                                           ? "disabled"
                     : plugin->enabled && plugin->stands_by != SIZE_MAX ? "standby"
                     : plugin->enabled && !plugin->unmet                ? "ready"
                                                                        : "refused",
            .reason = plugin->reason[0] ? plugin->reason : NULL,
        };
        if (about.enabled) ids[n++] = plugin->id;
        ok = library ? store_plugin(catalogue, &about, error) : error_memory(error);
        free(library);
    }
    ok = ok && store_plugins_only(catalogue, ids, n, error);
    free(ids);
    return ok;
}

static bool begin_run(struct catalogue *catalogue, void *argument, struct error *error) {
    struct beginning *beginning = argument;
    struct engine *engine = beginning->engine;
    char host[128] = "";
    int64_t recovered = 0;
    (void)gethostname(host, sizeof host - 1);
    struct store_run about = {.version = engine->build,
                              .host = host,
                              .command = engine->options.stay ? "watch" : "analyze",
                              .sandbox = beginning->sandbox};
    return store_run_begin(catalogue, &about, &engine->run, error) &&
           store_plugins(catalogue, engine->registry, error) && store_queue_recover(catalogue, &recovered, error) &&
           store_queue_count(catalogue, &beginning->counts, error) &&
           (engine->options.only_count > 0 || store_profile(catalogue, engine->profile, error)) &&
           (!engine->options.stay || store_paused(catalogue, &beginning->paused, error));
}

static void on_begun(void *argument, const struct error *error) {
    struct beginning *beginning = argument;
    beginning->done = true;
    if (error) beginning->error = *error;
}

static void on_writer_state(void *context, const char *sentence) {
    struct engine *engine = context;
    engine->unwritable = sentence != NULL;
    engine_wake(engine);
    if (sentence)
        engine_warn(engine, "the catalogue cannot be written to: %s", sentence);
    else
        engine_warn(engine, "the catalogue can be written to again");
}

bool run_open(struct engine *engine, struct catalogue *catalogue, const char *sandbox, struct error *error) {
    engine->writer = writer_new(catalogue, &engine->loop, on_writer_state, engine, error);
    if (!engine->writer) {
        catalogue_close(catalogue);
        return false;
    }
    struct beginning beginning = {.engine = engine, .sandbox = sandbox ? sandbox : "{}"};
    if (!writer_post(engine->writer, begin_run, &beginning, on_begun)) return error_memory(error);
    while (!beginning.done) (void)uv_run(&engine->loop, UV_RUN_ONCE);
    if (beginning.error.text[0]) {
        if (error) *error = beginning.error;
        return false;
    }
    engine->progress.files_total = (uint64_t)beginning.counts.waiting;
    engine->paused = beginning.paused;
    return true;
}
