#include "workers/host/run.h"

#include "engine/base/json.h"
#include "engine/base/sanitizer.h"
#include "engine/base/text.h"
#include "workers/host/clock.h"
#include "workers/host/order.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#if SANITIZED
size_t __sanitizer_get_current_allocated_bytes(void); /* sanitizer/allocator_interface.h, which gcc's package lacks */
#endif

static int64_t heap_in_use(void) {
#if SANITIZED /* another malloc, which has its own way of telling */
    return (int64_t)__sanitizer_get_current_allocated_bytes();
#else
    struct mallinfo2 info = mallinfo2();
    return (int64_t)(info.uordblks + info.hblkhd);
#endif
}

/* -------------------------------------------------------------------------------------------------------- around calls */

void run_enter(struct host *host, const char *plugin, enum host_phase phase) {
    host->current = plugin;
    if (host->hooks.enter) host->hooks.enter(host->hooks.context, plugin, phase);
}

static void leave(struct host *host, struct host_plugin *plugin) {
    plugin->disturbed |= environment_repair(&host->environment);
    if (host->hooks.leave) host->hooks.leave(host->hooks.context);
    host->current = "";
}

void run_leave(struct run *run) {
    leave(run->host, run->plugin);
}

static int64_t peak_resident(void) {
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (int64_t)usage.ru_maxrss * 1024 : 0;
}

/* What a plugin holds is told by the heap before and after its calls; what it takes for a while, inside a long call, only
 * by the process's peak, where that rises. */
static void call_begin(struct run *run, enum host_phase phase) {
    struct host *host = run->host;
    memcpy(host->last_line, run->last_line, sizeof host->last_line);
    run->held_before = heap_in_use();
    run->rss_before = phase == HOST_PROCESS ? 0 : peak_resident();
    run_enter(host, run->plugin->descriptor->id, phase);
    run->wall_from = clock_wall_ns();
    run->cpu_from = clock_cpu_ns();
}

static void call_end(struct run *run) {
    struct host *host = run->host;
    run->result.cpu_ns += clock_cpu_ns() - run->cpu_from;
    run->result.wall_ns += clock_wall_ns() - run->wall_from;
    run_leave(run);
    memcpy(run->last_line, host->last_line, sizeof run->last_line);
    int64_t used = run->held + (run->rss_before ? peak_resident() - run->rss_before : 0);
    run->held += heap_in_use() - run->held_before;
    if (used > run->result.peak_bytes) run->result.peak_bytes = used;
    if (run->held > run->result.peak_bytes) run->result.peak_bytes = run->held;
}

/* ----------------------------------------------------------------------------------------------------------- outcomes */

const char *host_outcome_name(int outcome) {
    static const char *const names[] = {"ok", "empty", "failed", "unsupported", "memory", "skipped"};
    return outcome >= HOST_OK && outcome <= HOST_SKIPPED ? names[outcome] : "failed";
}

void run_end(struct run *run, int outcome, const char *reason) {
    run->result.outcome = outcome;
    char *clean = text_display(reason, strlen(reason));
    if (clean) snprintf(run->result.reason, sizeof run->result.reason, "%s", clean);
    text_cut(run->result.reason, sizeof run->result.reason - 1);
    free(clean);
}

/* What the plugin said: the sentence given to the writer, or else its last line in the log. */
static const char *sentence_of(const struct run *run, const char *fallback) {
    if (run->writer.sentence[0]) return run->writer.sentence;
    if (run->writer.failed) return run->writer.error.text; /* it returned what writer->status said */
    return run->last_line[0] ? run->last_line : fallback;
}

