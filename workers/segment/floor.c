#include "workers/segment/floor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HALF_DB(db)   ((int)((db)*2 + 0.5)) /* in units of a level byte */
#define LOUD_FRAMES   3                     /* for so long something must last to count as loud: 30 ms */
#define SPREAD_MAX    12                    /* half decibels that the floor may fluctuate upwards */
#define BLOCK_FRAMES  25                    /* the floor inside gaps is measured over 0.25 s ... */
#define MARGIN_FRAMES 10                    /* ... and 0.1 s away from the sounds */

static size_t seconds_to_levels(double seconds) {
    return seconds > 0.01 ? (size_t)(seconds * LEVELS_PER_SECOND + 0.5) : 1;
}

/* The level that `share` of the `n` counted values don't exceed. */
static uint8_t percentile(const uint32_t histogram[256], size_t n, double share) {
    size_t wanted = (size_t)ceil(share * (double)n), seen = 0;
    for (int level = 0; level < 256; level++) {
        seen += histogram[level];
        if (seen >= wanted) return (uint8_t)level;
    }
    return 255;
}

/* to[j] = what `share` of from[j .. j + width) doesn't exceed, for the n - width + 1 places where that is; returns how
 * many. The histogram slides, and the percentile with it: no more than a few steps a place. */
static size_t slide_percentile(const uint8_t *from, size_t n, size_t width, double share, uint8_t *to) {
    if (n < width) return 0;
    uint32_t histogram[256] = {0};
    size_t above_allowed = width - (size_t)ceil(share * (double)width), above = 0;
    for (size_t i = 0; i < width; i++) histogram[from[i]]++;
    int level = percentile(histogram, width, share);
    for (int l = level + 1; l < 256; l++) above += histogram[l];
    to[0] = (uint8_t)level;
    for (size_t j = 1; j + width <= n; j++) {
        histogram[from[j - 1]]--;
        if (from[j - 1] > level) above--;
        histogram[from[j + width - 1]]++;
        if (from[j + width - 1] > level) above++;
        while (above > above_allowed) above -= histogram[++level];
        while (level > 0 && above + histogram[level] <= above_allowed) above += histogram[level--];
        to[j] = (uint8_t)level;
    }
    return n - width + 1;
}

/* to[k] = the least (sign 1) or greatest (sign -1) of from[k - back .. k + ahead], clipped to the `n` places there are, for
 * `count` places k. A queue of candidates in `queue` (n entries): each place enters and leaves once. */
static void slide_extreme(const uint8_t *from, size_t n, size_t back, size_t ahead, int sign, uint8_t *to, size_t count,
                          uint32_t *queue) {
    size_t head = 0, tail = 0, next = 0;
    for (size_t k = 0; k < count; k++) {
        for (; next < n && next <= k + ahead; next++) {
            while (tail > head && sign * (int)from[queue[tail - 1]] >= sign * (int)from[next]) tail--;
            queue[tail++] = (uint32_t)next;
        }
        while (head + 1 < tail && queue[head] + back < k) head++;
        to[k] = from[queue[head]];
    }
}

/* The loudest level of the file that lasts; everything stays within one pass over the levels. */
static uint8_t find_loudest(const uint8_t *level, size_t n) {
    uint8_t loudest = 0;
    for (size_t k = 0; k < n; k++) {
        uint8_t least = level[k];
        for (size_t i = 1; i < LOUD_FRAMES && k + i < n; i++)
            if (level[k + i] < least) least = level[k + i];
        if (least > loudest) loudest = least;
    }
    return loudest;
}

static uint8_t find_silence(const struct segment_parameters *p, uint8_t loudest) {
    double db = levels_to_db(loudest) - 45;
    if (db > p->silence) db = p->silence;
    if (db < p->silence - 10) db = p->silence - 10;
    return levels_from_db(db);
}

static uint8_t clamp_level(int level) {
    return level < 0 ? 0 : level > 254 ? 254 : (uint8_t)level;
}

/* What the levels of a silence look like: noise, whose levels are independent of each other, so that the spread between
 * their percentiles follows from their differences (Gaussian: 2.5 sigma from the 20th to the 95th percentile, and a mean
 * difference of 1.13 sigma). Phrases, hits and decays spread wider than they differ from one level to the next. */
static bool is_steady(const struct segment_parameters *p, int high, int low, double mean_difference) {
    double spread = high - low;
    return spread <= 2 * p->steady && spread <= 2.2 * mean_difference + 2 * p->drift + 1;
}

