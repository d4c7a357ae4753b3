#include "timeline.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Which kinds sound in a state: speech, music, environment, noise. */
static const uint8_t present[TIMELINE_STATES][TIMELINE_KINDS] = {
    {1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}, {1, 1, 0, 0}, {1, 0, 1, 0}, {0, 1, 1, 0}, {0, 0, 0, 0}};

static const char *const names[TIMELINE_STATES] = {"speech",
                                                   "music",
                                                   "environment",
                                                   "noise",
                                                   "speech over music",
                                                   "speech over environment",
                                                   "music over environment",
                                                   "near-silence"};

/* Natural logarithms, the best of a sweep over mixed recordings of other folds than those that tools/train reports. Where
 * no change was heard, one costs CHANGE, as much as three steps that are certain of two kinds, for neighbouring steps share
 * their evidence; where one was heard for sure it costs HEARD. No single step is surer than CERTAIN. */
#define CHANGE     25.0f
#define HEARD      3.0f
#define CERTAIN    0.98f
#define IMPOSSIBLE 1000.0f

/* Near-silence: a second or more below -66 dBFS, or below -50 and 45 dB under the loudest of the region. */
#define SILENCE_SHORTEST 1.0 /* s: shorter ones are pauses within a sound */
#define SILENCE_LEVEL    (-66.0f)
#define QUIET_LEVEL      (-50.0f)
#define QUIET_DEPTH      45.0f

/* An event rises this far above the median level around it (over EVENT_WINDOW seconds) and ends where it has fallen to
 * EVENT_FALL above it. */
#define EVENT_RISE   12.0f
#define EVENT_FALL   5.0f
#define EVENT_WINDOW 30.0
#define EVENT_GAP    0.8  /* s: events closer than this are one */
#define EVENT_SHARE  0.25 /* of a segment: what is loud more often than this isn't an event, it is the sound */

#define SHORTEST     0.5 /* s: shorter segments join a neighbour, unless they are events or all there is */

const char *timeline_label(uint32_t state) {
    return state < TIMELINE_STATES ? names[state] : "unknown";
}

static void mark_silence(const float *level, uint32_t count, double step, uint8_t *silent) {
    const uint32_t shortest = (uint32_t)ceil(SILENCE_SHORTEST / step);
    float loudest = -200;
    for (uint32_t t = 0; t < count; t++) loudest = fmaxf(loudest, level[t]);
    uint32_t run = 0; /* silent steps up to t */
    for (uint32_t t = 0; t <= count; t++) {
        if (t < count && (level[t] < SILENCE_LEVEL || (level[t] < QUIET_LEVEL && level[t] < loudest - QUIET_DEPTH))) {
            silent[t] = 1;
            run++;
            continue;
        }
        if (t < count) silent[t] = 0;
        if (run < shortest && run < count) memset(silent + t - run, 0, run);
        run = 0;
    }
}

static void measure_emissions(const float *kinds, const uint8_t *silent, uint32_t count, float *emission) {
    for (uint32_t t = 0; t < count; t++, emission += TIMELINE_STATES) {
        float on[TIMELINE_KINDS], off[TIMELINE_KINDS];
        for (uint32_t k = 0; k < TIMELINE_KINDS; k++) {
            const float p = fminf(fmaxf(kinds[(size_t)t * TIMELINE_KINDS + k], 1 - CERTAIN), CERTAIN);
            on[k] = logf(p), off[k] = logf(1 - p);
        }
        for (uint32_t s = 0; s < TIMELINE_STATES; s++) {
            emission[s] = silent[t] == (s == TIMELINE_SILENCE) ? 0 : -IMPOSSIBLE;
            if (s == TIMELINE_SILENCE) continue;
            for (uint32_t k = 0; k < TIMELINE_KINDS; k++) emission[s] += present[s][k] ? on[k] : off[k];
        }
    }
}

