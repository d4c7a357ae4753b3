/* sonde.yin/1: the difference function from energies and correlations.
 *
 * d(t) = E(0) + E(t) - 2 A(t), with E(t) the energy of samples 1+t .. window+t and A(t) = sum of x[j] x[j+t]. A is the sum
 * of the correlations of the window's pieces with what follows them. Where the hop divides the window and no period is
 * longer than a hop, pieces are hops: a piece with what follows is two pieces, whose spectrum of twice a hop is
 * S[p] + (-1)^k S[p+1], so one transform a hop and one back are all it takes. Elsewhere the window is one piece, and has a
 * longer stretch transformed beside it.
 *
 * LANES frames go through each transform together. The way back is a transform of real values as well: with a spectrum
 * R + i I of real values x, R - I at k and R + I at size - k are the Hartley transform of x, whose own Hartley transform,
 * the real minus the imaginary part of its spectrum, is size times x (Bracewell, "Discrete Hartley transform", 1983). */
#include "kernels/clones.h"
#include "kernels/kernels.h"
#include "kernels/lanes.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct sonde_yin {
    uint32_t length, window, hop, shortest, longest; /* periods in samples */
    double rate;
    float threshold;
    int shared;             /* whether pieces are hops */
    uint32_t piece, pieces; /* samples in a piece, and pieces in a window */
    uint32_t size, floats;  /* transform length, and floats of its spectrum */
    struct lanes *lanes;
    float *piece_weights; /* size: of a piece's samples, 0 behind them */
    float *whole_weights; /* size: of a piece and what follows, where pieces aren't hops */
    float *back_weights;  /* size: of a Hartley transform */
    float *stretch;       /* the samples of LANES frames, from x[1] of the first on */
    uint32_t stretch_count;
    float *spectra;    /* LANES + pieces of them, one a hop; or LANES of pieces and LANES of wholes */
    float *hartley;    /* LANES times size */
    float *lags;       /* LANES spectra: A(t) is the real minus the imaginary part of value t */
    float *difference; /* longest + 2: d' from the shortest period on */
};

static float sample_at(const float *samples, uint64_t count, int64_t i) {
    return i >= 0 && (uint64_t)i < count ? samples[i] : 0.0f;
}

/* Samples outside the signal are zeros. */
static void span_copy(const float *samples, uint64_t count, int64_t from, uint32_t n, float *out) {
    if (from >= 0 && (uint64_t)from + n <= count)
        memcpy(out, samples + from, n * sizeof *out);
    else
        for (uint32_t i = 0; i < n; i++) out[i] = sample_at(samples, count, from + i);
}

/* Spectra of `n` stretches a hop apart, `from` hops from the start, as `weights` cut them out. */
static void stretches_transform(sonde_yin_t *y, const float *weights, uint32_t from, uint32_t n, float *spectra) {
    for (uint32_t i = 0; i < n; i += LANES) {
        const uint32_t count = n - i < LANES ? n - i : LANES;
        lanes_transform(y->lanes, y->stretch + (size_t)(from + i) * y->hop, y->hop, count, weights);
        lanes_values(y->lanes, count, spectra + (size_t)i * y->floats, y->floats);
    }
}

/* Adds re + i im, value k of a spectrum, to its Hartley transform. */
static inline void hartley_add(float *hartley, uint32_t k, uint32_t size, float re, float im) {
    hartley[k] += re - im;
    if (k > 0 && 2 * k < size) hartley[size - k] += re + im;
}

/* Adds conj(one) (one + (-1)^k next), k the index of the complex value. */
SONDE_CLONES static void product_add_neighbours(float *hartley, const float *one, const float *next, uint32_t size) {
    for (uint32_t k = 0; 2 * k <= size; k++) {
        const float sign = k % 2 ? -1.0f : 1.0f, re = one[2 * k], im = one[2 * k + 1];
        const float a = re + sign * next[2 * k], b = im + sign * next[2 * k + 1];
        hartley_add(hartley, k, size, re * a + im * b, re * b - im * a);
    }
}

