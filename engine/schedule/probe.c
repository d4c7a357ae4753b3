#include "engine/schedule/probe.h"

#include "engine/base/json.h"
#include "engine/supervise/blame.h"
#include "engine/supervise/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 10 /* for a probe that somebody else kills */

/* The probing of some libraries in one process. */
struct probe {
    const struct probe_spec *spec;
    struct registry *registry;
    struct probe_report *report;
    bool *members; /* one flag a library */
    bool *told;    /* a `library` message came, or was in the cache; shared by all probes */
    cJSON **said;  /* the message about each: taken in the order of the libraries in the end, whoever told it */
    bool *known;   /* it came from the cache */
    bool *well;    /* it came from a probe that ended well: worth remembering */
    bool alive;    /* the process is */
    bool over, failed, never_spoke, from_outside;
    char reason[512];
};

static void note_sandbox(struct probe *probe, const cJSON *sandbox) {
    const cJSON *missing = json_member(sandbox, "missing"), *item = NULL;
    char *text = cJSON_PrintUnformatted(sandbox);
    if (text) {
        cJSON_free(probe->report->sandbox);
        probe->report->sandbox = text;
    }
    cJSON_ArrayForEach(item, missing) {
        if (!probe->report->weak && cJSON_IsString(item))
            (void)snprintf(probe->report->missing, sizeof probe->report->missing, "%s", item->valuestring);
        probe->report->weak = true;
    }
}

static void on_hello(struct worker *worker, const cJSON *message) {
    struct probe *probe = worker_context(worker);
    (void)snprintf(probe->report->build, sizeof probe->report->build, "%s", json_string(message, "build", ""));
    (void)snprintf(probe->report->dsp, sizeof probe->report->dsp, "%s", json_string(message, "dsp", ""));
    if (json_member(message, "sandbox")) note_sandbox(probe, json_member(message, "sandbox"));
}

static void on_ready(struct worker *worker, const cJSON *message) {
    struct probe *probe = worker_context(worker);
    if (json_member(message, "sandbox")) note_sandbox(probe, json_member(message, "sandbox"));
    probe->over = true;
    for (size_t i = 0; i < probe->registry->libraries_count; i++)
        probe->well[i] |= probe->members[i] && probe->said[i] && !probe->known[i];
    worker_quit(worker);
}

static void on_message(struct worker *worker, const char *type, cJSON *message) {
    struct probe *probe = worker_context(worker);
    const char *path = json_string(message, "path", "");
    for (size_t i = 0; strcmp(type, "library") == 0 && i < probe->registry->libraries_count; i++) {
        if (!probe->members[i] || strcmp(probe->registry->libraries[i].copy.path, path) != 0) continue;
        if (!probe->told[i]) probe->said[i] = cJSON_Duplicate(message, true); /* else one before it told it, and died */
        probe->told[i] = true;
        return;
    }
    worker_break_protocol(worker, "a probe that tells of something else");
}

static void on_died(struct worker *worker, const struct worker_death *death) {
    struct probe *probe = worker_context(worker);
    struct blame blame;
    if (!probe->over) {
        blame_judge(death, probe->spec->memory_limit, &blame);
        (void)snprintf(probe->reason, sizeof probe->reason, "%.300s", blame.reason);
        probe->failed = true;
        probe->from_outside = blame.from_outside;
        /* A crash soon after hello can overtake it; the note tells that it got as far as the libraries. */
        probe->never_spoke = !death->said_hello && !(death->note.valid && death->note.phase != NOTE_NONE);
    }
    probe->over = true;
    probe->alive = false;
}

static const struct worker_events calls = {on_hello, on_ready, on_message, on_died};

