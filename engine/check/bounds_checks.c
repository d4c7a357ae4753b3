/* Whether a plugin stays within the blocks that it is given: they lie between pages that nobody may touch. */
#include "engine/check/subject.h"

#include "engine/base/json.h"

#include <string.h>

/* The same audio once more, between guards. Who dies of that, or says something else, has touched what isn't its own. */
static bool try_guard(struct subject *s, const char *side, const char *what, struct error *error) {
    struct session_spec spec = {.guard = side};
    struct session_job job = {.sound = subject_sound(s, BRIEF, error)};
    struct session *session = job.sound ? subject_session(s, &spec, NULL, error) : NULL;
    struct answer answer = {0};
    char difference[300];
    bool good = session != NULL;
    if (good && session_is_ready(session)) good = subject_try(s, session, &job, &answer, error);
    if (answer.died) {
        bool crashed = strcmp(answer.outcome, "crashed") == 0, later = strcmp(answer.phase, "process") != 0;
        s->deaths++;
        report_add(s->report, CHECK_RUN_BOUNDS, s->plugin, crashed ? CHECK_FAILED : CHECK_SKIPPED, "%s%s%s",
                   !crashed ? ""
                   : later  ? "it touched a block whose call was over"
                            : what,
                   crashed ? ": " : "", answer.reason);
    } else if (good && answer.outcome[0] && subject_is_deterministic(s) &&
               !subject_compare(&s->brief, &answer, difference, sizeof difference)) {
        report_add(s->report, CHECK_RUN_BOUNDS, s->plugin, CHECK_FAILED, "%s, and used it: %s", what, difference);
    }
    answer_clear(&answer);
    session_close(session);
    return good;
}

bool check_bounds(struct subject *s, struct error *error) {
    if (!try_guard(s, "before", "it touched what comes before a block, or one whose call was over", error) ||
        !try_guard(s, "after", "it touched what comes after the end of a block", error))
        return false;
    report_pass(s->report, CHECK_RUN_BOUNDS, s->plugin);
    return true;
}