/* sustained[j]: the level under which a silence at j would stay, or 255 where there is none. */
static void reject_restless(const struct segment_parameters *p, const uint8_t *level, size_t places, size_t width,
                            uint8_t silence, const uint8_t *low, const uint8_t *loud, uint8_t *sustained) {
    unsigned differences = 0;
    for (size_t i = 1; i < width; i++) differences += (unsigned)abs(level[i] - level[i - 1]);
    for (size_t j = 0; j < places; j++) {
        int high = sustained[j], below = loud[j] - high;
        double mean_difference = width > 1 ? (double)differences / (double)(width - 1) : 0;
        bool steady = is_steady(p, high, low[j], mean_difference) && below >= HALF_DB(p->contrast);
        if (high > silence && !steady && below < HALF_DB(p->deep)) sustained[j] = 255;
        if (j + 1 < places) {
            differences += (unsigned)abs(level[j + width] - level[j + width - 1]);
            differences -= (unsigned)abs(level[j + 1] - level[j]);
        }
    }
}

/* Steps 1 and 2 of segment.h: floor[k], or 255 where there is none. False: out of memory. */
static bool find_floor(const struct segment_parameters *p, const struct levels *levels, uint8_t silence,
                       uint8_t *floor) {
    size_t n = levels->count, width = seconds_to_levels(p->min_silence), window = seconds_to_levels(p->window);
    uint8_t *sustained = malloc(n), *loud = malloc(n);
    uint32_t *queue = malloc(n * sizeof *queue);
    bool ok = sustained && loud && queue;
    if (ok) {
        slide_extreme(levels->level, n, 0, LOUD_FRAMES - 1, 1, sustained, n, queue);
        slide_extreme(sustained, n, window, window, -1, loud, n, queue);
        size_t places = slide_percentile(levels->level, n, width, 0.95, sustained);
        slide_percentile(levels->level, n, width, 0.2, floor);
        reject_restless(p, levels->level, places, width, silence, floor, loud, sustained);
        if (places)
            slide_extreme(sustained, places, window, window, 1, floor, n, queue);
        else
            memset(floor, 255, n);
    }
    free(sustained);
    free(loud);
    free(queue);
    return ok;
}

/* The loudest lasting level within `reach` of the stretch. */
static uint8_t loudest_near(const struct levels *levels, size_t start, size_t end, size_t reach) {
    size_t first = start > reach ? start - reach : 0, last = levels->count - end > reach ? end + reach : levels->count;
    return find_loudest(levels->level + first, last - first);
}

bool floor_is_silence(const struct thresholds *t, const struct segment_parameters *p, const struct levels *levels,
                      size_t start, size_t end) {
    size_t width = seconds_to_levels(p->min_silence / 2), step = width / 10 + 1;
    if (end - start < width) width = end - start;
    int loud = -1;
    for (size_t at = start; at + width <= end; at += step) {
        uint32_t histogram[256] = {0};
        unsigned differences = 0;
        for (size_t k = at; k < at + width; k++) {
            histogram[levels->level[k]]++;
            if (k > at) differences += (unsigned)abs(levels->level[k] - levels->level[k - 1]);
        }
        int high = percentile(histogram, width, 0.95), low = percentile(histogram, width, 0.2);
        if (high <= t->silence || (width > 1 && is_steady(p, high, low, (double)differences / (double)(width - 1))))
            return true;
        if (loud < 0) loud = loudest_near(levels, start, end, seconds_to_levels(p->window));
        if (loud - high >= HALF_DB(p->deep)) return true;
    }
    return false;
}

static bool adapt(struct thresholds *t, const struct segment_parameters *p, const struct levels *levels) {
    uint8_t *floor = t->open; /* overwritten place by place */
    if (!find_floor(p, levels, t->silence, floor)) return false;
    int ceiling = levels_from_db(p->ceiling);
    for (size_t k = 0; k < levels->count; k++) {
        bool valid = floor[k] <= ceiling;
        int close = valid ? floor[k] + HALF_DB(p->close) : 0, open = valid ? floor[k] + HALF_DB(p->open) : 0;
        t->close[k] = clamp_level(close > t->silence ? close : t->silence);
        int least = t->close[k] + HALF_DB(p->open - p->close);
        t->open[k] = clamp_level(open > least ? open : least);
    }
    return true;
}

