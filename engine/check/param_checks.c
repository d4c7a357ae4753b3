/* Parameters: the defaults, said aloud, the ends of every range, and whatever lies between them. */
#include "engine/check/subject.h"

#include "engine/base/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_PARAMETERS 100 /* whose ends are tried */
#define RANDOM_SETS    16

/* One trial: settings of the plugin, in a worker of their own. */
struct trial {
    enum check_id check; /* that it belongs to */
    cJSON *settings;     /* taken; NULL: no memory */
    const char *what;    /* "threshold = 3" */
    bool may_refuse;     /* create may refuse them, or the region fail, with a warning: they need not go together */
    bool twice;          /* the result must be the same the second time */
    const struct answer *expected; /* the result must be that one; NULL: any */
};

static void record(struct subject *s, const struct trial *t, bool grave, const char *how, const char *reason) {
    report_add(s->report, t->check, s->plugin, grave ? CHECK_FAILED : CHECK_WARNED, "with %s: %s%s%s", t->what, how,
               how[0] ? ": " : "", reason);
}

/* Whether create took the settings. */
static bool judge_create(struct subject *s, const struct trial *t, const struct session *session) {
    const cJSON *one = NULL;
    cJSON_ArrayForEach(one, json_member(session_library(session, 0), "plugins")) {
        if (strcmp(json_string(one, "id", ""), s->plugin) != 0 || strcmp(json_string(one, "outcome", ""), "ok") == 0)
            continue;
        record(s, t, !t->may_refuse, "", json_string(one, "reason", "create failed"));
        return false;
    }
    if (session_is_ready(session)) return true;
    s->deaths++;
    record(s, t, true, "its worker", session_blame(session)->reason);
    return false;
}

static void judge_answer(struct subject *s, const struct trial *t, const struct answer *answer) {
    bool gave_up = strcmp(answer->outcome, "failed") == 0 && !json_string(answer->measured, "refused", NULL);
    if (!answer_is_orderly(answer)) record(s, t, !t->may_refuse || !gave_up, answer->outcome, answer->reason);
}

static void judge_same(struct subject *s, const struct trial *t, const struct answer *expected,
                       const struct answer *answer, const char *how) {
    char difference[300];
    if (subject_is_deterministic(s) && !subject_compare(expected, answer, difference, sizeof difference))
        record(s, t, true, how, difference);
}

static bool run_trial(struct subject *s, const struct trial *t, struct error *error) {
    const struct sound *sound = subject_sound(s, BRIEF, error);
    struct session *session = t->settings ? subject_session(s, NULL, t->settings, error) : NULL;
    if (!session || !sound) {
        session_close(session);
        return t->settings ? false : error_memory(error);
    }
    struct answer first = {0}, second = {0};
    bool made = judge_create(s, t, session), good = !made || subject_analyse(s, session, sound, &first, error);
    if (made && good) {
        judge_answer(s, t, &first);
        if (t->expected) judge_same(s, t, t->expected, &first, "not what it says without");
    }
    if (made && good && t->twice && answer_is_orderly(&first)) {
        good = subject_analyse(s, session, sound, &second, error);
        if (good) judge_same(s, t, &first, &second, "not the same again");
    }
    answer_clear(&first);
    answer_clear(&second);
    session_close(session);
    return good;
}

/* ------------------------------------------------------------------------------------------------------------------- ends */

static const char *kind_of(const cJSON *param) {
    return json_string(param, "kind", "");
}

static bool is_number(const cJSON *param) {
    return strcmp(kind_of(param), "number") == 0 || strcmp(kind_of(param), "integer") == 0;
}

/* One parameter at `value` (taken), which is written as `text`; the others at their defaults. */
static bool try_end(struct subject *s, const cJSON *param, cJSON *value, const char *text, struct error *error) {
    const char *id = json_string(param, "id", "");
    char what[240];
    (void)snprintf(what, sizeof what, "%.100s = %.100s", id, text);
    struct trial trial = {.check = CHECK_PARAMS_RANGE, .settings = cJSON_CreateObject(), .what = what};
    if (trial.settings && value && cJSON_AddItemToObject(trial.settings, id, value)) return run_trial(s, &trial, error);
    cJSON_Delete(value);
    cJSON_Delete(trial.settings);
    return error_memory(error);
}

static bool try_number(struct subject *s, const cJSON *param, double value, struct error *error) {
    char text[32];
    (void)snprintf(text, sizeof text, "%g", value);
    return try_end(s, param, cJSON_CreateNumber(value), text, error);
}