/* Adds conj(one) whole. */
SONDE_CLONES static void product_add(float *hartley, const float *one, const float *whole, uint32_t size) {
    for (uint32_t k = 0; 2 * k <= size; k++) {
        const float re = one[2 * k], im = one[2 * k + 1], a = whole[2 * k], b = whole[2 * k + 1];
        hartley_add(hartley, k, size, re * a + im * b, re * b - im * a);
    }
}

/* A of the LANES frames in the stretch, into lags. The last `pieces` spectra of one call are the first of the next. */
static void frames_correlate(sonde_yin_t *y, int is_first) {
    const size_t floats = y->floats;
    memset(y->hartley, 0, (size_t)LANES * y->size * sizeof *y->hartley);
    if (y->shared) {
        const uint32_t known = is_first ? 0 : y->pieces;
        if (!is_first) memmove(y->spectra, y->spectra + LANES * floats, y->pieces * floats * sizeof(float));
        stretches_transform(y, y->piece_weights, known, LANES + y->pieces - known, y->spectra + known * floats);
        for (uint32_t f = 0; f < LANES; f++)
            for (uint32_t p = f; p < f + y->pieces; p++)
                product_add_neighbours(y->hartley + (size_t)f * y->size, y->spectra + p * floats,
                                       y->spectra + (p + 1) * floats, y->size);
    } else {
        float *wholes = y->spectra + LANES * floats;
        stretches_transform(y, y->piece_weights, 0, LANES, y->spectra);
        stretches_transform(y, y->whole_weights, 0, LANES, wholes);
        for (uint32_t f = 0; f < LANES; f++)
            product_add(y->hartley + (size_t)f * y->size, y->spectra + f * floats, wholes + f * floats, y->size);
    }
    lanes_transform(y->lanes, y->hartley, y->size, LANES, y->back_weights);
    lanes_values(y->lanes, LANES, y->lags, floats);
}

static double energy_of(const float *x, uint32_t n) {
    double lane[4] = {0};
    uint32_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (uint32_t j = 0; j < 4; j++) lane[j] += (double)x[i + j] * (double)x[i + j];
    for (; i < n; i++) lane[0] += (double)x[i] * (double)x[i];
    return (lane[0] + lane[2]) + (lane[1] + lane[3]);
}

/* d' of the frame whose x[1] is at `x`, from the shortest period to the longest. Returns E(0). */
static double difference_make(sonde_yin_t *y, const float *x, const float *lags) {
    const double first = energy_of(x, y->window);
    double energy = first, sum = 0.0;
    for (uint32_t t = 0; t <= y->longest; t++) {
        const double v = first + energy - 2.0 * (double)(lags[2 * t] - lags[2 * t + 1]);
        const double d = v > 1e-9 * first ? v : 0.0;
        if (t > 0) sum += d;
        if (t >= y->shortest) y->difference[t - y->shortest] = (float)(d * t / (sum + DBL_MIN));
        energy += (double)x[y->window + t] * (double)x[y->window + t] - (double)x[t] * (double)x[t];
    }
    return first;
}

/* The first trough below the threshold, or the least value. */
static uint32_t trough_find(const float *d, uint32_t n, float threshold) {
    uint32_t least = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (d[i] < d[least]) least = i;
        if (d[i] >= threshold) continue;
        if (i == 0 ? n > 1 && d[0] < d[1] : d[i] < d[i - 1] && (i + 1 == n || d[i] <= d[i + 1])) return i;
    }
    return least;
}

static void frame_finish(sonde_yin_t *y, const float *x, const float *lags, float *pitch, float *depth) {
    const double energy = difference_make(y, x, lags);
    const uint32_t n = y->longest - y->shortest + 1, i = trough_find(y->difference, n, y->threshold);
    double shift = 0.0;
    if (i > 0 && i + 1 < n) {
        double before = (double)y->difference[i - 1], here = (double)y->difference[i],
               after = (double)y->difference[i + 1];
        double a = after + before - 2.0 * here, b = (after - before) / 2.0;
        if (fabs(b) < fabs(a)) shift = -b / a;
    }
    *pitch = (float)(y->rate / (y->shortest + (double)i + shift));
    if (depth) *depth = energy > 0.0 ? y->difference[i] : 1.0f;
}