bool floor_find(struct thresholds *thresholds, const struct segment_parameters *parameters,
                const struct levels *levels) {
    size_t n = levels->count;
    *thresholds = (struct thresholds){.close = malloc(n ? n : 1), .open = malloc(n ? n : 1)};
    if (!thresholds->close || !thresholds->open) return floor_free(thresholds), false;
    uint8_t loudest = find_loudest(levels->level, n);
    if (parameters->threshold < 0) {
        thresholds->silence = levels_from_db(parameters->threshold);
        memset(thresholds->close, thresholds->silence, n);
        memset(thresholds->open, thresholds->silence, n);
        return true;
    }
    thresholds->silence = find_silence(parameters, loudest);
    if (n == 0 || adapt(thresholds, parameters, levels)) return true;
    floor_free(thresholds);
    return false;
}

/* A piece of a gap: its middle, its usual level, and how far it fluctuates upwards. */
struct piece {
    size_t at;
    int level, spread;
};

/* `least`: digital silence counts as this, or it would pull its neighbours down. */
static void measure(const uint8_t *level, size_t start, size_t end, int least, struct piece *piece) {
    uint32_t histogram[256] = {0};
    for (size_t k = start; k < end; k++) histogram[level[k]]++;
    int median = percentile(histogram, end - start, 0.5), high = percentile(histogram, end - start, 0.95);
    piece->at = start + (end - start) / 2;
    piece->level = median > least ? median : least;
    piece->spread = high > piece->level ? high - piece->level : 0;
    if (piece->spread > SPREAD_MAX) piece->spread = SPREAD_MAX; /* a tail or a click lies in this piece */
}

/* What rises faster than 2 dB a second towards a sound is its tail or its beginning. */
static void limit_slope(struct piece *piece, const struct piece *neighbour) {
    if (piece->level > neighbour->level + 1) piece->level = neighbour->level + 1;
    if (piece->spread > neighbour->spread + 1) piece->spread = neighbour->spread + 1;
}

/* Measures one gap in pieces; returns how many there are. */
static size_t measure_gap(const uint8_t *level, size_t start, size_t end, int least, struct piece *pieces) {
    size_t count = 0;
    for (size_t at = start; at < end; at += BLOCK_FRAMES) {
        size_t stop = end - at < 2 * BLOCK_FRAMES ? end : at + BLOCK_FRAMES;
        measure(level, at, stop, least, &pieces[count++]);
        if (stop == end) break;
    }
    for (size_t i = count; i-- > 1;) limit_slope(&pieces[i - 1], &pieces[i]);
    for (size_t i = 1; i < count; i++) limit_slope(&pieces[i], &pieces[i - 1]);
    return count;
}

static void set_thresholds(struct thresholds *t, size_t k, double level, double spread) {
    double close = level + (spread + 1 > 5 ? spread + 1 : 5); /* half decibels: 2.5 dB, or 0.5 above the fluctuation */
    double open = level + (2 * spread + 4 > 12 ? 2 * spread + 4 : 12); /* 6 dB, or twice the fluctuation and 2 more */
    if (close < t->silence) close = t->silence;
    if (open < close + 6) open = close + 6;
    t->close[k] = clamp_level((int)(close + 0.5));
    t->open[k] = clamp_level((int)(open + 0.5));
}

static void interpolate(struct thresholds *t, size_t n, const struct piece *pieces, size_t count) {
    size_t next = 0;
    for (size_t k = 0; k < n; k++) {
        while (next < count && pieces[next].at <= k) next++;
        const struct piece *b = &pieces[next < count ? next : count - 1], *a = next > 0 ? &pieces[next - 1] : b;
        double share = b->at > a->at ? (double)(k - a->at) / (double)(b->at - a->at) : 0;
        set_thresholds(t, k, a->level + share * (b->level - a->level), a->spread + share * (b->spread - a->spread));
    }
}

bool floor_refine(struct thresholds *thresholds, const struct levels *levels, const struct run *sounds, size_t count) {
    size_t n = levels->count, found = 0;
    int least = thresholds->silence > 12 ? thresholds->silence - 12 : 0;
    struct piece *pieces = malloc((n / BLOCK_FRAMES + count + 2) * sizeof *pieces);
    if (!pieces) return false;
    for (size_t i = 0; i <= count; i++) {
        size_t start = i == 0 ? 0 : sounds[i - 1].end + MARGIN_FRAMES;
        size_t end = i == count ? n : sounds[i].start;
        if (i < count) end = end > MARGIN_FRAMES ? end - MARGIN_FRAMES : 0;
        if (end >= start + BLOCK_FRAMES) found += measure_gap(levels->level, start, end, least, pieces + found);
    }
    if (found) interpolate(thresholds, n, pieces, found);
    free(pieces);
    return true;
}

void floor_free(struct thresholds *thresholds) {
    free(thresholds->close);
    free(thresholds->open);
    *thresholds = (struct thresholds){0};
}
