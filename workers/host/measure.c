#include "workers/host/measure.h"

#include "engine/base/json.h"
#include "workers/host/allocations.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define UNKNOWN           "no.such.plugin"
#define UNKNOWN_EXTENSION "no.such.extension/1"

/* ------------------------------------------------------------------------------------------------- state of the process */

/* FNV-1a, 64 bits: http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint64_t hash_more(uint64_t hash, const void *data, size_t n) {
    const unsigned char *bytes = data;
    for (size_t i = 0; i < n; i++) hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

#define HASH_START 0xcbf29ce484222325u

static uint64_t hash_environ(void) {
    uint64_t hash = HASH_START;
    for (char **entry = environ; entry && *entry; entry++) hash = hash_more(hash, *entry, strlen(*entry) + 1);
    return hash;
}

/* What is done about a signal, as a number to compare; 0 where nobody may know (the sandbox keeps SIGSYS to itself). */
static uintptr_t handler_of(int number) {
    struct sigaction action;
    if (number == SIGSYS || sigaction(number, NULL, &action) != 0) return 0;
    return (uintptr_t)action.sa_handler;
}

static void take_state(struct measure *m) {
    for (int i = 1; i < MEASURE_SIGNALS; i++) m->handlers[i] = handler_of(i);
    const char *name = setlocale(LC_ALL, NULL);
    snprintf(m->locale, sizeof m->locale, "%s", name ? name : "");
    m->environ_hash = hash_environ();
}

static bool say(cJSON *list, const char *text) {
    cJSON *item = cJSON_CreateString(text);
    if (item && cJSON_AddItemToArray(list, item)) return true;
    cJSON_Delete(item);
    return false;
}

/* Names of what is no longer as it was. */
static bool add_changes(const struct measure *m, cJSON *list) {
    bool good = true;
    for (int i = 1; good && i < MEASURE_SIGNALS; i++) {
        char text[60];
        snprintf(text, sizeof text, "the handler of signal %d (%s)", i, i < SIGRTMIN ? sigabbrev_np(i) : "real-time");
        if (handler_of(i) != m->handlers[i]) good = say(list, text);
    }
    const char *name = setlocale(LC_ALL, NULL);
    if (good && strcmp(name ? name : "", m->locale) != 0) good = say(list, "the process's locale");
    if (good && hash_environ() != m->environ_hash) good = say(list, "environment variables");
    return good;
}

/* --------------------------------------------------------------------------------------------------------------- hooks */

void measure_open(struct measure *m, const cJSON *settings, struct host *host) {
    *m = (struct measure){.on = json_bool(settings, "measure", false),
                          .host = host,
                          .guard.side = guard_side_of(json_string(settings, "guard", NULL))};
    if (m->on) take_state(m);
}

void measure_enter(struct measure *m, enum host_phase phase) {
    m->in_process = phase == HOST_PROCESS;
    if (!m->in_process) return;
    m->calls++;
    m->allocations_before = allocations_made();
}

void measure_leave(struct measure *m) {
    if (m->in_process) m->allocations += allocations_made() - m->allocations_before;
    m->in_process = false;
}

void measure_line(struct measure *m) {
    m->lines++;
}

/* The same, value by value. */
static uint64_t hash_floats(const float *values, size_t n) {
    uint64_t hash = HASH_START;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        hash = (hash ^ bits) * 0x100000001b3u;
    }
    return hash;
}

/* One plane of audio, or all the spectra. */
static uint64_t hash_plane(const sonde_block_t *block, uint32_t plane) {
    if (block->planes) return hash_floats(block->planes[plane], block->frames);
    size_t rows = (size_t)block->frames * block->channels;
    return hash_floats(block->spectra, (rows - 1) * block->stride + block->bins);
}

/* Takes down what the block holds. True when it is what was taken down before. */
static bool compare_block(struct measure *m, const sonde_block_t *block) {
    uint32_t planes = block->planes ? block->channels : 1;
    bool same = true;
    for (uint32_t p = 0; p < planes && p < MEASURE_PLANES; p++) {
        uint64_t hash = hash_plane(block, p);
        same &= hash == m->given[p];
        m->given[p] = hash;
    }
    return same;
}

const sonde_block_t *measure_give(struct measure *m, const sonde_block_t *block) {
    const sonde_block_t *given = guard_give(&m->guard, block);
    (void)compare_block(m, given);
    return given;
}