/* Everything but SONDE_OK ends the run. */
static void end_by_code(struct run *run, int32_t code, const char *phase) {
    char text[100];
    run->result.code = code;
    switch (code) {
    case SONDE_EMPTY: run_end(run, HOST_EMPTY, sentence_of(run, "")); return;
    case SONDE_FAILED: run_end(run, HOST_FAILED, sentence_of(run, "the plugin gave no reason")); return;
    case SONDE_UNSUPPORTED: run_end(run, HOST_UNSUPPORTED, sentence_of(run, "the plugin gave no reason")); return;
    case SONDE_NO_MEMORY: run_end(run, HOST_MEMORY, sentence_of(run, "the plugin ran out of memory")); return;
    default: break;
    }
    run->broken = true;
    if (code == SONDE_BROKEN)
        snprintf(text, sizeof text, "the plugin declared itself broken in %s", phase);
    else
        snprintf(text, sizeof text, "%s returned %d, which no plugin may", phase, code);
    run_end(run, HOST_FAILED, code == SONDE_BROKEN ? sentence_of(run, text) : text);
}

/* ---------------------------------------------------------------------------------------------------------------- needs */

/* A source with a result wins over one without; among equals the first in the list. */
struct source run_source(const struct run *run, const sonde_need_t *need) {
    struct source source = {0};
    const struct host *host = run->host;
    for (size_t i = 0; i < host->runs_count && need->when == SONDE_NEED_AT_FINISH; i++) {
        const struct run *other = &host->runs[i];
        if (other == run || !order_provides(other->plugin->descriptor, need)) continue;
        bool ok = other->result.outcome == HOST_OK && other->result.json;
        if (source.provider && !ok) continue;
        source = (struct source){.provider = other->plugin->descriptor->id,
                                 .reason = other->result.reason,
                                 .outcome = host_outcome_name(other->result.outcome),
                                 .run = ok ? other : NULL};
        if (ok) return source;
    }
    for (size_t i = 0; i < host->inputs_count; i++) {
        const struct host_input *input = &host->inputs[i];
        if (input->major != need->major || strcmp(input->interface, need->id) != 0) continue;
        if (source.provider && !input->json) continue;
        source = (struct source){.provider = input->provider,
                                 .outcome = input->outcome,
                                 .reason = input->reason,
                                 .input = input->json ? input : NULL};
        if (input->json) return source;
    }
    return source;
}

/* Whether the plugin needs at begin what another one is about to make in the same pass. */
static bool is_in_this_pass(const struct run *run, const sonde_need_t *need) {
    for (size_t i = 0; i < run->host->runs_count; i++)
        if (&run->host->runs[i] != run && order_provides(run->host->runs[i].plugin->descriptor, need)) return true;
    return false;
}

static bool will_come(const struct run *run, const sonde_need_t *need) {
    if (need->when == SONDE_NEED_EARLY) return false;
    for (size_t i = 0; i < run->host->runs_count; i++) {
        const struct run *other = &run->host->runs[i];
        if (other != run && other->running && order_provides(other->plugin->descriptor, need)) return true;
    }
    return false;
}

bool run_skip(struct run *run, bool at_finish) {
    const sonde_descriptor_t *d = run->plugin->descriptor;
    for (uint32_t i = 0; i < d->needs_count; i++) {
        const sonde_need_t *need = &d->needs[i];
        if (need->necessity != SONDE_NEED_REQUIRED || (!at_finish && will_come(run, need))) continue;
        struct source source = run_source(run, need);
        if (source.run || source.input) continue;
        char text[600];
        if (need->when == SONDE_NEED_EARLY && is_in_this_pass(run, need))
            snprintf(text, sizeof text, "%s is needed before the pass that makes it has ended", need->id);
        else if (!source.provider)
            snprintf(text, sizeof text, "%s is missing: no plugin here provides %s/%u", need->id, need->id,
                     need->major);
        else
            snprintf(text, sizeof text, "%s %s%s%s", need->id, source.outcome ? source.outcome : "failed",
                     source.reason && source.reason[0] ? ": " : "", source.reason ? source.reason : "");
        run_end(run, HOST_SKIPPED, text);
        return true;
    }
    return false;
}

