#include "workers/segment/segment.h"

#include "engine/base/json.h"
#include "workers/segment/floor.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEGMENT_VERSION 1
#define SMOOTH          2 /* levels to each side that a level is averaged with before it is compared */

/* ------------------------------------------------------------------------------------------------------- parameters */

static const struct {
    const char *name;
    size_t offset;
    double value, min, max;
} keys[] = {
#define KEY(name, value, min, max)                                                                                     \
    { #name, offsetof(struct segment_parameters, name), value, min, max }
    KEY(min_silence, 1.0, 0.05, 60), KEY(short_file, 30, 0, 600),  KEY(short_silence, 2.0, 0.05, 600),
    KEY(min_region, 0.03, 0.01, 60), KEY(padding, 0.2, 0, 10),     KEY(max_region, 600, 10, 600),
    KEY(threshold, 0, -120, 0),      KEY(silence, -60, -120, -20), KEY(ceiling, -34, -120, 0),
    KEY(steady, 9, 1, 60),           KEY(drift, 0.5, 0, 60),       KEY(contrast, 12, 1, 60),
    KEY(deep, 35, 1, 120),           KEY(open, 6, 1, 40),          KEY(close, 2.5, 0.5, 40),
    KEY(window, 15, 1, 600),
#undef KEY
};
#define KEYS (sizeof keys / sizeof *keys)

static double *value_of(struct segment_parameters *parameters, size_t key) {
    return (double *)(void *)((char *)parameters + keys[key].offset);
}

struct segment_parameters segment_defaults(void) {
    struct segment_parameters parameters;
    for (size_t i = 0; i < KEYS; i++) *value_of(&parameters, i) = keys[i].value;
    return parameters;
}

static bool parse_member(struct segment_parameters *parameters, const cJSON *member, struct error *error) {
    for (size_t i = 0; i < KEYS; i++) {
        if (strcmp(member->string, keys[i].name) != 0) continue;
        double value = member->valuedouble;
        if (!cJSON_IsNumber(member) || !(value >= keys[i].min && value <= keys[i].max))
            return error_set(error, "segment.%s must be a number from %g to %g", keys[i].name, keys[i].min,
                             keys[i].max);
        *value_of(parameters, i) = value;
        return true;
    }
    return error_set(error, "segment.%.60s is not a parameter of the segmenter", member->string);
}

bool segment_parse(struct segment_parameters *parameters, const cJSON *object, struct error *error) {
    const cJSON *member;
    cJSON_ArrayForEach(member, object) {
        if (!member->string || !parse_member(parameters, member, error)) return false;
    }
    if (parameters->open < parameters->close) parameters->open = parameters->close;
    return true;
}

void segment_identity(const struct segment_parameters *parameters, char identity[SEGMENT_IDENTITY]) {
    struct segment_parameters copy = *parameters;
    int used = snprintf(identity, SEGMENT_IDENTITY, "segmenter %d:", SEGMENT_VERSION);
    for (size_t i = 0; i < KEYS; i++)
        used += snprintf(identity + used, SEGMENT_IDENTITY - (size_t)used, " %s=%g", keys[i].name, *value_of(&copy, i));
}

/* ------------------------------------------------------------------------------------------------------------- runs */

struct runs {
    struct run *run;
    size_t count, capacity;
};

static bool push(struct runs *runs, struct run run) {
    if (runs->count == runs->capacity) {
        size_t capacity = runs->capacity ? 2 * runs->capacity : 64;
        struct run *larger = realloc(runs->run, capacity * sizeof *larger);
        if (!larger) return false;
        runs->run = larger;
        runs->capacity = capacity;
    }
    runs->run[runs->count++] = run;
    return true;
}

/* The mean level around `k`. */
static unsigned smooth(const struct levels *levels, size_t k) {
    size_t start = k > SMOOTH ? k - SMOOTH : 0, end = k + SMOOTH < levels->count ? k + SMOOTH + 1 : levels->count;
    unsigned sum = 0;
    for (size_t i = start; i < end; i++) sum += levels->level[i];
    return sum / (unsigned)(end - start);
}

/* Makes the run exactly as long as its unsmoothed levels are above `close`. */
static struct run trim(const struct levels *levels, const struct thresholds *t, struct run run) {
    while (run.start < run.end && levels->level[run.start] <= t->close[run.start]) run.start++;
    while (run.end > run.start && levels->level[run.end - 1] <= t->close[run.end - 1]) run.end--;
    return run;
}

/* All stretches above `close` that reach `open`. Those shorter than `least` levels count when they are well above it:
 * what barely passes for a moment is noise that fluctuates. */
static bool find_runs(const struct levels *levels, const struct thresholds *t, size_t least, struct runs *runs) {
    runs->count = 0;
    size_t n = levels->count;
    for (size_t k = 0; k < n;) {
        if (smooth(levels, k) <= t->close[k] && levels->level[k] <= t->open[k]) {
            k++;
            continue;
        }
        struct run run = {k, k};
        int above = 0;
        for (; k < n && (smooth(levels, k) > t->close[k] || levels->level[k] > t->open[k]); k++) {
            int excess = levels->level[k] - t->open[k];
            if (excess > above) above = excess;
        }
        run.end = k;
        run = trim(levels, t, run);
        if (above > 0 && (run.end - run.start >= least || above >= 24) && !push(runs, run)) return false;
    }
    return true;
}

/* Drops runs shorter than `least`, unless all are. */
static void drop_clicks(struct runs *runs, size_t least) {
    size_t kept = 0;
    for (size_t i = 0; i < runs->count; i++)
        if (runs->run[i].end - runs->run[i].start >= least) runs->run[kept++] = runs->run[i];
    if (kept) runs->count = kept;
}

/* Joins runs with less than `gap` levels between them. */
static void join_runs(struct runs *runs, size_t gap) {
    size_t count = 0;
    for (size_t i = 0; i < runs->count; i++) {
        if (count > 0 && runs->run[i].start - runs->run[count - 1].end < gap)
            runs->run[count - 1].end = runs->run[i].end;
        else
            runs->run[count++] = runs->run[i];
    }
    runs->count = count;
}

/* Joins runs with no silence between them. */
static void join_phrases(struct runs *runs, const struct segment_parameters *p, const struct levels *levels,
                         const struct thresholds *t) {
    size_t count = 0;
    for (size_t i = 0; i < runs->count; i++) {
        struct run *last = count > 0 ? &runs->run[count - 1] : NULL;
        if (last && !floor_is_silence(t, p, levels, last->end, runs->run[i].start))
            last->end = runs->run[i].end;
        else
            runs->run[count++] = runs->run[i];
    }
    runs->count = count;
}

static size_t to_levels(double seconds) {
    double levels = seconds * LEVELS_PER_SECOND;
    return levels > 1 ? (size_t)(levels + 0.5) : 1;
}

/* Steps 3 to 5 with the thresholds as they are. */
static bool find_with(const struct segment_parameters *p, const struct levels *levels, const struct thresholds *t,
                      size_t gap, struct runs *runs) {
    size_t least = to_levels(p->min_region);
    if (!find_runs(levels, t, least, runs)) return false;
    join_runs(runs, gap);
    if (p->threshold == 0) join_phrases(runs, p, levels, t);
    drop_clicks(runs, least);
    return true;
}

static bool find_sounds(const struct segment_parameters *p, const struct levels *levels, size_t gap,
                        struct runs *runs) {
    struct thresholds thresholds;
    if (!floor_find(&thresholds, p, levels)) return false;
    bool ok = find_with(p, levels, &thresholds, gap, runs);
    if (ok && p->threshold == 0 && runs->count > 0)
        ok = floor_refine(&thresholds, levels, runs->run, runs->count) && find_with(p, levels, &thresholds, gap, runs);
    floor_free(&thresholds);
    return ok;
}

/* ---------------------------------------------------------------------------------------------------------- regions */

/* The quietest place within [first, last], levels: the middle of the quietest half second. */
static size_t find_quietest(const struct levels *levels, size_t first, size_t last) {
    size_t half = LEVELS_PER_SECOND / 4, best = first + (last - first) / 2;
    if (last >= levels->count) last = levels->count - 1;
    if (first < half) first = half;
    unsigned least = UINT32_MAX, sum = 0;
    for (size_t k = first - half; k < first + half && k < levels->count; k++) sum += levels->level[k];
    for (size_t k = first; k <= last && k + half < levels->count; k++) {
        if (sum < least) {
            least = sum;
            best = k;
        }
        sum += levels->level[k + half];
        sum -= levels->level[k - half];
    }
    return best;
}

static bool append_region(struct regions *regions, struct region region) {
    if ((regions->count & (regions->count + 1)) == 0 || !regions->region) { /* 1, 3, 7 ...: grow */
        struct region *larger = realloc(regions->region, (2 * regions->count + 2) * sizeof *larger);
        if (!larger) return false;
        regions->region = larger;
    }
    regions->region[regions->count++] = region;
    return true;
}

/* Adds one stretch, cut into parts of at most `longest` frames: of about equal length, at the quietest point near where
 * an equal cut would be. */
static bool append_parts(struct regions *regions, const struct levels *levels, struct region whole, int64_t longest) {
    size_t first = regions->count;
    struct region rest = whole;
    while (rest.end - rest.start > longest) {
        int64_t length = rest.end - rest.start, parts = (length + longest - 1) / longest, equal = length / parts;
        int64_t low = rest.start + equal - equal / 4, high = rest.start + equal + equal / 4;
        if (high > rest.start + longest) high = rest.start + longest;
        int64_t cut = (int64_t)find_quietest(levels, (size_t)(low / levels->hop), (size_t)(high / levels->hop)) *
                      levels->hop;
        if (cut < low || cut > high) cut = rest.start + equal;
        struct region part = rest;
        part.end = cut;
        if (part.sound_end > cut) part.sound_end = cut;
        if (part.sound_start > cut) part.sound_start = cut;
        if (!append_region(regions, part)) return false;
        rest.start = cut;
        if (rest.sound_start < cut) rest.sound_start = cut;
        if (rest.sound_end < cut) rest.sound_end = cut;
    }
    if (!append_region(regions, rest)) return false;
    for (size_t i = first; i < regions->count; i++) {
        regions->region[i].part = (int)(i - first);
        regions->region[i].parts = (int)(regions->count - first);
    }
    return true;
}

/* Sounds become regions: padded, and reaching to the file's edge when that is nearer than a silence. */
static bool make_regions(const struct segment_parameters *p, const struct levels *levels, const struct runs *runs,
                         int64_t frames, int rate, size_t gap, struct regions *regions) {
    int64_t padding = (int64_t)(p->padding * rate), longest = (int64_t)(p->max_region * rate), hop = levels->hop;
    for (size_t i = 0; i < runs->count; i++) {
        struct region r = {.sound_start = (int64_t)runs->run[i].start * hop,
                           .sound_end = (int64_t)runs->run[i].end * hop};
        if (r.sound_end > frames) r.sound_end = frames;
        int64_t before = i == 0 ? 0 : (int64_t)runs->run[i - 1].end * hop;
        int64_t after = i + 1 == runs->count ? frames : (int64_t)runs->run[i + 1].start * hop;
        int64_t lead = r.sound_start - before, tail = after - r.sound_end, silence = (int64_t)gap * hop;
        int64_t front = i > 0 && padding > lead / 2 ? lead / 2 : padding;
        int64_t back = i + 1 < runs->count && padding > tail / 2 ? tail / 2 : padding;
        r.start = i == 0 && lead < silence ? 0 : r.sound_start - (front < lead ? front : lead);
        r.end = i + 1 == runs->count && tail < silence ? frames : r.sound_end + (back < tail ? back : tail);
        if (!append_parts(regions, levels, r, longest)) return false;
    }
    return true;
}

bool segment_decide(const struct segment_parameters *parameters, const struct levels *levels, int64_t frames, int rate,
                    struct regions *regions) {
    *regions = (struct regions){0};
    double silence = parameters->min_silence;
    bool is_short = (double)frames < parameters->short_file * rate;
    if (is_short && silence < parameters->short_silence) silence = parameters->short_silence;
    struct runs runs = {0};
    bool ok = true;
    if (levels->count > 0) {
        ok = find_sounds(parameters, levels, to_levels(silence), &runs);
        while (ok && runs.count > SEGMENT_REGIONS_MAX) join_runs(&runs, to_levels(silence *= 2));
        ok = ok && make_regions(parameters, levels, &runs, frames, rate, to_levels(silence), regions);
    }
    free(runs.run);
    if (!ok) segment_free(regions);
    return ok;
}

void segment_free(struct regions *regions) {
    free(regions->region);
    *regions = (struct regions){0};
}
