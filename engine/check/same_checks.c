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

/* In a worker of its own, with blocks of that many frames. */
static bool compare_elsewhere(struct subject *s, uint32_t block_frames, bool twins, const struct sound *sound,
                              const struct answer *expected, enum check_id check, const char *how,
                              struct error *error) {
    struct session *session = subject_session(s, block_frames, twins, NULL, error);
    if (!session) return false;
    bool good = true;
    if (session_is_ready(session))
        good = compare(s, session, sound, expected, check, how, error);
    else
        report_add(s->report, check, s->plugin, CHECK_FAILED, "%s: the worker %s", how, session_blame(session)->reason);
    session_close(session);
    return good;
}

/* In a new process, so that nothing odd has gone before. */
static bool check_again(struct subject *s, struct error *error) {
    const struct sound *ordinary = subject_sound(s, ORDINARY, error), *brief = subject_sound(s, BRIEF, error);
    session_close(s->session);
    s->session = NULL;
    return ordinary && brief && subject_analyse(s, NULL, brief, &s->brief, error) &&
           compare(s, NULL, brief, &s->brief, CHECK_SAME_TWICE, "brief audio", error) &&
           compare(s, NULL, ordinary, &s->ordinary, CHECK_SAME_FRESH, "a new process", error) &&
           compare(s, NULL, ordinary, &s->ordinary, CHECK_SAME_TWICE, "ordinary audio", error) &&
           compare_elsewhere(s, 777, false, ordinary, &s->ordinary, CHECK_SAME_BLOCKS, "blocks of 777 frames", error) &&
           compare_elsewhere(s, 64, false, brief, &s->brief, CHECK_SAME_BLOCKS, "blocks of 64 frames", error) &&
           compare_elsewhere(s, 1, false, brief, &s->brief, CHECK_SAME_BLOCKS, "blocks of 1 frame", error);
}

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

static bool check_beside(struct subject *s, struct error *error) {
    const struct sound *brief = subject_sound(s, BRIEF, error), *ordinary = subject_sound(s, ORDINARY, error);
    struct answer other = {0};
    struct sound silence;
    bool good = brief && ordinary && sound_make(&silence, SOUND_SILENCE, 48000, 3, 4800, error);
    if (!good) return false;
    struct session_job later = {.sound = brief, .start = 1234.5};
    good = subject_analyse(s, NULL, ordinary, &other, error);
    answer_clear(&other);
    good = good && subject_analyse(s, NULL, &silence, &other, error);
    answer_clear(&other);
    good = good && compare(s, NULL, brief, &s->brief, CHECK_SAME_AFTER_OTHERS, "after others", error) &&
           subject_analyse(s, NULL, brief, &other, error) && abandon(s, error) &&
           compare(s, NULL, brief, &other, CHECK_SAME_AFTER_ABANDON, "after an abandoned region", error) &&
           compare_elsewhere(s, 0, true, brief, &s->brief, CHECK_SAME_INTERLEAVED, "beside a second instance", error);
    answer_clear(&other);
    if (good) {
        /* Two places inside a file, so that neither touches its edges. */
        struct answer middle = {0};
        struct session_job earlier = {.sound = brief, .start = 2};
        good = subject_job(s, NULL, &earlier, &middle, error) &&
               compare_job(s, NULL, &later, &middle, CHECK_SAME_POSITION, "elsewhere in the file", error);
        answer_clear(&middle);
    }
    sound_free(&silence);
    return good;
}

bool check_sameness(struct subject *s, struct error *error) {
    const cJSON *one = NULL;
    bool claimed = false;
    cJSON_ArrayForEach(one, json_member(s->descriptor, "flags"))
        claimed |= cJSON_IsString(one) && strcmp(one->valuestring, "deterministic") == 0;
    if (!claimed) {
        for (int check = CHECK_SAME_TWICE; check <= CHECK_SAME_POSITION; check++)
            report_add(s->report, (enum check_id)check, s->plugin, CHECK_SKIPPED,
                       "it doesn't claim to be deterministic");
        return subject_analyse(s, NULL, subject_sound(s, BRIEF, error), &s->brief, error);
    }
    return check_again(s, error) && (s->options->level < 6 || subject_is_given_up(s) || check_beside(s, error));
}
