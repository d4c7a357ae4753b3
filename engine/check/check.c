#include "engine/check/subject.h"

#include "engine/base/json.h"
#include "engine/schedule/published.h"

#include <stdlib.h>
#include <string.h>

static void clear_plugin(struct subject *s) {
    company_clear(&s->company);
    answer_clear(&s->ordinary);
    answer_clear(&s->brief);
    session_close(s->session);
    s->session = NULL;
    s->deaths = 0;
    s->arrays_written = 0;
}

/* Arrays that no region has brought, whatever it was. */
static void check_arrays(struct subject *s) {
    const cJSON *one = NULL;
    uint64_t bit = 1;
    report_pass(s->report, CHECK_RESULT_ARRAYS, s->plugin);
    cJSON_ArrayForEach(one, json_member(s->descriptor, "arrays")) {
        if (!(s->arrays_written & bit))
            report_add(s->report, CHECK_RESULT_ARRAYS, s->plugin, CHECK_WARNED, "\"%s\" never was",
                       json_string(one, "name", ""));
        bit <<= 1;
    }
}

/* Whether what it says of ordinary audio is what those expect who read the interfaces that it provides. */
static void check_interfaces(struct subject *s) {
    const cJSON *one = NULL;
    report_pass(s->report, CHECK_RESULT_INTERFACE, s->plugin);
    cJSON_ArrayForEach(one, json_member(s->descriptor, "provides")) {
        const char *id = json_string(one, "id", "");
        struct error error = {0};
        int major = (int)json_integer(one, "major", 0);
        if (!published_check(id, major, s->ordinary.json, &error))
            report_add(s->report, CHECK_RESULT_INTERFACE, s->plugin, CHECK_FAILED, "%s/%d: %s", id, major, error.text);
    }
}

/* Everything about one plugin that runs it. */
static bool check_plugin(struct subject *s, struct error *error) {
    int level = s->options->level;
    bool good = level < 3 || (company_find(s, error) && check_regions(s, error));
    /* Without an answer about ordinary audio there is nothing to compare with. */
    bool sound = s->ordinary.outcome[0] && answer_is_orderly(&s->ordinary);
    if (good && sound && level >= 5 && !subject_is_given_up(s)) good = check_sameness(s, error);
    if (good && sound && level >= 6 && !subject_is_given_up(s)) good = check_bounds(s, error);
    if (good && sound && level >= 7 && !subject_is_given_up(s)) good = check_params(s, error);
    if (good && level >= 7 && !subject_is_given_up(s)) good = check_needs(s, error);
    if (good && sound && level >= 8 && !subject_is_given_up(s)) good = check_costs(s, error);
    if (good && strcmp(s->ordinary.outcome, "ok") == 0) check_arrays(s);
    if (good && s->ordinary.json) check_interfaces(s);
    /* A plugin that hangs in destroy has already been seen to work. */
    return good;
}

static bool run(struct subject *s, struct error *error) {
    if (!check_file(s)) return true;
    if (!check_loading(s, error)) return false;
    if (s->options->level >= 2) check_declared(s);
    const cJSON *plugins = json_member(s->message, "plugins"), *descriptor = NULL;
    bool good = true;
    cJSON_ArrayForEach(descriptor, plugins) {
        if (!good || strcmp(json_string(descriptor, "outcome", ""), "ok") != 0) continue;
        s->descriptor = descriptor;
        s->plugin = json_string(descriptor, "id", "");
        good = check_plugin(s, error) || error->text[0] == '\0';
        clear_plugin(s);
    }
    s->plugin = NULL;
    return good && (s->options->level < CHECK_LEVELS || check_end(s, error));
}

/* Checks that no finding was made about have passed, if they were made at all. */
static void pass_the_rest(struct subject *s) {
    static const enum check_id about_runs[] = {
        CHECK_RUN_CRASH, CHECK_RUN_TIME,       CHECK_RUN_MEMORY,     CHECK_RUN_SANDBOX,
        CHECK_RUN_CODES, CHECK_RESULT_WRITING, CHECK_RESULT_SCHEMA,  CHECK_RESULT_INSTANTS,
        CHECK_RUN_INPUT, CHECK_STATE_CALLS,    CHECK_NEEDS_DECLARED, CHECK_COST_LOG,
    };
    const cJSON *plugins = json_member(s->message, "plugins"), *descriptor = NULL;
    cJSON_ArrayForEach(descriptor, plugins) {
        const char *id = json_string(descriptor, "id", "");
        if (!report_find(s->report, CHECK_RUN_ORDINARY, id)) continue;
        for (size_t i = 0; i < sizeof about_runs / sizeof *about_runs; i++) report_pass(s->report, about_runs[i], id);
    }
}

bool check_run(const struct check_options *options, const struct check_library *library, struct report *report,
               struct error *error) {
    *report = (struct report){.path = library->path, .level = options->level};
    struct subject s = {.options = options, .library = library, .report = report};
    error->text[0] = '\0';
    char *binary = strdup(options->worker);
    bool good = desk_open(&s.desk, binary, error);
    s.desk.memory_limit = options->memory_limit;
    s.desk.cpu_limit = options->cpu_limit;
    s.desk.hello_deadline = s.desk.load_deadline = options->load_deadline;
    s.desk.run_deadline = options->run_deadline;
    s.desk.run_deadline_a_second = options->run_deadline_a_second;
    if (good && !binary) good = error_memory(error);
    good = good && (run(&s, error) || error->text[0] == '\0');
    clear_plugin(&s);
    if (good) pass_the_rest(&s);
    if (good && report->no_memory) good = error_memory(error);
    for (int i = 0; i < KNOWN_SOUNDS; i++) sound_free(&s.sounds[i]);
    cJSON_Delete(s.message);
    desk_close(&s.desk);
    return good;
}
