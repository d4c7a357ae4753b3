/* The library comes to life in a worker, and leaves it. */
#include "engine/check/subject.h"

#include "engine/base/json.h"

#include <stdio.h>
#include <string.h>

#define SCAN_US 100000

/* Of the refusals, those that are about what the library declares, not about loading it. */
static bool is_about_descriptors(const char *reason) {
    return strncmp(reason, "plugin ", 7) == 0 || strncmp(reason, "two plugins", 11) == 0 ||
           strncmp(reason, "a library has", 13) == 0 || strncmp(reason, "plugin_at", 9) == 0 ||
           strncmp(reason, "its descriptors", 15) == 0;
}

/* It died on the way: the phase tells how far it got. */
static void record_death(struct subject *s) {
    const struct blame *blame = session_blame(s->session);
    enum check_id check = strcmp(blame->phase, "create") == 0 ? CHECK_LOAD_CREATE : CHECK_LOAD_LIBRARY;
    if (check == CHECK_LOAD_CREATE) report_pass(s->report, CHECK_LOAD_LIBRARY, NULL);
    report_add(s->report, check, NULL, CHECK_FAILED, "%s", blame->reason);
}

static bool take_library(struct subject *s) {
    const char *reason = json_string(s->message, "reason", "no reason given");
    if (strcmp(json_string(s->message, "outcome", ""), "ok") == 0) {
        report_pass(s->report, CHECK_LOAD_LIBRARY, NULL);
        report_pass(s->report, CHECK_LOAD_DESCRIPTOR, NULL);
        return true;
    }
    bool declared = is_about_descriptors(reason);
    if (declared) report_pass(s->report, CHECK_LOAD_LIBRARY, NULL);
    report_add(s->report, declared ? CHECK_LOAD_DESCRIPTOR : CHECK_LOAD_LIBRARY, NULL, CHECK_FAILED, "%s", reason);
    return false;
}

static void check_create(struct subject *s) {
    const cJSON *plugins = json_member(s->message, "plugins"), *one = NULL;
    cJSON_ArrayForEach(one, plugins) {
        bool made = strcmp(json_string(one, "outcome", ""), "ok") == 0;
        report_add(s->report, CHECK_LOAD_CREATE, json_string(one, "id", ""), made ? CHECK_PASSED : CHECK_FAILED, "%s",
                   made ? "" : json_string(one, "reason", "no reason given"));
    }
}

static void check_measured(struct subject *s) {
    const cJSON *m = json_member(s->message, "measured"), *item = NULL;
    double us = json_number(m, "cpu_us", 0);
    report_add(s->report, CHECK_COST_SCAN, NULL, us <= SCAN_US ? CHECK_PASSED : CHECK_FAILED, "%.1f ms", us / 1000);
    const char *taken = json_string(m, "takes_unknown", ""), *extended = json_string(m, "extends_unknown", "");
    report_add(s->report, CHECK_LOAD_UNKNOWN, NULL, taken[0] ? CHECK_WARNED : CHECK_PASSED, "%s%s",
               taken[0] ? "it made a plugin called " : "", taken);
    report_add(s->report, CHECK_LOAD_EXTENSION, NULL, extended[0] ? CHECK_FAILED : CHECK_PASSED, "%s%s", extended,
               extended[0] ? " has a table for no.such.extension/1" : "");
    report_pass(s->report, CHECK_STATE_LOAD, NULL);
    cJSON_ArrayForEach(item, json_member(m, "disturbed")) {
        report_add(s->report, CHECK_STATE_LOAD, NULL, CHECK_FAILED, "it changed %s",
                   cJSON_IsString(item) ? item->valuestring : "something");
    }
}

/* A worker that holds nothing. */
static struct session *open_empty(struct subject *s, struct error *error) {
    cJSON *nothing = cJSON_CreateArray();
    struct session_spec spec = {.libraries = nothing};
    struct session *empty = nothing ? session_open(&s->desk, &spec, error) : NULL;
    if (!nothing) error_memory(error);
    cJSON_Delete(nothing);
    return empty;
}

/* Whether a worker without the library lives. */
static bool lives_without(struct subject *s) {
    struct session *empty = open_empty(s, NULL);
    bool lives = empty && session_is_ready(empty);
    session_close(empty);
    return lives;
}

/* Threads that exist beside those of a worker that holds nothing. */
static bool check_threads(struct subject *s, struct error *error) {
    struct session *empty = open_empty(s, error);
    unsigned before = empty && session_is_ready(empty) ? session_threads(empty) : 0, now = session_threads(s->session);
    session_close(empty);
    if (!empty) return false;
    if (before == 0 || now == 0)
        report_add(s->report, CHECK_COST_THREADS, NULL, CHECK_SKIPPED, "the system doesn't tell how many there are");
    else if (now > before)
        report_add(s->report, CHECK_COST_THREADS, NULL, CHECK_WARNED, "%u of its own while it waits for audio",
                   now - before);
    else
        report_pass(s->report, CHECK_COST_THREADS, NULL);
    return true;
}

bool check_loading(struct subject *s, struct error *error) {
    s->session = subject_session(s, NULL, NULL, error);
    if (!s->session) return false;
    const cJSON *message = session_library(s->session, 0);
    if (!session_is_ready(s->session) && !message) {
        const struct blame *blame = session_blame(s->session);
        /* A library that holds too much may be the worker's end outside its own calls. */
        if (blame->refused || (strcmp(blame->phase, "none") == 0 && !lives_without(s)))
            return error_set(error, "no worker can be started: it %.300s", blame->reason);
        record_death(s);
        return false;
    }
    s->message = cJSON_Duplicate(message, true);
    if (!s->message) return error_memory(error);
    if (!take_library(s)) return false;
    check_create(s);
    check_measured(s);
    if (session_is_ready(s->session)) return s->options->level < 8 || check_threads(s, error);
    record_death(s);
    return false;
}

bool check_end(struct subject *s, struct error *error) {
    struct session *session = subject_session(s, NULL, NULL, error);
    if (!session) return false;
    if (session_unload(session))
        report_pass(s->report, CHECK_END_DESTROY, NULL);
    else
        report_add(s->report, CHECK_END_DESTROY, NULL, CHECK_FAILED, "%s", session_blame(session)->reason);
    session_close(session);
    return true;
}
