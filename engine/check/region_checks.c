/* One region after the other: ordinary ones first, then odd ones. */
#include "engine/check/subject.h"

#include "engine/base/json.h"

#include <stdio.h>
#include <string.h>

/* An odd region. */
struct odd {
    enum check_id check;
    enum sound_kind kind;
    uint32_t rate, channels;
    double seconds; /* 0: `frames` */
    int64_t frames;
};

static const struct odd odd[] = {
    {CHECK_REGION_SILENT, SOUND_SILENCE, 44100, 2, 2, 0},
    {CHECK_REGION_CONSTANT, SOUND_CONSTANT, 44100, 1, 2, 0},
    {CHECK_REGION_LOUD, SOUND_LOUD, 44100, 2, 2, 0},
    {CHECK_REGION_NONFINITE, SOUND_NONFINITE, 44100, 2, 2, 0},
    {CHECK_REGION_NOISE, SOUND_NOISE, 44100, 2, 2, 0},
    {CHECK_REGION_DENORMAL, SOUND_FAINT, 44100, 2, 1, 0},
    {CHECK_REGION_DENORMAL, SOUND_FADING, 44100, 2, 4, 0},
    {CHECK_REGION_ONE_SAMPLE, SOUND_MUSIC, 44100, 1, 0, 1},
    {CHECK_REGION_ONE_SAMPLE, SOUND_SILENCE, 8000, 2, 0, 1},
    {CHECK_REGION_SHORT, SOUND_MUSIC, 768000, 1, 0, 1}, /* at 16 kHz not even one sample comes of it */
    {CHECK_REGION_SHORT, SOUND_MUSIC, 44100, 1, 0, 2},
    {CHECK_REGION_SHORT, SOUND_MUSIC, 44100, 1, 0, 63},
    {CHECK_REGION_SHORT, SOUND_MUSIC, 44100, 2, 0, 1025},
    {CHECK_REGION_SHORT, SOUND_MUSIC, 22050, 1, 0, 4097},
    {CHECK_REGION_RATES, SOUND_MUSIC, 1000, 1, 1.2, 0},
    {CHECK_REGION_RATES, SOUND_MUSIC, 8000, 2, 1.2, 0},
    {CHECK_REGION_RATES, SOUND_MUSIC, 11025, 1, 1.2, 0},
    {CHECK_REGION_RATES, SOUND_MUSIC, 44056, 1, 1.2, 0},
    {CHECK_REGION_RATES, SOUND_MUSIC, 48000, 2, 1.2, 0},
    {CHECK_REGION_RATES, SOUND_MUSIC, 96000, 1, 1.2, 0},
    {CHECK_REGION_RATES, SOUND_MUSIC, 192000, 1, 1.2, 0},
    {CHECK_REGION_RATES, SOUND_MUSIC, 768000, 1, 0.6, 0},
    {CHECK_REGION_CHANNELS, SOUND_MUSIC, 44100, 1, 0.6, 0},
    {CHECK_REGION_CHANNELS, SOUND_MUSIC, 44100, 3, 0.6, 0},
    {CHECK_REGION_CHANNELS, SOUND_MUSIC, 44100, 6, 0.6, 0},
    {CHECK_REGION_CHANNELS, SOUND_MUSIC, 44100, 8, 0.6, 0},
    {CHECK_REGION_CHANNELS, SOUND_MUSIC, 22050, 32, 0.6, 0},
};

static void judge(struct subject *s, enum check_id check, const struct sound *sound, const struct answer *answer) {
    enum check_status status = CHECK_PASSED;
    int64_t code = json_integer(answer->measured, "code", 0);
    bool refused = json_string(answer->measured, "refused", NULL) || code < 0 || code > 5;
    if (strcmp(answer->outcome, "failed") == 0) status = CHECK_WARNED; /* it gave up in good order */
    if (answer->died || refused || strcmp(answer->outcome, "memory") == 0) status = CHECK_FAILED;
    if (strcmp(answer->outcome, "skipped") == 0) status = CHECK_SKIPPED;
    if (status == CHECK_PASSED)
        report_add(s->report, check, s->plugin, status, "%s", "");
    else
        report_add(s->report, check, s->plugin, status, "%s: %s: %s", sound->name, answer->outcome, answer->reason);
}