bool probe_add_libraries(cJSON *settings, cJSON *libraries) {
    cJSON *paths = cJSON_CreateArray();
    const cJSON *item = NULL;
    bool ok = paths != NULL && libraries != NULL;
    cJSON_ArrayForEach(item, libraries) {
        const char *path = json_string(item, "path", ""), *resources = json_string(item, "resources", "");
        ok = ok && cJSON_AddItemToArray(paths, cJSON_CreateString(path)) &&
             (!resources[0] || cJSON_AddItemToArray(paths, cJSON_CreateString(resources)));
    }
    ok = ok && cJSON_AddItemToObject(settings, "libraries", libraries);
    if (!ok) cJSON_Delete(libraries);
    if (ok && cJSON_AddItemToObject(settings, "read_paths", paths)) return true;
    cJSON_Delete(paths);
    return false;
}

/* The settings of a probe of these libraries. Caller frees. */
static cJSON *make_settings(const struct probe *probe) {
    cJSON *settings = cJSON_Duplicate(probe->spec->settings, true), *libraries = cJSON_CreateArray();
    bool ok = settings && libraries;
    for (size_t i = 0; ok && i < probe->registry->libraries_count; i++) {
        const struct registry_library *library = &probe->registry->libraries[i];
        if (!probe->members[i] || probe->told[i]) continue;
        cJSON *one = cJSON_CreateObject();
        ok = one && cJSON_AddItemToArray(libraries, one) && cJSON_AddStringToObject(one, "path", library->copy.path) &&
             cJSON_AddStringToObject(one, "resources", library->copy.resources ? library->copy.resources : "") &&
             cJSON_AddBoolToObject(one, "third_party", library->third_party) &&
             (!probe->spec->params || cJSON_AddItemToObject(one, "params", cJSON_Duplicate(probe->spec->params, true)));
    }
    if (!ok) {
        cJSON_Delete(libraries);
        libraries = NULL;
    }
    if (settings && probe_add_libraries(settings, libraries)) return settings;
    cJSON_Delete(settings);
    return NULL;
}

static bool is_cancelled(const struct probe *probe) {
    return probe->spec->cancelled && *probe->spec->cancelled;
}

/* Runs one probe to its end. */
static bool run(struct probe *probe, struct error *error) {
    cJSON *settings = make_settings(probe);
    if (!settings) return error_memory(error);
    struct worker_spec spec = {
        .loop = probe->spec->loop,
        .binary = probe->spec->binary,
        .role = "probe",
        .folder = probe->spec->folder,
        .settings = settings,
        .hello_deadline = probe->spec->hello_deadline,
        .load_deadline = probe->spec->load_deadline,
        .events = &calls,
        .context = probe,
    };
    struct worker *worker = worker_start(&spec, ++*probe->spec->numbers, error);
    cJSON_Delete(settings);
    probe->alive = worker != NULL;
    for (bool ended = false; probe->alive;) {
        (void)uv_run(probe->spec->loop, UV_RUN_ONCE);
        if (ended || !is_cancelled(probe) || !probe->alive) continue;
        worker_kill(worker, WORKER_KILL_UNWANTED, "nobody waits for it any more");
        ended = true;
    }
    return worker != NULL;
}

static void refuse_silent(struct probe *probe) {
    for (size_t i = 0; i < probe->registry->libraries_count; i++) {
        if (!probe->members[i] || probe->told[i]) continue;
        char sentence[600];
        (void)snprintf(sentence, sizeof sentence, "could not be loaded: its process %s",
                       probe->failed ? probe->reason : "said nothing about it");
        registry_refuse(probe->registry, i, sentence);
    }
}

/* How many of the flagged libraries have to be loaded. */
static size_t count_open(const struct probe *probe) {
    size_t count = 0;
    for (size_t i = 0; i < probe->registry->libraries_count; i++) count += probe->members[i] && !probe->told[i];
    return count;
}

/* Takes what the cache knows of the flagged libraries. */
static void recall(struct probe *probe) {
    for (size_t i = 0; i < probe->registry->libraries_count; i++) {
        const struct registry_library *library = &probe->registry->libraries[i];
        if (!probe->members[i] || probe->told[i]) continue;
        probe->said[i] = probe_cache_find(probe->spec->cache, library->path, &library->copy);
        probe->told[i] = probe->known[i] = probe->said[i] != NULL;
    }
}

