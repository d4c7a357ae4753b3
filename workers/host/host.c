#include "workers/host/host.h"

#include "engine/base/json.h"
#include "workers/host/clock.h"
#include "workers/host/feed.h"
#include "workers/host/order.h"
#include "workers/host/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --------------------------------------------------------------------------------------------------------- life and death */

static void service_log(void *context, int level, const char *text) {
    struct host *host = context;
    snprintf(host->last_line, sizeof host->last_line, "%s", text);
    if (host->hooks.log) host->hooks.log(host->hooks.context, host->current, level, text);
}

static void service_enter(void *context, const char *library, enum host_phase phase) {
    struct host *host = context;
    host->current = library;
    if (host->hooks.enter) host->hooks.enter(host->hooks.context, library, phase);
}

static void service_leave(void *context) {
    struct host *host = context;
    host->current = "";
    if (host->hooks.leave) host->hooks.leave(host->hooks.context);
}

static bool service_cancelled(void *context) {
    struct host *host = context;
    return host->hooks.cancelled && host->hooks.cancelled(host->hooks.context);
}

struct host *host_new(const struct host_hooks *hooks, struct error *error) {
    struct host *host = calloc(1, sizeof *host);
    if (host && environment_init(&host->environment)) {
        if (hooks) host->hooks = *hooks;
        host->current = "";
        return host;
    }
    free(host);
    error_memory(error);
    return NULL;
}

void host_free(struct host *host) {
    if (!host) return;
    host_region_end(host);
    for (size_t i = 0; i < host->plugins_count; i++) {
        plugin_destroy(host, host->plugins[i]);
        params_free(&host->plugins[i]->params);
        free(host->plugins[i]);
    }
    free(host->plugins);
    for (size_t i = 0; i < host->libraries_count; i++) library_close(host->libraries[i]);
    free(host->libraries);
    spectrum_plans_close(&host->plans);
    environment_close(&host->environment);
    free(host);
}

static bool is_wanted(const cJSON *only, const char *id) {
    if (!cJSON_IsArray(only)) return true;
    for (const cJSON *item = only->child; item; item = item->next)
        if (cJSON_IsString(item) && strcmp(item->valuestring, id) == 0) return true;
    return false;
}

static bool add_plugin(struct host *host, struct library *library, size_t index, const cJSON *settings,
                       struct error *error) {
    struct host_plugin **list = realloc(host->plugins, (host->plugins_count + 1) * sizeof *list);
    if (!list) return error_memory(error);
    host->plugins = list;
    struct host_plugin *plugin = calloc(1, sizeof *plugin);
    if (!plugin) return error_memory(error);
    plugin->library = library;
    plugin->descriptor = library->descriptors[index];
    plugin->schema = library->schemas[index];
    params_make(plugin->descriptor, json_member(settings, plugin->descriptor->id), &plugin->params, &plugin->failure);
    list[host->plugins_count++] = plugin;
    return true;
}

bool host_load(struct host *host, const char *path, const char *resource_dir, const cJSON *only, const cJSON *settings,
               struct error *error) {
    struct library **list = realloc(host->libraries, (host->libraries_count + 1) * sizeof *list);
    if (!list) return error_memory(error);
    host->libraries = list;
    struct library_services services = {.environment = &host->environment,
                                        .context = host,
                                        .enter = service_enter,
                                        .leave = service_leave,
                                        .log = service_log,
                                        .cancelled = service_cancelled};
    host->last_line[0] = '\0';
    struct library *library = library_load(path, resource_dir, &services, error);
    if (!library) host_add_last_line(host, error);
    if (!library) return false;
    for (size_t i = 0; i < library->plugins_count; i++) {
        if (!host_plugin_find(host, library->descriptors[i]->id)) continue;
        error_set(error, "another library has a plugin called %s", library->descriptors[i]->id);
        library_close(library);
        return false;
    }
    list[host->libraries_count++] = library;
    for (size_t i = 0; i < library->plugins_count; i++)
        if (is_wanted(only, library->descriptors[i]->id) && !add_plugin(host, library, i, settings, error))
            return false;
    return true;
}

void host_use_twins(struct host *host) {
    host->twins = true;
}

void host_create(struct host *host) {
    for (size_t i = 0; i < host->plugins_count; i++) plugin_create(host, host->plugins[i]);
}

size_t host_plugins_count(const struct host *host) {
    return host->plugins_count;
}

const struct host_plugin *host_plugin_at(const struct host *host, size_t index) {
    return host->plugins[index];
}

const struct host_plugin *host_plugin_find(const struct host *host, const char *id) {
    for (size_t i = 0; i < host->plugins_count; i++)
        if (strcmp(host->plugins[i]->descriptor->id, id) == 0) return host->plugins[i];
    return NULL;
}

size_t host_libraries_count(const struct host *host) {
    return host->libraries_count;
}

const struct library *host_library_at(const struct host *host, size_t index) {
    return host->libraries[index];
}

/* --------------------------------------------------------------------------------------------------------------- a region */

static bool deliver(void *context, uint32_t subscriber, const sonde_block_t *block) {
    struct host *host = context;
    return run_process(&host->runs[subscriber], block);
}