static void yin_process(sonde_yin_t *y, const float *samples, uint64_t count, float *pitch, float *depth) {
    const int64_t frames = (int64_t)(count / y->hop) + 1, half = y->length / 2;
    for (int64_t k = 0; k < frames; k += LANES) {
        const int64_t first = k * (int64_t)y->hop - half + 1; /* x[1] */
        span_copy(samples, count, first, y->stretch_count, y->stretch);
        frames_correlate(y, k == 0);
        for (int64_t f = 0; f < LANES && k + f < frames; f++)
            frame_finish(y, y->stretch + f * y->hop, y->lags + f * y->floats, pitch + k + f,
                         depth ? depth + k + f : NULL);
    }
}

static void yin_destroy(sonde_yin_t *y) {
    if (!y) return;
    lanes_free(y->lanes);
    free(y->piece_weights);
    free(y->whole_weights);
    free(y->back_weights);
    free(y->stretch);
    free(y->spectra);
    free(y->hartley);
    free(y->lags);
    free(y->difference);
    free(y);
}

/* The least length that is enough and has small factors only. */
static uint32_t transform_length(uint32_t least) {
    for (uint32_t n = least + least % 2;; n += 2) {
        uint32_t rest = n;
        while (rest % 2 == 0) rest /= 2;
        while (rest % 3 == 0) rest /= 3;
        while (rest % 5 == 0) rest /= 5;
        if (rest == 1) return n;
    }
}

/* What lanes_values gives is twice the transform. */
static void weights_make(sonde_yin_t *y) {
    for (uint32_t i = 0; i < y->size; i++) {
        y->piece_weights[i] = i < y->piece ? 0.5f : 0.0f;
        y->whole_weights[i] = i < y->piece + y->longest + 1 ? 0.5f : 0.0f;
        y->back_weights[i] = 0.5f / (float)y->size;
    }
}

static sonde_yin_t *yin_create(uint32_t rate, uint32_t length, uint32_t window, uint32_t hop, double lowest,
                               double highest, double threshold) {
    if (rate < 1 || length < 64 || length > 65536 || window < 32 || window > length - 2 || hop < 1 || hop > length)
        return NULL;
    if (!(lowest > 0 && highest > lowest && highest <= rate / 2.0 && threshold >= 0)) return NULL;
    sonde_yin_t *y = calloc(1, sizeof *y);
    if (!y) return NULL;
    y->length = length;
    y->window = window;
    y->hop = hop;
    y->rate = rate;
    y->threshold = (float)threshold;
    y->shortest = (uint32_t)floor(rate / highest);
    y->longest = rate / lowest < length - window - 1 ? (uint32_t)ceil(rate / lowest) : length - window - 1;
    y->shared = window % hop == 0 && y->longest + 2 <= hop;
    y->piece = y->shared ? hop : window;
    y->pieces = window / y->piece;
    y->size = y->shared ? 2 * hop : transform_length((window > y->longest ? window : y->longest) + y->longest + 2);
    y->floats = y->size + 2;
    if (y->shortest >= y->longest) {
        free(y);
        return NULL;
    }
    y->stretch_count = (LANES + y->pieces) * hop + y->size;
    y->lanes = lanes_new(y->size, false);
    y->piece_weights = calloc(y->size, sizeof(float));
    y->whole_weights = calloc(y->size, sizeof(float));
    y->back_weights = calloc(y->size, sizeof(float));
    y->stretch = calloc(y->stretch_count, sizeof(float));
    y->spectra = calloc((size_t)(LANES + (y->shared ? y->pieces : LANES)) * y->floats, sizeof(float));
    y->hartley = calloc((size_t)LANES * y->size, sizeof(float));
    y->lags = calloc((size_t)LANES * y->floats, sizeof(float));
    y->difference = calloc(y->longest + 2, sizeof(float));
    if (!y->lanes || !y->piece_weights || !y->whole_weights || !y->back_weights || !y->stretch || !y->spectra ||
        !y->hartley || !y->lags || !y->difference) {
        yin_destroy(y);
        return NULL;
    }
    weights_make(y);
    return y;
}

const sonde_kernel_yin_t kernel_yin = {
    .struct_size = sizeof kernel_yin,
    .create = yin_create,
    .destroy = yin_destroy,
    .process = yin_process,
};