/* Viterbi's best path. */
static void find_path(const float *emission, const float *change, uint32_t count, uint8_t *back, uint8_t *path) {
    float score[TIMELINE_STATES], next[TIMELINE_STATES];
    memcpy(score, emission, sizeof score);
    for (uint32_t t = 1; t < count; t++) {
        const float cost = CHANGE + (HEARD - CHANGE) * change[t];
        uint8_t best = 0;
        for (uint8_t s = 1; s < TIMELINE_STATES; s++)
            if (score[s] > score[best]) best = s;
        for (uint8_t s = 0; s < TIMELINE_STATES; s++) {
            const int stay = score[s] >= score[best] - cost;
            back[(size_t)t * TIMELINE_STATES + s] = stay ? s : best;
            next[s] = (stay ? score[s] : score[best] - cost) + emission[(size_t)t * TIMELINE_STATES + s];
        }
        memcpy(score, next, sizeof score);
    }
    uint8_t state = 0;
    for (uint8_t s = 1; s < TIMELINE_STATES; s++)
        if (score[s] > score[state]) state = s;
    for (uint32_t t = count; t-- > 0;) {
        path[t] = state;
        if (t > 0) state = back[(size_t)t * TIMELINE_STATES + state];
    }
}

static int compare_floats(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static float median_of(const float *values, uint32_t count, float *scratch) {
    memcpy(scratch, values, count * sizeof(float));
    qsort(scratch, count, sizeof(float), compare_floats);
    return scratch[count / 2];
}

/* Marks the events within steps [first, end). The surroundings are measured once per eighth of the window.
 */
static void mark_events(const float *level, uint32_t first, uint32_t end, double step, float *scratch, uint8_t *event) {
    const uint32_t window = (uint32_t)(EVENT_WINDOW / step), hop = window / 8 + 1, gap = (uint32_t)(EVENT_GAP / step);
    float around = 0;
    uint32_t marked = 0, last = 0;
    int inside = 0;
    for (uint32_t t = first; t < end; t++) {
        if ((t - first) % hop == 0) {
            const uint32_t from = t - first > window / 2 ? t - window / 2 : first;
            const uint32_t to = end - from > window ? from + window : end;
            around = median_of(level + from, to - from, scratch);
        }
        if (level[t] > around + EVENT_RISE && !inside) {
            uint32_t start = t; /* the onset, and a short gap to the event before, belong to it */
            if (start > first && level[start - 1] > around + EVENT_FALL) start--;
            if (marked > 0 && start - last <= gap) start = last;
            for (uint32_t i = start; i < t; i++) event[i] = 1;
            inside = 1;
        }
        inside = inside && level[t] > around + EVENT_FALL;
        if (inside) event[t] = 1, marked++, last = t + 1;
    }
    marked = 0;
    for (uint32_t t = first; t < end; t++) marked += event[t];
    if (marked > EVENT_SHARE * (end - first)) memset(event + first, 0, end - first);
}

static void measure_segment(const float *kinds, const float *emission, struct timeline_segment *segment) {
    double posterior = 0, scores[TIMELINE_KINDS] = {0};
    for (uint32_t t = segment->first; t < segment->end; t++) {
        const float *e = emission + (size_t)t * TIMELINE_STATES;
        double sum = 0;
        for (uint32_t s = 0; s < TIMELINE_STATES; s++) sum += exp((double)e[s] - e[segment->state]);
        posterior += 1 / sum;
        for (uint32_t k = 0; k < TIMELINE_KINDS; k++) scores[k] += kinds[(size_t)t * TIMELINE_KINDS + k];
    }
    const double length = segment->end - segment->first;
    segment->confidence = (float)(posterior / length);
    for (uint32_t k = 0; k < TIMELINE_KINDS; k++) segment->scores[k] = (float)(scores[k] / length);
}

/* Cuts the path where the state or the event mark changes. */
static uint32_t cut_path(const uint8_t *path, const uint8_t *event, uint32_t count, struct timeline_segment *segments) {
    uint32_t n = 0;
    for (uint32_t t = 0; t < count; t++) {
        if (t == 0 || path[t] != path[t - 1] || event[t] != event[t - 1])
            segments[n++] = (struct timeline_segment){.first = t, .state = path[t], .event = event[t]};
        segments[n - 1].end = t + 1;
    }
    return n;
}

/* Gives segment i to its longer neighbour, and joins what then has become one. */
static uint32_t remove_segment(struct timeline_segment *segments, uint32_t n, uint32_t i) {
    const uint32_t before = i > 0 ? segments[i - 1].end - segments[i - 1].first : 0;
    const uint32_t after = i + 1 < n ? segments[i + 1].end - segments[i + 1].first : 0;
    if (i > 0 && before >= after)
        segments[i - 1].end = segments[i].end;
    else
        segments[i + 1].first = segments[i].first;
    memmove(segments + i, segments + i + 1, (n - i - 1) * sizeof *segments);
    n--;
    if (i > 0 && i < n && segments[i - 1].state == segments[i].state && segments[i - 1].event == segments[i].event) {
        segments[i - 1].end = segments[i].end;
        memmove(segments + i, segments + i + 1, (n - i - 1) * sizeof *segments);
        n--;
    }
    return n;
}

/* The shortest segment that may go, or n. `limit`: only shorter ones; events stay unless there is no room. */
static uint32_t find_shortest(const struct timeline_segment *segments, uint32_t n, uint32_t limit, int events_too) {
    uint32_t shortest = n;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t length = segments[i].end - segments[i].first;
        if (length < limit && (events_too || !segments[i].event)) shortest = i, limit = length;
    }
    return shortest;
}