static bool probe_one_by_one(struct probe *probe, struct error *error);

/* Probes the libraries flagged in `members` together, as far as they aren't known; `always`: even if all are. */
static bool probe_members(struct probe *probe, bool always, struct error *error) {
    recall(probe);
    size_t count = count_open(probe);
    if (count == 0 && !always) return true;
    probe->report->asked += count;
    for (int tries = 0; tries < TRIES; tries++) {
        probe->over = probe->failed = probe->never_spoke = probe->from_outside = false;
        if (!run(probe, error)) return false;
        if (is_cancelled(probe)) return error_set(error, "looking at plugins was given up");
        if (!probe->from_outside) break;
    }
    if (probe->failed && probe->never_spoke) return error_set(error, "no worker can be started: %s", probe->reason);
    if (probe->failed && count == 0) return error_set(error, "a worker without plugins died: %s", probe->reason);
    if (probe->failed && count > 1) return probe_one_by_one(probe, error);
    refuse_silent(probe);
    return true;
}

static bool probe_one_by_one(struct probe *probe, struct error *error) {
    size_t n = probe->registry->libraries_count;
    bool *all = calloc(n, sizeof *all);
    bool ok = all ? true : error_memory(error);
    if (all) memcpy(all, probe->members, n * sizeof *all);
    for (size_t i = 0; ok && i < n; i++) {
        if (!all[i] || probe->told[i]) continue;
        memset(probe->members, 0, n * sizeof *probe->members);
        probe->members[i] = true;
        ok = probe_members(probe, false, error);
    }
    free(all);
    return ok;
}

/* Each third-party library by itself. */
static bool probe_others(struct probe *probe, struct error *error) {
    size_t n = probe->registry->libraries_count;
    const struct probe_report *report = probe->report;
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) {
        const struct registry_library *library = &probe->registry->libraries[i];
        if (!library->third_party || library->refused) continue;
        if (report->weak && !probe->spec->allow_weak_sandbox) {
            char sentence[400];
            (void)snprintf(sentence, sizeof sentence,
                           "refused, because the sandbox is weak here (%.200s); see sonde doctor", report->missing);
            registry_refuse(probe->registry, i, sentence);
            continue;
        }
        memset(probe->members, 0, n * sizeof *probe->members);
        probe->members[i] = true;
        ok = probe_members(probe, false, error);
    }
    return ok;
}

/* Fills the plugin table, and the cache. */
static void take_all(struct probe *probe) {
    for (size_t i = 0; i < probe->registry->libraries_count; i++) {
        const struct registry_library *library = &probe->registry->libraries[i];
        if (!probe->said[i]) continue;
        registry_take(probe->registry, i, probe->said[i]);
        if (probe->well[i] && library->loaded)
            probe_cache_keep(probe->spec->cache, library->path, &library->copy, probe->said[i]);
    }
}

bool probe_libraries(const struct probe_spec *spec, struct registry *registry, struct probe_report *report,
                     struct error *error) {
    size_t n = registry->libraries_count;
    *report = (struct probe_report){0};
    struct probe probe = {.spec = spec, .registry = registry, .report = report};
    bool *flags = calloc(4 * (n + 1), sizeof *flags);
    probe.said = calloc(n + 1, sizeof *probe.said);
    bool ok = flags && probe.said ? true : error_memory(error);
    if (ok) {
        probe.members = flags;
        probe.told = flags + (n + 1);
        probe.known = flags + 2 * (n + 1);
        probe.well = flags + 3 * (n + 1);
    }
    for (size_t i = 0; ok && i < n; i++)
        probe.members[i] = !registry->libraries[i].third_party && !registry->libraries[i].refused;
    ok = ok && probe_members(&probe, true, error) && probe_others(&probe, error);
    if (ok) take_all(&probe);
    for (size_t i = 0; probe.said && i < n; i++) cJSON_Delete(probe.said[i]);
    free(probe.said);
    free(flags);
    return ok;
}
