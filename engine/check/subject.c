#include "engine/check/subject.h"

#include "engine/base/json.h"
#include "engine/base/text.h"
#include "engine/schedule/copies.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEATHS 4

/* A worker is told of paths in JSON: a library whose path is no text it gets as a copy, as it gets all of an engine. */
static bool add_paths(const struct subject *s, cJSON *to, const struct check_library *library) {
    const char *path = library->path, *resources = library->resources ? library->resources : "";
    bool text = text_is_utf8(path, strlen(path)) && text_is_utf8(resources, strlen(resources));
    struct copy copy = {0};
    if (!text && !copies_take(s->desk.folder.path, path, library->resources, &copy, NULL)) return false;
    bool good = cJSON_AddStringToObject(to, "path", text ? path : copy.path) &&
                cJSON_AddStringToObject(to, "resources", !text && copy.resources ? copy.resources : resources);
    copies_clear(&copy);
    return good;
}

bool subject_add_library(const struct subject *s, cJSON *list, const struct check_library *library, cJSON *params) {
    cJSON *one = cJSON_CreateObject(), *all = NULL;
    bool good = one && cJSON_AddItemToArray(list, one) && add_paths(s, one, library) &&
                (!params || ((all = cJSON_AddObjectToObject(one, "params")) != NULL &&
                             cJSON_AddItemToObject(all, s->plugin, params)));
    if (!good && params) cJSON_Delete(params);
    return good;
}

/* The first difference between two descriptions of a plugin or a library, or NULL: the member's name. */
static const char *differing(const cJSON *a, const cJSON *b) {
    const cJSON *one = NULL;
    cJSON_ArrayForEach(one, a) {
        const char *name = one->string ? one->string : ""; /* it is a worker's message: anything may be in it */
        bool counts = strcmp(name, "measured") != 0 && strcmp(name, "plugins") != 0;
        if (counts && !cJSON_Compare(one, cJSON_GetObjectItemCaseSensitive(b, name), true)) return name;
    }
    return NULL;
}

/* Whether this process was told the same about the library as the first one. */
static void compare_descriptors(struct subject *s, const struct session *session) {
    const cJSON *again = session_library(session, 0), *one = NULL, *other = NULL;
    const char *member = again ? differing(s->message, again) : NULL;
    if (!again) return;
    other = json_member(again, "plugins") ? json_member(again, "plugins")->child : NULL;
    cJSON_ArrayForEach(one, json_member(s->message, "plugins")) {
        if (!member) member = other ? differing(one, other) : "number of plugins";
        if (other) other = other->next;
    }
    report_add(s->report, CHECK_SAME_DESCRIPTOR, NULL, member ? CHECK_FAILED : CHECK_PASSED, "%s%s",
               member ? "in another process it had another " : "", member ? member : "");
}

struct session *subject_session(struct subject *s, const struct session_spec *spec, cJSON *params,
                                struct error *error) {
    struct session_spec mine = spec ? *spec : (struct session_spec){0};
    cJSON *libraries = cJSON_CreateArray();
    struct session *session = NULL;
    if (libraries && subject_add_library(s, libraries, s->library, params)) {
        mine.libraries = libraries;
        session = session_open(&s->desk, &mine, error);
        if (session && s->message && !params) compare_descriptors(s, session);
    } else {
        error_memory(error);
    }
    cJSON_Delete(libraries);
    return session;
}

bool subject_ready(struct subject *s, struct error *error) {
    if (s->session && session_is_ready(s->session)) return true;
    session_close(s->session);
    s->session = subject_session(s, NULL, NULL, error);
    if (!s->session) return false;
    if (session_is_ready(s->session)) return true;
    report_add(s->report, CHECK_LOAD_LIBRARY, NULL, CHECK_FAILED, "it loaded before, but now its worker %s",
               session_blame(s->session)->reason);
    s->deaths = MAX_DEATHS;
    return false;
}

bool subject_is_given_up(const struct subject *s) {
    return s->deaths >= MAX_DEATHS;
}

const struct sound *subject_sound(struct subject *s, enum known_sound which, struct error *error) {
    static const struct {
        uint32_t rate, channels;
        double seconds;
    } kinds[] = {
        [BRIEF] = {44100, 2, 1},
        [ORDINARY] = {44100, 2, 10},
        [LONG] = {22050, 1, 120},
        [SHORTEST] = {44100, 1, 0.1},
    };
    struct sound *sound = &s->sounds[which];
    if (sound->frames > 0) return sound;
    int64_t frames = (int64_t)(kinds[which].seconds * kinds[which].rate);
    if (sound_make(sound, SOUND_MUSIC, kinds[which].rate, kinds[which].channels, frames, error)) return sound;
    *sound = (struct sound){0};
    return NULL;
}

bool subject_is_deterministic(const struct subject *s) {
    const cJSON *one = NULL;
    cJSON_ArrayForEach(one, json_member(s->descriptor, "flags")) {
        if (cJSON_IsString(one) && strcmp(one->valuestring, "deterministic") == 0) return true;
    }
    return false;
}

bool answer_is_orderly(const struct answer *answer) {
    return strcmp(answer->outcome, "ok") == 0 || strcmp(answer->outcome, "empty") == 0 ||
           strcmp(answer->outcome, "unsupported") == 0;
}