/* A need goes by its id, or by id/major. */
static bool is_called(const sonde_need_t *need, const char *name) {
    size_t n = strlen(need->id);
    if (strncmp(need->id, name, n) != 0) return false;
    char major[16];
    snprintf(major, sizeof major, "/%u", need->major);
    return name[n] == '\0' || strcmp(name + n, major) == 0;
}

/* What the plugin may read now: declared, and at its time. */
static struct source readable(const sonde_inputs_t *inputs, const char *interface_id) {
    struct run *run = inputs->context;
    bool declared = false;
    const sonde_descriptor_t *d = run->plugin->descriptor;
    for (uint32_t i = 0; interface_id && i < d->needs_count; i++) {
        if (!is_called(&d->needs[i], interface_id)) continue;
        declared = true;
        if (!run->early || d->needs[i].when == SONDE_NEED_EARLY) return run_source(run, &d->needs[i]);
    }
    if (interface_id && !declared) snprintf(run->result.undeclared, sizeof run->result.undeclared, "%s", interface_id);
    return (struct source){0};
}

static const char *inputs_json(const sonde_inputs_t *inputs, const char *interface_id, uint64_t *length) {
    struct source source = readable(inputs, interface_id);
    const char *json = source.run ? source.run->result.json : source.input ? source.input->json : NULL;
    if (length) *length = source.run ? source.run->result.json_length : source.input ? source.input->json_length : 0;
    return json;
}

static int32_t inputs_array(const sonde_inputs_t *inputs, const char *interface_id, const char *name,
                            sonde_array_view_t *view) {
    struct source source = readable(inputs, interface_id);
    if (!name || !view) return SONDE_FAILED;
    for (size_t i = 0; source.run && i < source.run->result.arrays_count; i++) {
        const struct host_array *a = &source.run->result.arrays[i];
        if (strcmp(a->info->name, name) != 0) continue;
        *view = (sonde_array_view_t){.struct_size = sizeof *view,
                                     .dtype = a->info->dtype,
                                     .dimensions = a->info->dimensions,
                                     .hop = a->hop,
                                     .start = a->start,
                                     .unit = a->info->unit,
                                     .data = a->data};
        memcpy(view->shape, a->shape, sizeof view->shape);
        return SONDE_OK;
    }
    for (size_t i = 0; source.input && i < source.input->arrays_count; i++) {
        const struct host_input_array *a = &source.input->arrays[i];
        if (strcmp(a->name, name) != 0) continue;
        *view = (sonde_array_view_t){.struct_size = sizeof *view,
                                     .dtype = a->dtype,
                                     .dimensions = a->dimensions,
                                     .hop = a->hop,
                                     .start = a->start,
                                     .unit = a->unit,
                                     .data = a->data};
        memcpy(view->shape, a->shape, sizeof view->shape);
        return SONDE_OK;
    }
    return SONDE_FAILED;
}

/* ---------------------------------------------------------------------------------------------------------------- calls */

void run_begin(struct run *run) {
    sonde_plugin_t *instance = run->plugin->instance;
    run->inputs = (sonde_inputs_t){
        .struct_size = sizeof run->inputs, .context = run, .json = inputs_json, .array = inputs_array};
    run->early = true;
    call_begin(run, HOST_BEGIN);
    int32_t code = instance->begin(instance, run->host->region, &run->inputs);
    call_end(run);
    run->early = false;
    run->running = true;
    if (code == SONDE_OK) {
        twin_begin(run);
        return;
    }
    end_by_code(run, code, "begin");
    run_abandon(run);
}

bool run_process(struct run *run, const sonde_block_t *block) {
    if (!run->running) return false;
    sonde_plugin_t *instance = run->plugin->instance;
    const struct host_hooks *hooks = &run->host->hooks;
    twin_process(run, block);
    if (hooks->give) block = hooks->give(hooks->context, block);
    call_begin(run, HOST_PROCESS);
    int32_t code = instance->process(instance, block);
    call_end(run);
    if (hooks->take) hooks->take(hooks->context, block);
    if (code == SONDE_OK) return true;
    end_by_code(run, code, "process");
    run_abandon(run);
    return false;
}