/* All that a file may say about itself, and what a region in the middle of a long one is told. */
static cJSON *make_facts(void) {
    static const char *const text =
        "{\"bpm\": 999, \"key\": \"H\u266d mixolydian, or so\", \"loops\": [{\"start\": 0, \"end\": 1}, {\"start\": 7, "
        "\"end\": 4000000000000}], \"index\": 2147483647, \"regions\": 2147483647, \"part\": 59, \"parts\": 60, \"lead\": "
        "100000000000, \"tail\": 100000000000, \"file_frames\": 9000000000000, \"seed\": \"ffffffffffffffff\"}";
    return cJSON_Parse(text);
}

static bool check_facts(struct subject *s, struct error *error) {
    const struct sound *sound = subject_sound(s, BRIEF, error);
    struct answer answer = {0};
    cJSON *facts = make_facts();
    struct session_job job = {.sound = sound, .start = 40000000, .facts = facts};
    bool good = facts ? sound && subject_job(s, NULL, &job, &answer, error) : error_memory(error);
    if (good) judge(s, CHECK_REGION_FACTS, sound, &answer);
    answer_clear(&answer);
    cJSON_Delete(facts);
    return good;
}

static bool check_odd(struct subject *s, const struct odd *o, struct error *error) {
    struct sound sound;
    struct answer answer = {0};
    int64_t frames = o->seconds > 0 ? (int64_t)(o->seconds * o->rate) : o->frames;
    bool good = sound_make(&sound, o->kind, o->rate, o->channels, frames, error) &&
                subject_analyse(s, NULL, &sound, &answer, error);
    if (good) judge(s, o->check, &sound, &answer);
    answer_clear(&answer);
    sound_free(&sound);
    return good;
}

/* Brief audio first: whoever fails with that needn't be waited for any longer. */
static bool check_ordinary(struct subject *s, struct error *error) {
    const struct sound *sound = subject_sound(s, BRIEF, error);
    struct answer *a = &s->ordinary;
    if (!sound || !subject_analyse(s, NULL, sound, a, error)) return false;
    if (answer_is_orderly(a)) {
        answer_clear(a);
        sound = subject_sound(s, ORDINARY, error);
        if (!sound || !subject_analyse(s, NULL, sound, a, error)) return false;
    }
    bool told = strcmp(a->outcome, "ok") == 0 || strcmp(a->outcome, "empty") == 0;
    enum check_status status = told ? CHECK_PASSED : CHECK_FAILED;
    if (strcmp(a->outcome, "skipped") == 0) status = CHECK_SKIPPED;
    bool quiet = strcmp(a->outcome, "ok") == 0;
    report_add(s->report, CHECK_RUN_ORDINARY, s->plugin, status, "%s%s%s", quiet ? "" : a->outcome,
               a->reason[0] ? ": " : "", a->reason);
    return true;
}

bool check_regions(struct subject *s, struct error *error) {
    if (!check_ordinary(s, error)) return false;
    if (s->options->level < 4 || !answer_is_orderly(&s->ordinary)) return true;
    for (size_t i = 0; i < sizeof odd / sizeof *odd && !subject_is_given_up(s); i++)
        if (!check_odd(s, &odd[i], error)) return false;
    if (!subject_is_given_up(s) && !check_facts(s, error)) return false;
    if (s->options->level < 10 || subject_is_given_up(s)) return true;
    struct answer answer = {0};
    const struct sound *sound = subject_sound(s, LONG, error);
    bool good = sound && subject_analyse(s, NULL, sound, &answer, error);
    if (good) judge(s, CHECK_REGION_LONG, sound, &answer);
    answer_clear(&answer);
    return good;
}
