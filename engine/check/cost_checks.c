/* What a plugin costs. Times are processor times of one run, and only their ratios are judged; memory is counted. */
#include "engine/check/subject.h"

#include "engine/base/json.h"

#include <math.h>

#define REPEATS      3
#define SHORT        2.0   /* s */
#define TIMES_LONGER 4     /* the long sound to the short one */
#define RATIO        9.0   /* 4 is linear, 16 quadratic */
#define SECOND_LOOKS 4     /* before a plugin is said to be above RATIO: what slows it every time is its own */
#define SLOWED       5.0   /* that audio near the smallest numbers may take, times */
#define LEAST_US     20000 /* of the long one: less is too little to judge by */
#define MOST_SECONDS 600.0 /* of a region */
#define REGIONS      1000
#define LAST         100                  /* of them: the least after one of these counts */
#define LEAK_BYTES   8.192                /* a region, from the 500th on */
#define MOST_HELD    ((double)(32 << 20)) /* more than after the first region: no need to go on */

/* The best of some runs. */
struct cost {
    double cpu_us;
    int64_t peak;
    double calls, allocations; /* of process; allocations < 0: not counted */
    bool orderly;
};

/* Until it takes no more than `enough_us`, but not more often than REPEATS. */
static bool measure(struct subject *s, enum sound_kind kind, double seconds, double enough_us, struct cost *cost,
                    struct error *error) {
    struct sound sound;
    bool good = sound_make(&sound, kind, 44100, 1, (int64_t)(seconds * 44100), error);
    *cost = (struct cost){.orderly = true, .allocations = -1, .cpu_us = HUGE_VAL};
    for (int i = 0; good && i < REPEATS && cost->orderly && cost->cpu_us > enough_us; i++) {
        struct answer a = {0};
        good = subject_analyse(s, NULL, &sound, &a, error);
        if (a.cpu_us < cost->cpu_us) cost->cpu_us = a.cpu_us;
        if (i == 0 || a.peak_bytes < cost->peak) cost->peak = a.peak_bytes;
        cost->calls = json_number(a.measured, "calls", 0);
        double allocations = json_number(a.measured, "allocations", -1);
        if (i == 0 || allocations < cost->allocations) cost->allocations = allocations;
        cost->orderly = good && answer_is_orderly(&a);
        answer_clear(&a);
    }
    sound_free(&sound);
    return good;
}

static double time_ratio(const struct cost *brief, const struct cost *longer) {
    return longer->cpu_us >= LEAST_US && brief->cpu_us > 0 ? longer->cpu_us / brief->cpu_us : 0;
}

/* A machine that is busy elsewhere makes all three runs of one of them slow now and then; another time it doesn't. */
static bool look_again(struct subject *s, struct cost *brief, struct cost *longer, struct error *error) {
    for (int i = 0; i < SECOND_LOOKS && time_ratio(brief, longer) > RATIO && !subject_is_given_up(s); i++) {
        struct cost a, b;
        if (!measure(s, SOUND_MUSIC, SHORT, 0, &a, error) ||
            !measure(s, SOUND_MUSIC, SHORT * TIMES_LONGER, 0, &b, error))
            return false;
        /* Their peaks say nothing: the process has been higher before. */
        if (a.orderly && a.cpu_us < brief->cpu_us) brief->cpu_us = a.cpu_us;
        if (b.orderly && b.cpu_us < longer->cpu_us) longer->cpu_us = b.cpu_us;
    }
    return true;
}

static void judge_time(struct subject *s, const struct cost *brief, const struct cost *longer) {
    double ratio = time_ratio(brief, longer);
    if (longer->cpu_us < LEAST_US)
        report_add(s->report, CHECK_COST_SCALING, s->plugin, CHECK_PASSED, "too fast to tell");
    else
        report_add(s->report, CHECK_COST_SCALING, s->plugin, ratio <= RATIO ? CHECK_PASSED : CHECK_FAILED,
                   "%d times the audio took %.1f times as long", TIMES_LONGER, ratio);
}

static void judge_memory(struct subject *s, const struct cost *brief, const struct cost *longer) {
    double a_second = (double)(longer->peak - brief->peak) / (SHORT * (TIMES_LONGER - 1));
    double most = (double)longer->peak + (a_second > 0 ? a_second : 0) * (MOST_SECONDS - SHORT * TIMES_LONGER);
    double limit = (double)s->options->memory_limit / 2; /* others in the process need some too */
    report_add(s->report, CHECK_COST_MEMORY, s->plugin, most <= limit ? CHECK_PASSED : CHECK_FAILED,
               "%.0f MiB for ten minutes, of %.0f that it may count on", most / (1 << 20), limit / (1 << 20));
}

static void judge_allocations(struct subject *s, const struct cost *brief, const struct cost *longer) {
    if (longer->allocations < 0) {
        report_add(s->report, CHECK_COST_ALLOCATIONS, s->plugin, CHECK_SKIPPED, "not counted in this build");
        return;
    }
    double calls = longer->calls - brief->calls, more = longer->allocations - brief->allocations;
    report_add(s->report, CHECK_COST_ALLOCATIONS, s->plugin, more <= 8 + calls / 10 ? CHECK_PASSED : CHECK_FAILED,
               "%.0f more allocations in %.0f more calls of process", more, calls);
}