/* The reason not to begin at all, as an outcome of the run; true when there is one. */
static bool is_hopeless(struct run *run, const char *cycle) {
    const struct host_plugin *plugin = run->plugin;
    char text[600];
    if (!plugin->instance) {
        run_end(run, HOST_FAILED, plugin->failure.text);
    } else if (cycle[0]) {
        snprintf(text, sizeof text, "it needs itself: %s", cycle);
        run_end(run, HOST_SKIPPED, text);
    } else if ((plugin->descriptor->flags & SONDE_FLAG_WHOLE_REGION) &&
               run->host->region->duration > plugin->descriptor->whole_region_seconds) {
        snprintf(text, sizeof text, "it takes regions of up to %g s, and this one lasts %.3f s",
                 plugin->descriptor->whole_region_seconds, run->host->region->duration);
        run_end(run, HOST_UNSUPPORTED, text);
    } else {
        return false;
    }
    return true;
}

static void subscribe(struct run *run, uint32_t subscriber) {
    const sonde_descriptor_t *d = run->plugin->descriptor;
    bool whole = (d->flags & SONDE_FLAG_WHOLE_REGION) != 0;
    struct error error = {0};
    for (uint32_t i = 0; i < d->inputs_count && run->running; i++) {
        if (feed_subscribe(run->host->feed, &d->inputs[i], whole, subscriber, i, &error)) continue;
        run_end(run, error.code ? HOST_MEMORY : HOST_UNSUPPORTED, error.text);
        run_abandon(run);
    }
}

static bool begin_runs(struct host *host, struct error *error) {
    struct order_item *items = calloc(host->runs_count, sizeof *items);
    if (!items) return error_memory(error);
    for (size_t i = 0; i < host->runs_count; i++) items[i].descriptor = host->runs[i].plugin->descriptor;
    order_sort(items, host->runs_count, host->sorted);
    for (size_t i = 0; i < host->runs_count; i++) {
        struct run *run = &host->runs[host->sorted[i]];
        if (is_hopeless(run, items[host->sorted[i]].cycle) || run_skip(run, false)) continue;
        run_begin(run);
        if (run->running) subscribe(run, (uint32_t)host->sorted[i]);
    }
    free(items);
    return true;
}

bool host_region_begin(struct host *host, const sonde_region_t *region, const struct host_plugin *const *run,
                       size_t count, const struct host_input *inputs, size_t inputs_count, uint32_t block_frames,
                       struct error *error) {
    int64_t from = clock_cpu_ns();
    host->region_cpu_ns = 0;
    host->region = region;
    host->inputs = inputs;
    host->inputs_count = inputs_count;
    host->feed = feed_new(region->rate, region->channels, region->frames, block_frames, &host->plans, deliver, host,
                          error);
    if (!host->feed) return false;
    host->runs = calloc(count + 1, sizeof *host->runs);
    host->sorted = calloc(count + 1, sizeof *host->sorted);
    bool good = host->runs && host->sorted ? true : error_memory(error);
    for (size_t i = 0; good && i < count; i++) {
        struct run *one = &host->runs[host->runs_count++];
        one->host = host;
        for (size_t k = 0; k < host->plugins_count; k++)
            if (host->plugins[k] == run[i]) one->plugin = host->plugins[k];
        one->result = (struct host_result){.plugin = one->plugin, .outcome = HOST_FAILED};
    }
    good = good && begin_runs(host, error);
    if (!good) host_region_end(host);
    host->region_cpu_ns += clock_cpu_ns() - from;
    return good;
}

/* The pass can't go on for want of memory. */
static void stop_all(struct host *host) {
    for (size_t i = 0; i < host->runs_count; i++) {
        struct run *run = &host->runs[i];
        if (!run->running) continue;
        run_end(run, HOST_MEMORY, "out of memory while resampling or computing spectra");
        run_abandon(run);
    }
}

void host_region_feed(struct host *host, const float *const *planes, size_t frames) {
    int64_t from = clock_cpu_ns();
    if (!feed_push(host->feed, planes, frames)) stop_all(host);
    host->region_cpu_ns += clock_cpu_ns() - from;
}

void host_region_finish(struct host *host) {
    int64_t from = clock_cpu_ns();
    if (!feed_finish(host->feed)) stop_all(host);
    for (size_t i = 0; i < host->runs_count; i++) {
        struct run *run = &host->runs[host->sorted[i]];
        run->result.nonfinite = feed_nonfinite(host->feed);
        if (!run->running) continue;
        if (service_cancelled(host)) {
            run_end(run, HOST_FAILED, "cancelled");
            run_abandon(run);
        } else if (run_skip(run, true))
            run_abandon(run);
        else
            run_finish(run);
    }
    host->region_cpu_ns += clock_cpu_ns() - from;
}

const struct host_result *host_result(const struct host *host, size_t index) {
    return &host->runs[index].result;
}

void host_region_cost(const struct host *host, int64_t *resample_us, int64_t *spectrum_us, int64_t *feed_us) {
    feed_cost(host->feed, resample_us, spectrum_us);
    int64_t plugins_ns = 0;
    for (size_t i = 0; i < host->runs_count; i++) plugins_ns += host->runs[i].result.cpu_ns;
    *feed_us = (host->region_cpu_ns - plugins_ns) / 1000 - *resample_us - *spectrum_us;
}

void host_region_end(struct host *host) {
    for (size_t i = 0; i < host->runs_count; i++) {
        struct run *run = &host->runs[i];
        run_abandon(run);
        writer_close(&run->writer);
        if (!run->broken) continue;
        plugin_destroy(host, run->plugin);
        plugin_create(host, run->plugin);
    }
    free(host->runs);
    free(host->sorted);
    feed_free(host->feed);
    host->runs = NULL;
    host->sorted = NULL;
    host->feed = NULL;
    host->runs_count = 0;
    host->inputs = NULL;
    host->inputs_count = 0;
}