void measure_take(struct measure *m, const sonde_block_t *given) {
    m->modified |= !compare_block(m, given);
    guard_take(&m->guard);
}

/* ------------------------------------------------------------------------------------------------------------- messages */

/* Whether the library makes a plugin called `id`. What it makes then isn't used, nor destroyed: it may be an instance that
 * exists already. */
static bool makes(const struct host_plugin *like, const char *id) {
    const struct library *library = like->library;
    sonde_plugin_t *plugin = NULL;
    library->services.enter(library->services.context, id, HOST_CREATE);
    int32_t code = library->entry->create(&library->api, id, like->params.values, like->params.count, &plugin);
    library->services.leave(library->services.context);
    return code == SONDE_OK;
}

/* Whether the instance has a table for an extension that nobody ever heard of. */
static bool extends(const struct host_plugin *plugin) {
    const struct library *library = plugin->library;
    if (!plugin->instance->extension) return false;
    library->services.enter(library->services.context, plugin->descriptor->id, HOST_CREATE);
    const void *table = plugin->instance->extension(plugin->instance, UNKNOWN_EXTENSION);
    library->services.leave(library->services.context);
    return table != NULL;
}

/* Tries what no library should accept: ids that no descriptor has, one of them a plugin's with something behind it, and
 * an extension. */
static bool add_unknown(const struct measure *m, cJSON *measured, const struct library *library) {
    const char *extended = NULL;
    char longer[128], made[128] = "";
    for (size_t i = 0; i < host_plugins_count(m->host); i++) {
        const struct host_plugin *plugin = host_plugin_at(m->host, i);
        if (plugin->library != library || !plugin->instance) continue;
        (void)snprintf(longer, sizeof longer, "%s.%s", plugin->descriptor->id, UNKNOWN);
        if (!made[0] && makes(plugin, UNKNOWN)) (void)snprintf(made, sizeof made, "%s", UNKNOWN);
        if (!made[0] && makes(plugin, longer)) (void)snprintf(made, sizeof made, "%s", longer);
        if (!extended && extends(plugin)) extended = plugin->descriptor->id;
    }
    return (!made[0] || cJSON_AddStringToObject(measured, "takes_unknown", made)) &&
           (!extended || cJSON_AddStringToObject(measured, "extends_unknown", extended));
}

bool measure_add_library(struct measure *m, cJSON *message, const struct library *library, int64_t cpu_ns) {
    if (!m->on || !library) return true;
    cJSON *measured = cJSON_AddObjectToObject(message, "measured"), *disturbed = NULL;
    return measured && (disturbed = cJSON_AddArrayToObject(measured, "disturbed")) &&
           (!library->disturbed || say(disturbed, "the rounding mode, flush-to-zero or the thread's locale")) &&
           add_changes(m, disturbed) && cJSON_AddNumberToObject(measured, "cpu_us", (double)(cpu_ns / 1000)) &&
           add_unknown(m, measured, library);
}

static bool add_result(cJSON *measured, const struct host_result *result) {
    const struct host_plugin *plugin = result->plugin;
    return (!result->refused || cJSON_AddStringToObject(measured, "refused", result->refused)) &&
           (!result->undeclared[0] || cJSON_AddStringToObject(measured, "undeclared", result->undeclared)) &&
           cJSON_AddNumberToObject(measured, "code", result->code) &&
           cJSON_AddBoolToObject(measured, "disturbed", plugin->disturbed) &&
           cJSON_AddBoolToObject(measured, "one_instance", plugin->twin && plugin->twin == plugin->instance);
}

bool measure_add_job(struct measure *m, cJSON *message, const struct host_result *result) {
    if (!m->on) return true;
    cJSON *measured = cJSON_AddObjectToObject(message, "measured");
    bool good = measured && cJSON_AddNumberToObject(measured, "calls", (double)m->calls) &&
                cJSON_AddNumberToObject(measured, "lines", (double)m->lines) &&
                cJSON_AddBoolToObject(measured, "modified", m->modified) && (!result || add_result(measured, result));
    if (good && allocations_are_counted())
        good = cJSON_AddNumberToObject(measured, "allocations", (double)m->allocations) &&
               cJSON_AddNumberToObject(measured, "held", (double)allocations_held());
    m->calls = m->allocations = m->lines = 0;
    m->modified = false;
    return good;
}