/* Beside `longer`, which is the same music, as loud as music is. */
static bool check_denormal(struct subject *s, const struct cost *longer, struct error *error) {
    static const enum sound_kind kinds[] = {SOUND_FAINT, SOUND_FADING};
    double limit = SLOWED * longer->cpu_us;
    if (limit < SLOWED * LEAST_US) limit = SLOWED * LEAST_US;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !subject_is_given_up(s); i++) {
        struct cost cost;
        if (!measure(s, kinds[i], SHORT * TIMES_LONGER, limit, &cost, error)) return false;
        if (cost.orderly && cost.cpu_us > limit)
            report_add(s->report, CHECK_COST_DENORMAL, s->plugin, CHECK_FAILED, "%s took %.1f times as long as other",
                       i == 0 ? "music of 1e-20" : "music that dies away", cost.cpu_us / longer->cpu_us);
    }
    report_pass(s->report, CHECK_COST_DENORMAL, s->plugin);
    return true;
}

/* ---------------------------------------------------------------------------------------------------------------- leaks */

/* Bytes held after regions; negative: not counted. */
struct held {
    double first, least; /* after the first region; the least after one of the last hundred so far */
    double most;
    int regions;
    bool orderly;
};

/* Regions [from, to). */
static bool run_regions(struct subject *s, const struct sound *sound, int from, int to, struct held *held,
                        struct error *error) {
    bool good = true;
    for (int i = from; good && held->orderly && held->most - held->first <= MOST_HELD && i < to; i++) {
        struct answer a = {0};
        good = subject_analyse(s, NULL, sound, &a, error);
        double now = json_number(a.measured, "held", -1);
        if (i == 0) held->first = held->most = now;
        if (i <= to - LAST || now < held->least) held->least = now;
        if (now > held->most) held->most = now;
        held->orderly = good && answer_is_orderly(&a);
        held->regions = i + 1;
        answer_clear(&a);
    }
    return good;
}

/* How many bytes a region are lost: 0 when it is less than LEAK_BYTES. A message that is still on its way when memory is
 * counted, as on a busy machine it may be for long, is less than that over many regions. */
static bool measure_leak(struct subject *s, const struct sound *sound, struct held *held, double *lost,
                         struct error *error) {
    static const int ends[] = {REGIONS, 3 * REGIONS}; /* the second only if the first says so */
    *lost = 0;
    if (!run_regions(s, sound, 0, REGIONS / 2, held, error)) return false;
    double before = held->least;
    for (int i = 0, from = REGIONS / 2; i < 2 && (i == 0 || *lost > 0); from = ends[i++]) {
        if (!run_regions(s, sound, from, ends[i], held, error)) return false;
        double each = (held->least - before) / (ends[i] - REGIONS / 2);
        *lost = each > LEAK_BYTES ? each : 0;
    }
    return true;
}

static bool check_leak(struct subject *s, struct error *error) {
    const struct sound *sound = subject_sound(s, SHORTEST, error);
    struct held held = {.orderly = true};
    double lost;
    if (!sound || !measure_leak(s, sound, &held, &lost, error)) return false;
    if (!held.orderly)
        report_add(s->report, CHECK_COST_LEAK, s->plugin, CHECK_FAILED, "it didn't get through region %d",
                   held.regions);
    else if (held.first < 0)
        report_add(s->report, CHECK_COST_LEAK, s->plugin, CHECK_SKIPPED, "not counted in this build");
    else if (held.most - held.first > MOST_HELD)
        report_add(s->report, CHECK_COST_LEAK, s->plugin, CHECK_FAILED, "%.0f MiB more than after the first region",
                   (held.most - held.first) / (1 << 20));
    else if (lost > 0)
        report_add(s->report, CHECK_COST_LEAK, s->plugin, CHECK_FAILED, "%.0f bytes a region are lost", lost);
    else
        report_pass(s->report, CHECK_COST_LEAK, s->plugin);
    return true;
}

bool check_costs(struct subject *s, struct error *error) {
    struct cost brief, longer;
    /* A worker that has seen nothing else: only what rises above an earlier peak can be seen. */
    session_close(s->session);
    s->session = NULL;
    if (!measure(s, SOUND_MUSIC, SHORT, 0, &brief, error) ||
        !measure(s, SOUND_MUSIC, SHORT * TIMES_LONGER, 0, &longer, error))
        return false;
    if (brief.orderly && longer.orderly) {
        if (!look_again(s, &brief, &longer, error)) return false;
        judge_time(s, &brief, &longer);
        judge_memory(s, &brief, &longer);
        if (s->options->level >= 9) judge_allocations(s, &brief, &longer);
        if (!check_denormal(s, &longer, error)) return false;
    }
    return s->options->level < 9 || subject_is_given_up(s) || check_leak(s, error);
}