static bool try_ends(struct subject *s, const cJSON *param, struct error *error) {
    const cJSON *choice = NULL;
    if (strcmp(kind_of(param), "boolean") == 0) return try_number(s, param, 0, error) && try_number(s, param, 1, error);
    if (is_number(param))
        return try_number(s, param, json_number(param, "min", 0), error) &&
               try_number(s, param, json_number(param, "max", 0), error);
    cJSON_ArrayForEach(choice, json_member(param, "choices")) {
        const char *text = cJSON_IsString(choice) ? choice->valuestring : "";
        if (!try_end(s, param, cJSON_CreateString(text), text, error)) return false;
    }
    return true;
}

/* ----------------------------------------------------------------------------------------------------------------- random */

/* From 0 to almost 1, by the seed and the numbers of set and parameter. */
static double chance(const struct subject *s, int set, int param) {
    uint64_t n = ((uint64_t)s->options->seed << 32) + (uint64_t)set * 65536 + (uint64_t)param;
    return (double)(sound_random(sound_random(n + 1)) >> 11) / 9007199254740992.0; /* 2^53 */
}

/* Any number of the range; where it is wide and positive, small ones as often as large ones. */
static double random_number(const cJSON *param, double x) {
    double min = json_number(param, "min", 0), max = json_number(param, "max", 0);
    double value = min > 0 && max > 100 * min ? min * pow(max / min, x) : min * (1 - x) + max * x;
    if (strcmp(kind_of(param), "integer") == 0) value = floor(value + 0.5);
    return value < min ? min : value > max ? max : value;
}

/* A value of that parameter; NULL: none but the default is known to be good, or there is no memory. */
static cJSON *random_value(const cJSON *param, double x) {
    const cJSON *choices = json_member(param, "choices");
    int count = cJSON_GetArraySize(choices);
    if (strcmp(kind_of(param), "boolean") == 0) return cJSON_CreateBool(x < 0.5);
    if (is_number(param)) return cJSON_CreateNumber(random_number(param, x));
    return count > 0 ? cJSON_Duplicate(cJSON_GetArrayItem(choices, (int)(x * count)), true) : NULL;
}

static bool try_set(struct subject *s, int set, struct error *error) {
    cJSON *settings = cJSON_CreateObject(), *value;
    const cJSON *param = NULL;
    int number = 0;
    cJSON_ArrayForEach(param, json_member(s->descriptor, "params")) {
        if ((value = random_value(param, chance(s, set, number++))) != NULL)
            (void)cJSON_AddItemToObject(settings, json_string(param, "id", ""), value);
    }
    char what[400], *text = settings ? json_print(settings) : NULL;
    (void)snprintf(what, sizeof what, "set %d of seed %u, %.300s", set, s->options->seed, text ? text : "");
    cJSON_free(text);
    struct trial trial = {
        .check = CHECK_PARAMS_RANDOM, .settings = settings, .what = what, .may_refuse = true, .twice = true};
    return run_trial(s, &trial, error);
}

/* ----------------------------------------------------------------------------------------------------------------- checks */

static bool check_defaults(struct subject *s, const cJSON *params, struct error *error) {
    struct trial trial = {.check = CHECK_PARAMS_DEFAULTS,
                          .settings = cJSON_CreateObject(),
                          .what = "its defaults",
                          .expected = &s->brief};
    const cJSON *param = NULL;
    cJSON_ArrayForEach(param, params) {
        const cJSON *value = json_member(param, "default");
        if (value)
            (void)cJSON_AddItemToObject(trial.settings, json_string(param, "id", ""), cJSON_Duplicate(value, true));
    }
    bool good = run_trial(s, &trial, error);
    report_pass(s->report, CHECK_PARAMS_DEFAULTS, s->plugin);
    return good;
}

bool check_params(struct subject *s, struct error *error) {
    const cJSON *params = json_member(s->descriptor, "params"), *param = NULL;
    if (!params || !params->child) return true;
    bool good = check_defaults(s, params, error);
    int count = 0;
    cJSON_ArrayForEach(param, params) {
        if (good && count++ < MAX_PARAMETERS && !subject_is_given_up(s)) good = try_ends(s, param, error);
    }
    for (int set = 1; good && set <= RANDOM_SETS && !subject_is_given_up(s); set++) good = try_set(s, set, error);
    report_pass(s->report, CHECK_PARAMS_RANGE, s->plugin);
    report_add(s->report, CHECK_PARAMS_RANDOM, s->plugin, CHECK_PASSED, "%d sets of seed %u", RANDOM_SETS,
               s->options->seed);
    return good;
}
