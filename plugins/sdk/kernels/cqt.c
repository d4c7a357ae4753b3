/* sonde.cqt/1: octave by octave, each at the lowest rate that holds it.
 *
 * From one octave to the next the rate is halved by a half-band filter (47 taps, 80 dB), so that every octave has the same
 * short kernels: at most 0.5 / (a 0.19) samples to each side. They are symmetric, so a frame is folded once,
 * x[c + n] + x[c - n] for the cosines and x[c + n] - x[c - n] for the sines, and each bin takes two dot products. */
#include "kernels/clones.h"
#include "kernels/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_OCTAVES 9
#define MAX_BINS    60 /* an octave */
#define MAX_LEVELS  (MAX_OCTAVES + 16)
#define SIDE        12         /* different taps of the half-band filter beside its centre */
#define MARGIN      (2 * SIDE) /* samples it needs to each side */
#define PASS        0.19       /* highest frequency it lets through, in parts of the rate, kernels' width not counted */
#define SEGMENT     256        /* frames worked on together */

struct bin {
    uint32_t taps; /* n = 0 .. taps - 1 */
    float *cosine, *sine;
};

/* The signal at one rate: samples `from` .. `from` + count - 1 of it. */
struct level {
    int64_t from;
    size_t count, room;
    float *samples, *odd; /* odd: room for those at odd places while the next level is made */
};

struct sonde_cqt {
    uint32_t hop, octaves, per_octave, bins, first_level, levels;
    uint32_t classes[MAX_OCTAVES * MAX_BINS]; /* pitch class of each bin */
    uint32_t reach;                           /* samples to each side of a frame's centre, at its octave's rate */
    float side[SIDE];
    struct bin bin[MAX_BINS]; /* of the highest octave, which all others share */
    float scale[MAX_OCTAVES]; /* sqrt of the length's growth from octave to octave */
    struct level level[MAX_LEVELS];
    float *sums, *differences; /* of a folded frame */
};

/* Multiples of eight, so that every dot product is whole vectors. */
static uint32_t rounded(uint32_t n) {
    return (n + 7) / 8 * 8;
}

static double bessel_i0(double x) {
    double sum = 1, term = 1;
    for (int n = 1; n < 50; n++) sum += term *= (x / (2.0 * n)) * (x / (2.0 * n));
    return sum;
}

static void filter_design(sonde_cqt_t *q) {
    double sum = 0, taps[SIDE];
    for (int j = 0; j < SIDE; j++) {
        double n = 2 * j + 1, r = n / (2 * SIDE);
        taps[j] = sin(M_PI * n / 2) / (M_PI * n) * bessel_i0(7.86 * sqrt(1 - r * r)) / bessel_i0(7.86);
        sum += 2 * taps[j];
    }
    for (int j = 0; j < SIDE; j++) q->side[j] = (float)(taps[j] * 0.5 / sum);
}

/* Bin b of the highest octave at its own rate: a Hann window of N samples, each side of its centre. */
static int bin_design(struct bin *bin, double frequency, double rate, double full_rate, double a) {
    const double length = rate / (a * frequency), growth = sqrt(full_rate / (a * frequency));
    bin->taps = (uint32_t)ceil(length / 2);
    bin->cosine = calloc(rounded(bin->taps), sizeof(float));
    bin->sine = calloc(rounded(bin->taps), sizeof(float));
    if (!bin->cosine || !bin->sine) return 0;
    double sum = 0;
    for (uint32_t n = 0; n < bin->taps; n++) sum += (n ? 2 : 1) * (0.5 + 0.5 * cos(2 * M_PI * n / length));
    for (uint32_t n = 0; n < bin->taps; n++) {
        double w = (0.5 + 0.5 * cos(2 * M_PI * n / length)) / sum * growth, angle = 2 * M_PI * frequency * n / rate;
        bin->cosine[n] = (float)(w * cos(angle));
        bin->sine[n] = (float)(w * sin(angle));
    }
    return 1;
}

/* -------------------------------------------------------------------------------------------------------- the levels */