/* A short sound with near-silence on both sides is an event: it must not be merged away. What is short and lies between
 * silence and another sound is part of that sound. */
static void keep_lone_sounds(struct timeline_segment *segments, uint32_t n, uint32_t limit, uint8_t *event) {
    for (uint32_t i = 0; i < n; i++) {
        struct timeline_segment *s = &segments[i];
        const int before = i == 0 || segments[i - 1].state == TIMELINE_SILENCE;
        const int after = i + 1 == n || segments[i + 1].state == TIMELINE_SILENCE;
        if (n == 1 || s->state == TIMELINE_SILENCE || s->end - s->first >= limit || !before || !after) continue;
        s->event = 1;
        memset(event + s->first, 1, s->end - s->first);
    }
}

struct work {
    float *emission, *scratch;
    uint8_t *back, *path, *event;
    struct timeline_segment *segments;
};

/* Speech and music have a dynamic of their own. */
static int has_events(const struct timeline_segment *segment) {
    return segment->state != TIMELINE_SPEECH && segment->state != TIMELINE_MUSIC &&
           segment->state != TIMELINE_SILENCE && !segment->event;
}

static uint32_t decode(struct work *work, const float *kinds, const float *change, const float *level, uint32_t count,
                       double step, uint32_t room) {
    mark_silence(level, count, step, work->event);
    measure_emissions(kinds, work->event, count, work->emission);
    memset(work->event, 0, count);
    find_path(work->emission, change, count, work->back, work->path);
    uint32_t n = cut_path(work->path, work->event, count, work->segments);
    const uint32_t limit = (uint32_t)ceil(SHORTEST / step);
    keep_lone_sounds(work->segments, n, limit, work->event);
    for (uint32_t i; n > 1 && (i = find_shortest(work->segments, n, limit, 0)) < n;)
        n = remove_segment(work->segments, n, i);
    for (uint32_t i = 0; i < n; i++)
        memset(work->path + work->segments[i].first, (int)work->segments[i].state,
               work->segments[i].end - work->segments[i].first);
    for (uint32_t i = 0, next; i < n; i = next) {
        next = i + 1;
        if (!has_events(&work->segments[i])) continue;
        while (next < n && has_events(&work->segments[next])) next++;
        mark_events(level, work->segments[i].first, work->segments[next - 1].end, step, work->scratch, work->event);
    }
    n = cut_path(work->path, work->event, count, work->segments);
    for (uint32_t i; n > 1 && (i = find_shortest(work->segments, n, limit, 0)) < n;)
        n = remove_segment(work->segments, n, i);
    while (n > room) n = remove_segment(work->segments, n, find_shortest(work->segments, n, UINT32_MAX, 1));
    for (uint32_t i = 0; i < n; i++) measure_segment(kinds, work->emission, &work->segments[i]);
    return n;
}

int64_t timeline_decode(const float *kinds, const float *change, const float *level, uint32_t count, double step,
                        struct timeline_segment *segments, uint32_t room) {
    if (count == 0 || room == 0) return 0;
    struct work work = {
        .emission = malloc(sizeof(float) * count * TIMELINE_STATES),
        .scratch = malloc(sizeof(float) * count),
        .back = malloc((size_t)count * TIMELINE_STATES),
        .path = malloc(count),
        .event = calloc(count, 1),
        .segments = malloc(sizeof(struct timeline_segment) * count),
    };
    int64_t n = -1;
    if (work.emission && work.scratch && work.back && work.path && work.event && work.segments) {
        n = decode(&work, kinds, change, level, count, step, room);
        memcpy(segments, work.segments, (size_t)n * sizeof *segments);
    }
    free(work.emission), free(work.scratch), free(work.back), free(work.path), free(work.event), free(work.segments);
    return n;
}
