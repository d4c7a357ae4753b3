/* The same audio must give the same result, to the last byte: again, elsewhere, in other blocks, beside and after others. */
#include "engine/check/subject.h"

#include "engine/base/json.h"

#include <string.h>

/* Analyses `sound` once more, as `job` says, and compares with `expected`. `session` NULL: the default one. */
static bool compare_job(struct subject *s, struct session *session, struct session_job *job,
                        const struct answer *expected, enum check_id check, const char *how, struct error *error) {
    struct answer answer = {0};
    char difference[400];
    if (!subject_job(s, session, job, &answer, error)) return false;
    bool same = subject_compare(expected, &answer, difference, sizeof difference);
    if (json_bool(answer.measured, "one_instance", false))
        report_add(s->report, CHECK_SAME_INTERLEAVED, s->plugin, CHECK_FAILED,
                   "create returned the same instance twice");
    report_add(s->report, check, s->plugin, same ? CHECK_PASSED : CHECK_FAILED, "%s%s%s", same ? "" : how,
               same ? "" : ": ", same ? "" : difference);
    answer_clear(&answer);
    return true;
}

static bool compare(struct subject *s, struct session *session, const struct sound *sound,
                    const struct answer *expected, enum check_id check, const char *how, struct error *error) {
    struct session_job job = {.sound = sound};
    return compare_job(s, session, &job, expected, check, how, error);
}

/* In a worker of its own, which is as `spec` says. */
static bool compare_elsewhere(struct subject *s, const struct session_spec *spec, struct session_job job,
                              const struct answer *expected, enum check_id check, const char *how,
                              struct error *error) {
    struct session *session = subject_session(s, spec, NULL, error);
    if (!session) return false;
    bool good = true;
    if (session_is_ready(session))
        good = compare_job(s, session, &job, expected, check, how, error);
    else
        report_add(s->report, check, s->plugin, CHECK_FAILED, "%s: the worker %s", how, session_blame(session)->reason);
    session_close(session);
    return good;
}

/* However the audio is cut: `brief` in small blocks and in all sizes, ordinary audio in odd ones and as a whole. */
static bool check_blocks(struct subject *s, const struct sound *ordinary, const struct sound *brief,
                         struct error *error) {
    const struct {
        uint32_t frames;
        bool brief, ragged;
        const char *how;
    } cuts[] = {{777, false, false, "blocks of 777 frames"},
                {64, true, false, "blocks of 64 frames"},
                {1, true, false, "blocks of 1 frame"},
                {8192, true, true, "blocks of 1 to 8192 frames"},
                {1 << 20, false, false, "blocks of up to 245000 frames"}};
    bool good = true;
    for (size_t i = 0; good && i < sizeof cuts / sizeof *cuts && !subject_is_given_up(s); i++) {
        struct session_spec spec = {.block_frames = cuts[i].frames};
        struct session_job job = {.sound = cuts[i].brief ? brief : ordinary, .ragged = cuts[i].ragged};
        good = compare_elsewhere(s, &spec, job, cuts[i].brief ? &s->brief : &s->ordinary, CHECK_SAME_BLOCKS,
                                 cuts[i].how, error);
    }
    return good;
}

/* In a new process, so that nothing odd has gone before. */
static bool check_again(struct subject *s, struct error *error) {
    const struct sound *ordinary = subject_sound(s, ORDINARY, error), *brief = subject_sound(s, BRIEF, error);
    struct session_spec one_processor = {.one_processor = true};
    session_close(s->session);
    s->session = NULL;
    return ordinary && brief && subject_analyse(s, NULL, brief, &s->brief, error) &&
           compare(s, NULL, brief, &s->brief, CHECK_SAME_TWICE, "brief audio", error) &&
           compare(s, NULL, ordinary, &s->ordinary, CHECK_SAME_FRESH, "a new process", error) &&
           compare(s, NULL, ordinary, &s->ordinary, CHECK_SAME_TWICE, "ordinary audio", error) &&
           compare_elsewhere(s, &one_processor, (struct session_job){.sound = brief}, &s->brief, CHECK_SAME_FRESH,
                             "a process with one processor", error) &&
           check_blocks(s, ordinary, brief, error);
}

/* ------------------------------------------------------------------------------------------------------ an earlier version */

/* The plugin's description in the earlier library, or NULL. */
static const cJSON *find_earlier(const struct subject *s, const struct session *session) {
    const cJSON *one = NULL;
    cJSON_ArrayForEach(one, json_member(session_library(session, 0), "plugins")) {
        if (strcmp(json_string(one, "id", ""), s->plugin) == 0 && strcmp(json_string(one, "outcome", ""), "ok") == 0)
            return one;
    }
    return NULL;
}

static void judge_version(struct subject *s, const char *earlier, const char *difference) {
    const char *now = json_string(s->descriptor, "version", "");
    bool renamed = strcmp(earlier, now) != 0;
    if (difference && !renamed)
        report_add(s->report, CHECK_SAME_VERSION, s->plugin, CHECK_FAILED, "both are %s, but %s", now, difference);
    else
        report_add(s->report, CHECK_SAME_VERSION, s->plugin, CHECK_PASSED, "%s%s%s, %s", earlier,
                   renamed ? " became " : "", renamed ? now : "", difference ? "results differ" : "same results");
}