/* The result as the plugin wrote it: closed, in its schema, with instants inside the region. The engine checks again. */
static bool check_result(struct run *run, struct error *error) {
    run->result.refused = "writing";
    if (!writer_finish(&run->writer, error)) return false;
    run->result.refused = NULL;
    if (!run->plugin->schema) return true;
    struct error why = {0};
    cJSON *value = json_parse(run->writer.json, run->writer.length, RESULT_MAX_BYTES, RESULT_MAX_DEPTH, &why);
    bool good = value && schema_check(run->plugin->schema, value, &why);
    if (!good) run->result.refused = "schema";
    if (good && !schema_check_instants(run->plugin->schema, value, run->host->region->duration, &why)) {
        run->result.refused = "instants";
        good = false;
    }
    cJSON_Delete(value);
    return good ? true : error_set(error, "the result is refused: %.400s", why.text);
}

void run_finish(struct run *run) {
    sonde_plugin_t *instance = run->plugin->instance;
    twin_finish(run);
    writer_init(&run->writer, run->plugin->descriptor, &run->host->environment);
    call_begin(run, HOST_FINISH);
    int32_t code = instance->finish(instance, &run->inputs, &run->writer.api);
    call_end(run);
    run->running = false;
    if (code != SONDE_OK) {
        if (run->writer.failed) run->result.refused = "writing";
        end_by_code(run, code, "finish");
        writer_close(&run->writer);
        return;
    }
    struct error error = {0};
    if (!check_result(run, &error)) {
        run_end(run, HOST_FAILED, error.text);
        writer_close(&run->writer);
        return;
    }
    run->result.outcome = HOST_OK;
    run->result.json = run->writer.json;
    run->result.json_length = run->writer.length;
    run->result.arrays = run->writer.arrays;
    run->result.arrays_count = run->writer.arrays_count;
}

void run_abandon(struct run *run) {
    if (!run->running) return;
    run->running = false;
    twin_abandon(run);
    call_begin(run, HOST_ABANDON);
    run->plugin->instance->abandon(run->plugin->instance);
    call_end(run);
}

/* As where the host itself doesn't take them; the plugin's own sentence is the reason. */
static void refuse_settings(const struct host *host, struct host_plugin *plugin) {
    params_free(&plugin->params);
    if (host->last_line[0]) error_set(&plugin->failure, "%s", host->last_line);
}

void plugin_create(struct host *host, struct host_plugin *plugin) {
    const char *id = plugin->descriptor->id;
    if (plugin->instance || !plugin->params.values) return; /* no values: its settings were refused */
    host->last_line[0] = '\0';
    run_enter(host, id, HOST_CREATE);
    plugin->instance = library_create(plugin->library, id, plugin->params.values, plugin->params.count,
                                      &plugin->failure);
    if (plugin->instance && host->twins)
        plugin->twin = library_create(plugin->library, id, plugin->params.values, plugin->params.count,
                                      &plugin->failure);
    leave(host, plugin);
    if (plugin->instance) return;
    if (plugin->failure.code == EINVAL)
        refuse_settings(host, plugin);
    else
        host_add_last_line(host, &plugin->failure);
}

void host_add_last_line(const struct host *host, struct error *error) {
    if (!host->last_line[0]) return;
    size_t used = strlen(error->text);
    snprintf(error->text + used, sizeof error->text - used, ": %s", host->last_line);
    text_cut(error->text, sizeof error->text - 1);
}

void plugin_destroy(struct host *host, struct host_plugin *plugin) {
    if (!plugin->instance) return;
    run_enter(host, plugin->descriptor->id, HOST_DESTROY);
    plugin->instance->destroy(plugin->instance);
    if (plugin->twin && plugin->twin != plugin->instance) plugin->twin->destroy(plugin->twin);
    leave(host, plugin);
    plugin->instance = plugin->twin = NULL;
}
