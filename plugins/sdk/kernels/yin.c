/* sonde.yin/1: the difference function from energies and correlations.
 *
 * d(t) = E(0) + E(t) - 2 A(t), with E(t) the energy of samples 1+t .. window+t and A(t) = sum of x[j] x[j+t]. A is the sum
 * of the correlations of the window's pieces with what follows them. Where the hop divides the window and no period is
 * longer than a hop, pieces are hops: a piece with what follows is two pieces, whose spectrum of twice a hop is
 * S[p] + (-1)^k S[p+1], so one transform a hop and one back are all it takes. Elsewhere the window is one piece, and has a
 * longer stretch transformed beside it. */
#include "kernels/clones.h"
#include "kernels/kernels.h"

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
    sonde_fft_t *fft;
    float *padded;     /* size samples */
    float *spectra;    /* pieces + 1 of them */
    float *product;    /* a spectrum */
    float *lags;       /* size: A(t) times size */
    float *frame;      /* window + longest + 1 samples, from x[1] on */
    float *difference; /* longest + 2: d, then d' */
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

/* The spectrum of `n` samples from `from` on, zeros behind them. */
static void piece_transform(sonde_yin_t *y, const float *samples, uint64_t count, int64_t from, uint32_t n,
                            float *spectrum) {
    memset(y->padded + n, 0, (y->size - n) * sizeof *y->padded);
    span_copy(samples, count, from, n, y->padded);
    kernel_fft.forward(y->fft, y->padded, spectrum);
}

/* product += conj(one) (one + (-1)^k next), k the index of the complex value. */
SONDE_CLONES static void product_add_neighbours(float *product, const float *one, const float *next, uint32_t floats) {
    for (uint32_t i = 0; i + 1 < floats; i += 2) {
        const float sign = i % 4 ? -1.0f : 1.0f;
        const float re = one[i], im = one[i + 1], a = re + sign * next[i], b = im + sign * next[i + 1];
        product[i] += re * a + im * b;
        product[i + 1] += re * b - im * a;
    }
}

SONDE_CLONES static void product_make(float *product, const float *one, const float *whole, uint32_t floats) {
    for (uint32_t i = 0; i + 1 < floats; i += 2) {
        product[i] = one[i] * whole[i] + one[i + 1] * whole[i + 1];
        product[i + 1] = one[i] * whole[i + 1] - one[i + 1] * whole[i];
    }
}

/* A of the frame whose x[1] is sample `first`, into lags. */
static void frame_correlate(sonde_yin_t *y, const float *samples, uint64_t count, int64_t first, int is_first) {
    if (y->shared) {
        const uint32_t from = is_first ? 0 : y->pieces;
        if (!is_first) memmove(y->spectra, y->spectra + y->floats, (size_t)y->pieces * y->floats * sizeof(float));
        for (uint32_t p = from; p <= y->pieces; p++)
            piece_transform(y, samples, count, first + (int64_t)p * y->piece, y->piece, y->spectra + p * y->floats);
        memset(y->product, 0, y->floats * sizeof *y->product);
        for (uint32_t p = 0; p < y->pieces; p++)
            product_add_neighbours(y->product, y->spectra + p * y->floats, y->spectra + (p + 1) * y->floats, y->floats);
    } else {
        piece_transform(y, samples, count, first, y->piece, y->spectra);
        piece_transform(y, samples, count, first, y->piece + y->longest + 1, y->spectra + y->floats);
        product_make(y->product, y->spectra, y->spectra + y->floats, y->floats);
    }
    kernel_fft.inverse(y->fft, y->product, y->lags);
}

static double energy_of(const float *x, uint32_t n) {
    double lane[4] = {0};
    uint32_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (uint32_t j = 0; j < 4; j++) lane[j] += (double)x[i + j] * (double)x[i + j];
    for (; i < n; i++) lane[0] += (double)x[i] * (double)x[i];
    return (lane[0] + lane[2]) + (lane[1] + lane[3]);
}

/* d for all lags up to one beyond the longest. Returns E(0). */
static double difference_make(sonde_yin_t *y) {
    const float *x = y->frame;
    const double first = energy_of(x, y->window), scale = 2.0 / y->size;
    double energy = first;
    for (uint32_t t = 0; t <= y->longest; t++) {
        const double v = first + energy - (double)y->lags[t] * scale;
        y->difference[t] = v > 1e-9 * first ? (float)v : 0.0f;
        energy += (double)x[y->window + t] * (double)x[y->window + t] - (double)x[t] * (double)x[t];
    }
    return first;
}

/* d' from the shortest period on (index 0), in place of d. Returns how many. */
static uint32_t difference_normalise(sonde_yin_t *y) {
    float *d = y->difference;
    double sum = 0.0;
    for (uint32_t t = 1; t <= y->longest; t++) {
        sum += (double)d[t];
        d[t] = (float)((double)d[t] * t / (sum + DBL_MIN));
    }
    memmove(d, d + y->shortest, (y->longest - y->shortest + 1) * sizeof *d);
    return y->longest - y->shortest + 1;
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

static void frame_finish(sonde_yin_t *y, float *pitch, float *depth) {
    const double energy = difference_make(y);
    const uint32_t n = difference_normalise(y), i = trough_find(y->difference, n, y->threshold);
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
    for (int64_t k = 0; k < frames; k++) {
        const int64_t first = k * (int64_t)y->hop - half + 1; /* x[1] */
        frame_correlate(y, samples, count, first, k == 0);
        span_copy(samples, count, first, y->window + y->longest + 1, y->frame);
        frame_finish(y, pitch + k, depth ? depth + k : NULL);
    }
}

static void yin_destroy(sonde_yin_t *y) {
    if (!y) return;
    kernel_fft.destroy(y->fft);
    free(y->padded);
    free(y->spectra);
    free(y->product);
    free(y->lags);
    free(y->frame);
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
    y->size = y->shared ? 2 * hop : transform_length(window + y->longest + 2);
    y->floats = y->size + 2;
    if (y->shortest >= y->longest) {
        free(y);
        return NULL;
    }
    y->fft = kernel_fft.create(y->size);
    y->padded = calloc(y->size, sizeof(float));
    y->spectra = calloc((size_t)(y->pieces + 1) * y->floats, sizeof(float));
    y->product = calloc(y->floats, sizeof(float));
    y->lags = calloc(y->size, sizeof(float));
    y->frame = calloc(y->window + y->longest + 2, sizeof(float));
    y->difference = calloc(y->longest + 2, sizeof(float));
    if (y->fft && y->padded && y->spectra && y->product && y->lags && y->frame && y->difference) return y;
    yin_destroy(y);
    return NULL;
}

const sonde_kernel_yin_t kernel_yin = {
    .struct_size = sizeof kernel_yin,
    .create = yin_create,
    .destroy = yin_destroy,
    .process = yin_process,
};