/* ---------------------------------------------------------------------------------------------------------- what it shows */

static void add(struct subject *s, enum check_id check, const struct sound *sound, const char *text) {
    report_add(s->report, check, s->plugin, CHECK_FAILED, "with %s: %s", sound->name, text);
}

/* The worker died, or the host refused what the plugin did: the checks of level 3, whatever was tried. */
static void record_outcome(struct subject *s, const struct sound *sound, const struct answer *answer) {
    const char *refused = json_string(answer->measured, "refused", "");
    int64_t code = json_integer(answer->measured, "code", 0);
    if (answer->died) s->deaths++;
    if (strcmp(answer->outcome, "violation") == 0)
        add(s, CHECK_RUN_SANDBOX, sound, answer->reason);
    else if (strcmp(answer->outcome, "timeout") == 0)
        add(s, CHECK_RUN_TIME, sound, answer->reason);
    else if (strcmp(answer->outcome, "memory") == 0)
        add(s, CHECK_RUN_MEMORY, sound, answer->reason);
    else if (answer->died)
        add(s, CHECK_RUN_CRASH, sound, answer->reason);
    if (strcmp(refused, "writing") == 0) add(s, CHECK_RESULT_WRITING, sound, answer->reason);
    if (strcmp(refused, "schema") == 0) add(s, CHECK_RESULT_SCHEMA, sound, answer->reason);
    if (strcmp(refused, "instants") == 0) add(s, CHECK_RESULT_INSTANTS, sound, answer->reason);
    if (code < 0 || code > 5) add(s, CHECK_RUN_CODES, sound, answer->reason);
}

/* What the worker saw it do. */
static void record_measured(struct subject *s, const struct sound *sound, const struct answer *answer) {
    const cJSON *m = answer->measured;
    const char *undeclared = json_string(m, "undeclared", "");
    int64_t lines = json_integer(m, "lines", 0);
    char text[200];
    if (json_bool(m, "modified", false))
        add(s, CHECK_RUN_INPUT, sound, "it wrote to the samples or spectra of a block");
    if (json_bool(m, "disturbed", false))
        add(s, CHECK_STATE_CALLS, sound, "a call changed the rounding mode, flush-to-zero or the thread's locale");
    (void)snprintf(text, sizeof text, "it asked for %.100s", undeclared);
    if (undeclared[0]) add(s, CHECK_NEEDS_DECLARED, sound, text);
    (void)snprintf(text, sizeof text, "%lld lines", (long long)lines);
    if (lines >= 200) add(s, CHECK_COST_LOG, sound, text);
}

static void record_arrays(struct subject *s, const struct answer *answer) {
    const cJSON *one = NULL;
    uint64_t bit = 1;
    cJSON_ArrayForEach(one, json_member(s->descriptor, "arrays")) {
        for (size_t i = 0; i < answer->arrays_count; i++)
            if (strcmp(json_string(answer->arrays[i].facts, "name", ""), json_string(one, "name", "")) == 0)
                s->arrays_written |= bit;
        bit <<= 1;
    }
}

bool subject_try(struct subject *s, struct session *session, struct session_job *job, struct answer *answer,
                 struct error *error) {
    const struct prepared *prepared = company_inputs(s, job->sound, error);
    if (!prepared || (!session && !subject_ready(s, error))) return false;
    job->plugins[0] = s->plugin;
    job->plugins_count = 1;
    job->inputs = prepared->inputs;
    job->inputs_count = prepared->count;
    return session_run(session ? session : s->session, job, answer, error);
}

bool subject_job(struct subject *s, struct session *session, struct session_job *job, struct answer *answer,
                 struct error *error) {
    if (!subject_try(s, session, job, answer, error)) return false;
    record_outcome(s, job->sound, answer);
    record_measured(s, job->sound, answer);
    record_arrays(s, answer);
    return true;
}

bool subject_analyse(struct subject *s, struct session *session, const struct sound *sound, struct answer *answer,
                     struct error *error) {
    struct session_job job = {.sound = sound};
    return subject_job(s, session, &job, answer, error);
}

/* ------------------------------------------------------------------------------------------------------------ comparing */

/* Some characters of `text` around `place`. */
static void quote(const char *text, size_t place, char *out, size_t size) {
    size_t from = place > 25 ? place - 25 : 0;
    (void)snprintf(out, size, "%.60s", text + from);
}

bool subject_compare(const struct answer *a, const struct answer *b, char *difference, size_t size) {
    if (strcmp(a->outcome, b->outcome) != 0) {
        (void)snprintf(difference, size, "once %s%s%.100s, once %s%s%.100s", a->outcome, a->reason[0] ? ": " : "",
                       a->reason, b->outcome, b->reason[0] ? ": " : "", b->reason);
        return false;
    }
    if (strcmp(a->digest, b->digest) == 0) return true;
    const char *one = a->text ? a->text : "", *two = b->text ? b->text : "";
    size_t place = 0;
    while (one[place] && one[place] == two[place]) place++;
    char first[64], second[64];
    quote(one, place, first, sizeof first);
    quote(two, place, second, sizeof second);
    if (one[place] || two[place])
        (void)snprintf(difference, size, "once ...%s..., once ...%s...", first, second);
    else
        (void)snprintf(difference, size, "the values of its arrays differ");
    return false;
}
