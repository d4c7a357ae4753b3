/* sonde.yin/1: the difference function from energies and one correlation a hop.
 *
 * d(t) = E(0) + E(t) - 2 A(t), with E(t) the energy of samples 1+t .. window+t and A(t) = sum of x[j] x[j+t]. Where the hop
 * divides the window, A of a frame is the sum of the correlations of its window / hop pieces, each of which serves as many
 * frames: only the newest piece costs transforms, and short ones. */
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
    uint32_t piece, pieces;     /* samples in a piece, and pieces in a window */
    uint32_t reach, size, bins; /* samples that a piece is correlated with; transform length; its complex values */
    sonde_fft_t *fft;
    float *padded;        /* size samples */
    float *short_, *long_; /* spectra */
    float *lags;          /* size */
    float *ring;          /* pieces x (longest + 2) correlations */
    double *energy;       /* window + longest + 2: running sums of squares of a frame */
    float *difference;    /* longest + 2: d, then d' */
};

static float sample_at(const float *samples, uint64_t count, int64_t i) {
    return i >= 0 && (uint64_t)i < count ? samples[i] : 0.0f;
}

static void span_copy(const float *samples, uint64_t count, int64_t from, uint32_t n, float *out) {
    for (uint32_t i = 0; i < n; i++) out[i] = sample_at(samples, count, from + i);
}

/* A(t) of the piece that begins at sample `from`, for t = 0 .. longest + 1. */
static void piece_correlate(sonde_yin_t *y, const float *samples, uint64_t count, int64_t from, float *out) {
    memset(y->padded, 0, y->size * sizeof *y->padded);
    span_copy(samples, count, from, y->reach, y->padded);
    kernel_fft.forward(y->fft, y->padded, y->long_);
    memset(y->padded + y->piece, 0, (y->reach - y->piece) * sizeof *y->padded);
    kernel_fft.forward(y->fft, y->padded, y->short_);
    for (uint32_t k = 0; k < y->bins; k++) {
        float re = y->short_[2 * k], im = y->short_[2 * k + 1], a = y->long_[2 * k], b = y->long_[2 * k + 1];
        y->long_[2 * k] = re * a + im * b;
        y->long_[2 * k + 1] = re * b - im * a;
    }
    kernel_fft.inverse(y->fft, y->long_, y->lags);
    const float scale = 1.0f / (float)y->size;
    for (uint32_t t = 0; t < y->longest + 2; t++) out[t] = y->lags[t] * scale;
}

/* Running sums of squares from sample `from` on: energy[i] is that of the first i samples. */
static void energy_sum(sonde_yin_t *y, const float *samples, uint64_t count, int64_t from) {
    const uint32_t n = y->window + y->longest + 1;
    double sum = 0.0;
    y->energy[0] = 0.0;
    for (uint32_t i = 0; i < n; i++) {
        double v = (double)sample_at(samples, count, from + i);
        y->energy[i + 1] = sum += v * v;
    }
}

SONDE_CLONES static void difference_make(sonde_yin_t *y) {
    const uint32_t lags = y->longest + 2;
    float *d = y->difference;
    for (uint32_t t = 0; t < lags; t++) d[t] = y->ring[t];
    for (uint32_t p = 1; p < y->pieces; p++)
        for (uint32_t t = 0; t < lags; t++) d[t] += y->ring[p * lags + t];
    const double first = y->energy[y->window];
    for (uint32_t t = 0; t < lags - 1; t++) {
        float v = (float)(first + (y->energy[y->window + t] - y->energy[t]) - 2.0 * (double)d[t]);
        d[t] = v > 1e-9f * (float)first ? v : 0.0f;
    }
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
    difference_make(y);
    const uint32_t n = difference_normalise(y), i = trough_find(y->difference, n, y->threshold);
    double shift = 0.0;
    if (i > 0 && i + 1 < n) {
        double before = (double)y->difference[i - 1], here = (double)y->difference[i], after = (double)y->difference[i + 1];
        double a = after + before - 2.0 * here, b = (after - before) / 2.0;
        if (fabs(b) < fabs(a)) shift = -b / a;
    }
    *pitch = (float)(y->rate / (y->shortest + (double)i + shift));
    if (depth) *depth = y->energy[y->window] > 0.0 ? y->difference[i] : 1.0f;
}

static void yin_process(sonde_yin_t *y, const float *samples, uint64_t count, float *pitch, float *depth) {
    const uint32_t lags = y->longest + 2;
    const int64_t frames = (int64_t)(count / y->hop) + 1, half = y->length / 2;
    for (int64_t k = 0; k < frames; k++) {
        const int64_t first = k * (int64_t)y->hop - half + 1; /* x[1] */
        if (k == 0 || y->pieces == 1) {
            for (uint32_t p = 0; p < y->pieces; p++)
                piece_correlate(y, samples, count, first + (int64_t)p * y->piece, y->ring + p * lags);
        } else { /* the oldest piece leaves; which place holds which doesn't matter to their sum but for rounding */
            memmove(y->ring, y->ring + lags, (size_t)(y->pieces - 1) * lags * sizeof *y->ring);
            piece_correlate(y, samples, count, first + (int64_t)(y->pieces - 1) * y->piece,
                            y->ring + (size_t)(y->pieces - 1) * lags);
        }
        energy_sum(y, samples, count, first);
        frame_finish(y, pitch + k, depth ? depth + k : NULL);
    }
}

static void yin_destroy(sonde_yin_t *y) {
    if (!y) return;
    kernel_fft.destroy(y->fft);
    free(y->padded);
    free(y->short_);
    free(y->long_);
    free(y->lags);
    free(y->ring);
    free(y->energy);
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
    if (rate < 1 || length < 64 || length > 65536 || window < 32 || window > length - 2 || hop < 1 || hop > length) return NULL;
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
    y->piece = window % hop == 0 ? hop : window;
    y->pieces = window / y->piece;
    y->reach = y->piece + y->longest + 1;
    y->size = transform_length(y->reach + 1);
    y->bins = y->size / 2 + 1;
    if (y->shortest >= y->longest) {
        free(y);
        return NULL;
    }
    y->fft = kernel_fft.create(y->size);
    y->padded = calloc(y->size, sizeof(float));
    y->short_ = calloc(y->bins, 2 * sizeof(float));
    y->long_ = calloc(y->bins, 2 * sizeof(float));
    y->lags = calloc(y->size, sizeof(float));
    y->ring = calloc((size_t)y->pieces * (y->longest + 2), sizeof(float));
    y->energy = calloc(y->window + y->longest + 2, sizeof(double));
    y->difference = calloc(y->longest + 2, sizeof(float));
    if (y->fft && y->padded && y->short_ && y->long_ && y->lags && y->ring && y->energy && y->difference) return y;
    yin_destroy(y);
    return NULL;
}

const sonde_kernel_yin_t kernel_yin = {
    .struct_size = sizeof kernel_yin,
    .create = yin_create,
    .destroy = yin_destroy,
    .process = yin_process,
};