/* What the earlier library says about ordinary audio, beside what this one says. */
static bool compare_earlier(struct subject *s, struct session *session, struct error *error) {
    const cJSON *earlier = session_is_ready(session) ? find_earlier(s, session) : NULL;
    if (!earlier) {
        report_add(s->report, CHECK_SAME_VERSION, s->plugin, CHECK_SKIPPED,
                   "the earlier library doesn't load, or has no such plugin");
        return true;
    }
    struct session_job job = {.sound = subject_sound(s, ORDINARY, error)};
    struct answer answer = {0};
    char difference[400];
    if (!job.sound || !subject_try(s, session, &job, &answer, error)) return false;
    bool same = subject_compare(&answer, &s->ordinary, difference, sizeof difference);
    judge_version(s, json_string(earlier, "version", ""), same ? NULL : difference);
    answer_clear(&answer);
    return true;
}

static bool check_version(struct subject *s, struct error *error) {
    if (!s->options->before) return true;
    cJSON *libraries = cJSON_CreateArray();
    struct session_spec spec = {.libraries = libraries};
    struct session *session = NULL;
    bool good = libraries && subject_add_library(s, libraries, s->options->before, NULL);
    good = good ? (session = session_open(&s->desk, &spec, error)) != NULL : error_memory(error);
    good = good && compare_earlier(s, session, error);
    session_close(session);
    cJSON_Delete(libraries);
    return good;
}

/* ---------------------------------------------------------------------------------------------------- beside and after others */

/* Half of the ordinary audio, then it is no longer wanted. */
static bool abandon(struct subject *s, struct error *error) {
    const struct sound *sound = subject_sound(s, ORDINARY, error);
    struct session_job job = {.sound = sound, .stop_after = sound ? sound->frames / 2 : 0};
    struct answer answer = {0};
    bool good = sound && subject_job(s, NULL, &job, &answer, error);
    if (good && answer.died)
        report_add(s->report, CHECK_SAME_AFTER_ABANDON, s->plugin, CHECK_FAILED, "while abandoning: %s", answer.reason);
    answer_clear(&answer);
    return good;
}

/* Ordinary audio and odd silence first. */
static bool check_after_others(struct subject *s, const struct sound *brief, struct error *error) {
    const struct sound *ordinary = subject_sound(s, ORDINARY, error);
    struct answer other = {0};
    struct sound silence;
    if (!ordinary || !sound_make(&silence, SOUND_SILENCE, 48000, 3, 4800, error)) return false;
    bool good = subject_analyse(s, NULL, ordinary, &other, error);
    answer_clear(&other);
    good = good && subject_analyse(s, NULL, &silence, &other, error);
    answer_clear(&other);
    sound_free(&silence);
    return good && compare(s, NULL, brief, &s->brief, CHECK_SAME_AFTER_OTHERS, "after others", error);
}

static bool check_after_abandon(struct subject *s, const struct sound *brief, struct error *error) {
    struct answer before = {0};
    bool good = subject_analyse(s, NULL, brief, &before, error) && abandon(s, error) &&
                compare(s, NULL, brief, &before, CHECK_SAME_AFTER_ABANDON, "after an abandoned region", error);
    answer_clear(&before);
    return good;
}

/* Two places inside a file, so that neither touches its edges. */
static bool check_position(struct subject *s, const struct sound *brief, struct error *error) {
    struct session_job earlier = {.sound = brief, .start = 2}, later = {.sound = brief, .start = 1234.5};
    struct answer there = {0};
    bool good = subject_job(s, NULL, &earlier, &there, error) &&
                compare_job(s, NULL, &later, &there, CHECK_SAME_POSITION, "elsewhere in the file", error);
    answer_clear(&there);
    return good;
}

static bool check_beside(struct subject *s, struct error *error) {
    const struct sound *brief = subject_sound(s, BRIEF, error);
    struct session_spec twins = {.twins = true};
    return brief && check_after_others(s, brief, error) && check_after_abandon(s, brief, error) &&
           compare_elsewhere(s, &twins, (struct session_job){.sound = brief}, &s->brief, CHECK_SAME_INTERLEAVED,
                             "beside a second instance", error) &&
           check_position(s, brief, error);
}

bool check_sameness(struct subject *s, struct error *error) {
    const struct sound *brief = subject_sound(s, BRIEF, error);
    if (!brief) return false;
    if (!subject_is_deterministic(s)) {
        for (int check = CHECK_SAME_TWICE; check <= CHECK_SAME_POSITION; check++)
            report_add(s->report, (enum check_id)check, s->plugin, CHECK_SKIPPED,
                       "it doesn't claim to be deterministic");
        return subject_analyse(s, NULL, brief, &s->brief, error);
    }
    return check_again(s, error) && check_version(s, error) &&
           (s->options->level < 6 || subject_is_given_up(s) || check_beside(s, error));
}