/* Which samples of each level the frames `first` .. `last` need; from the lowest rate up, as each level feeds the next. */
static void levels_plan(sonde_cqt_t *q, int64_t first, int64_t last) {
    for (uint32_t l = q->levels; l-- > 0;) {
        int64_t from = INT64_MAX, to = INT64_MIN;
        if (l >= q->first_level) {
            from = first * (q->hop >> l) - q->reach;
            to = last * (q->hop >> l) + q->reach + 1;
        }
        if (l + 1 < q->levels) {
            const struct level *next = &q->level[l + 1];
            int64_t a = 2 * next->from - MARGIN, b = 2 * (next->from + (int64_t)next->count) + MARGIN;
            from = a < from ? a : from;
            to = b > to ? b : to;
        }
        from -= from & 1; /* begin at an even sample, so that halves fall into place */
        q->level[l].from = from;
        q->level[l].count = (size_t)(to - from) + ((size_t)(to - from) & 1);
    }
}

static void level_read(struct level *level, const float *samples, uint64_t count) {
    int64_t begin = level->from < 0 ? -level->from : 0, end = (int64_t)count - level->from;
    if (begin > (int64_t)level->count) begin = (int64_t)level->count;
    if (end > (int64_t)level->count) end = (int64_t)level->count;
    if (end < begin) end = begin;
    memset(level->samples, 0, (size_t)begin * sizeof(float));
    memcpy(level->samples + begin, samples + level->from + begin, (size_t)(end - begin) * sizeof(float));
    memset(level->samples + end, 0, (level->count - (size_t)end) * sizeof(float));
}

/* next[m] = x[2m] / 2 + sum of side[j] (x[2m - 2j - 1] + x[2m + 2j + 1]). */
SONDE_CLONES static void level_halve(const struct level *level, struct level *next, const float *side) {
    const int64_t offset = next->from - level->from / 2; /* of next's first sample among the pairs of this level */
    for (size_t i = 0; i < level->count / 2; i++) level->odd[i] = level->samples[2 * i + 1];
    for (size_t m = 0; m < next->count; m++) next->samples[m] = 0.5f * level->samples[2 * ((int64_t)m + offset)];
    for (int j = 0; j < SIDE; j++) {
        const float *before = level->odd + offset - j - 1, *after = level->odd + offset + j;
        for (size_t m = 0; m < next->count; m++) next->samples[m] += side[j] * (before[m] + after[m]);
    }
}

/* -------------------------------------------------------------------------------------------------------- the frames */

