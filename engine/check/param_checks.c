/* Parameters: the defaults, said aloud, and the ends of every range. */
#include "engine/check/subject.h"

#include "engine/base/json.h"

#include <stdio.h>
#include <string.h>

#define MAX_SETTINGS 200 /* workers that are started for it */

/* Analyses brief audio with these settings (taken) in a worker of its own. `what`: "threshold = 3". */
static bool try_settings(struct subject *s, cJSON *settings, const char *what, bool defaults, struct error *error) {
    const struct sound *sound = subject_sound(s, BRIEF, error);
    struct session *session = sound && settings ? subject_session(s, 0, false, settings, error) : NULL;
    if (!session) return false;
    const cJSON *plugins = json_member(session_library(session, 0), "plugins"), *one = NULL;
    cJSON_ArrayForEach(one, plugins) {
        if (strcmp(json_string(one, "id", ""), s->plugin) != 0 || strcmp(json_string(one, "outcome", ""), "ok") == 0)
            continue;
        report_add(s->report, CHECK_PARAMS_RANGE, s->plugin, CHECK_FAILED, "with %s: %s", what,
                   json_string(one, "reason", "create failed"));
    }
    struct answer answer = {0};
    char difference[300];
    bool good = true;
    if (!session_is_ready(session)) {
        report_add(s->report, CHECK_PARAMS_RANGE, s->plugin, CHECK_FAILED, "with %s: its worker %s", what,
                   session_blame(session)->reason);
    } else if ((good = subject_analyse(s, session, sound, &answer, error))) {
        bool same = !defaults || subject_compare(&s->brief, &answer, difference, sizeof difference);
        if (!same) report_add(s->report, CHECK_PARAMS_DEFAULTS, s->plugin, CHECK_FAILED, "%s", difference);
        if (!answer_is_orderly(&answer))
            report_add(s->report, CHECK_PARAMS_RANGE, s->plugin, CHECK_FAILED, "with %s: %s: %s", what, answer.outcome,
                       answer.reason);
    }
    answer_clear(&answer);
    session_close(session);
    return good;
}

static bool try_number(struct subject *s, const char *id, double value, struct error *error) {
    char what[160];
    cJSON *settings = cJSON_CreateObject();
    if (!settings || !cJSON_AddNumberToObject(settings, id, value)) {
        cJSON_Delete(settings);
        return error_memory(error);
    }
    (void)snprintf(what, sizeof what, "%.100s = %g", id, value);
    return try_settings(s, settings, what, false, error);
}

static bool try_text(struct subject *s, const char *id, const char *value, struct error *error) {
    char what[240];
    cJSON *settings = cJSON_CreateObject();
    if (!settings || !cJSON_AddStringToObject(settings, id, value)) {
        cJSON_Delete(settings);
        return error_memory(error);
    }
    (void)snprintf(what, sizeof what, "%.100s = %.100s", id, value);
    return try_settings(s, settings, what, false, error);
}

static bool try_parameter(struct subject *s, const cJSON *param, struct error *error) {
    const char *id = json_string(param, "id", ""), *kind = json_string(param, "kind", "");
    const cJSON *choice = NULL;
    bool good = true;
    if (strcmp(kind, "boolean") == 0) return try_number(s, id, 0, error) && try_number(s, id, 1, error);
    if (strcmp(kind, "number") == 0 || strcmp(kind, "integer") == 0)
        return try_number(s, id, json_number(param, "min", 0), error) &&
               try_number(s, id, json_number(param, "max", 0), error);
    cJSON_ArrayForEach(choice, json_member(param, "choices"))
        good = good && (!cJSON_IsString(choice) || try_text(s, id, choice->valuestring, error));
    return good;
}

bool check_params(struct subject *s, struct error *error) {
    const cJSON *params = json_member(s->descriptor, "params"), *param = NULL;
    cJSON *defaults = cJSON_CreateObject();
    int count = 0;
    bool good = defaults != NULL ? true : error_memory(error);
    cJSON_ArrayForEach(param, params) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(param, "default");
        if (good && value)
            good = cJSON_AddItemToObject(defaults, json_string(param, "id", ""), cJSON_Duplicate(value, true));
    }
    if (!good || !params || !params->child) {
        cJSON_Delete(defaults);
        return good;
    }
    good = try_settings(s, defaults, "its defaults", true, error);
    cJSON_ArrayForEach(param, params) if (good && count++ < MAX_SETTINGS / 2 && !subject_is_given_up(s))
        good = try_parameter(s, param, error);
    report_add(s->report, CHECK_PARAMS_DEFAULTS, s->plugin, CHECK_PASSED, "%s", "");
    report_add(s->report, CHECK_PARAMS_RANGE, s->plugin, CHECK_PASSED, "%s", "");
    return good;
}