static inline float dot(const float *x, const float *y, uint32_t n) {
    float lane[8] = {0};
    for (uint32_t i = 0; i < n; i += 8)
        for (uint32_t j = 0; j < 8; j++) lane[j] += x[i + j] * y[i + j];
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

/* One octave of one frame; `centre` has q->reach samples to each side. */
SONDE_CLONES static void octave_measure(sonde_cqt_t *q, const float *centre, float scale, float *out) {
    for (uint32_t n = 0; n <= q->reach; n++) {
        float after = centre[n], before = n ? centre[-(int64_t)n] : 0.0f;
        q->sums[n] = after + before;
        q->differences[n] = after - before;
    }
    for (uint32_t b = 0; b < q->per_octave; b++) {
        const uint32_t taps = rounded(q->bin[b].taps);
        float re = dot(q->bin[b].cosine, q->sums, taps), im = dot(q->bin[b].sine, q->differences, taps);
        out[b] = scale * sqrtf(re * re + im * im);
    }
}

static void frame_measure(sonde_cqt_t *q, int64_t frame, float *out) {
    for (uint32_t o = 0; o < q->octaves; o++) { /* from the lowest up */
        const uint32_t l = q->first_level + q->octaves - 1 - o;
        const struct level *level = &q->level[l];
        octave_measure(q, level->samples + (frame * (q->hop >> l) - level->from), q->scale[q->octaves - 1 - o],
                       out + o * q->per_octave);
    }
}

static void chroma_fold(const sonde_cqt_t *q, const float *magnitude, float *chroma) {
    float top = 0;
    for (int c = 0; c < 12; c++) chroma[c] = 0;
    for (uint32_t k = 0; k < q->bins; k++) chroma[q->classes[k]] += magnitude[k];
    for (int c = 0; c < 12; c++) top = chroma[c] > top ? chroma[c] : top;
    for (int c = 0; c < 12; c++) chroma[c] = top > 1e-30f ? chroma[c] / top : 0;
}

static void cqt_process(sonde_cqt_t *q, const float *samples, uint64_t count, float *magnitude, float *chroma) {
    const int64_t frames = (int64_t)(count / q->hop) + 1;
    float frame[MAX_OCTAVES * MAX_BINS];
    for (int64_t first = 0; first < frames; first += SEGMENT) {
        const int64_t last = first + SEGMENT < frames ? first + SEGMENT - 1 : frames - 1;
        levels_plan(q, first, last);
        level_read(&q->level[0], samples, count);
        for (uint32_t l = 0; l + 1 < q->levels; l++) level_halve(&q->level[l], &q->level[l + 1], q->side);
        for (int64_t k = first; k <= last; k++) {
            frame_measure(q, k, frame);
            if (magnitude) memcpy(magnitude + (size_t)k * q->bins, frame, q->bins * sizeof *frame);
            if (chroma) chroma_fold(q, frame, chroma + (size_t)k * 12);
        }
    }
}

/* ------------------------------------------------------------------------------------------------------------ set-up */

static void cqt_destroy(sonde_cqt_t *q) {
    if (!q) return;
    for (uint32_t b = 0; b < MAX_BINS; b++) {
        free(q->bin[b].cosine);
        free(q->bin[b].sine);
    }
    for (uint32_t l = 0; l < MAX_LEVELS; l++) {
        free(q->level[l].samples);
        free(q->level[l].odd);
    }
    free(q->sums);
    free(q->differences);
    free(q);
}

/* Kernels and memory; what the segment needs is the same for every segment, but for one sample of rounding. */
static int cqt_allocate(sonde_cqt_t *q, double rate, double octave_lowest, double a) {
    const double octave_rate = rate / (double)(1u << q->first_level);
    for (uint32_t b = 0; b < q->per_octave; b++) {
        const double f = octave_lowest * exp2((double)b / q->per_octave);
        if (!bin_design(&q->bin[b], f, octave_rate, rate, a)) return 0;
        if (q->bin[b].taps > q->reach) q->reach = q->bin[b].taps;
    }
    q->sums = calloc(rounded(q->reach + 1), sizeof(float));
    q->differences = calloc(rounded(q->reach + 1), sizeof(float));
    levels_plan(q, 0, SEGMENT);
    for (uint32_t l = 0; l < q->levels; l++) {
        struct level *level = &q->level[l];
        level->samples = calloc(level->count + 4, sizeof(float));
        level->odd = calloc(level->count / 2 + 4, sizeof(float));
        if (!level->samples || !level->odd) return 0;
    }
    return q->sums && q->differences;
}

static int is_offered(uint32_t octaves, uint32_t per_octave) {
    return octaves >= 1 && octaves <= MAX_OCTAVES && per_octave >= 12 && per_octave <= MAX_BINS && per_octave % 12 == 0;
}

static sonde_cqt_t *cqt_create(uint32_t rate, uint32_t hop, double lowest, uint32_t octaves, uint32_t per_octave) {
    if (!is_offered(octaves, per_octave) || rate < 100 || hop < 1 || hop > 1u << 24 || !(lowest > 0)) return NULL;
    const double highest = lowest * exp2(octaves - 1.0 / per_octave), octave_lowest = lowest * exp2(octaves - 1.0);
    const double r = exp2(2.0 / per_octave), a = (r - 1) / (r + 1);
    uint32_t first = 0;
    if (highest >= 2 * PASS * rate || lowest < rate * 1e-5) return NULL;
    while (highest < PASS * rate / (1u << first) && first + octaves < MAX_LEVELS) first++;
    while (first > 0 && hop % (1u << (first + octaves - 1))) first--;
    if (hop % (1u << (first + octaves - 1))) return NULL;
    sonde_cqt_t *q = calloc(1, sizeof *q);
    if (!q) return NULL;
    q->hop = hop;
    q->octaves = octaves;
    q->per_octave = per_octave;
    q->bins = octaves * per_octave;
    q->first_level = first;
    q->levels = first + octaves;
    for (uint32_t o = 0; o < octaves; o++) q->scale[o] = (float)exp2(o / 2.0);
    const uint32_t merge = per_octave / 12, base = (uint32_t)lround(12 * log2(lowest / 440) + 69 + 1200) % 12;
    for (uint32_t k = 0; k < q->bins; k++) q->classes[k] = ((k + merge / 2) / merge + base) % 12;
    filter_design(q);
    if (cqt_allocate(q, rate, octave_lowest, a)) return q;
    cqt_destroy(q);
    return NULL;
}

const sonde_kernel_cqt_t kernel_cqt = {
    .struct_size = sizeof kernel_cqt,
    .create = cqt_create,
    .destroy = cqt_destroy,
    .process = cqt_process,
};
