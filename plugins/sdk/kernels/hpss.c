/* sonde.hpss/1: sliding medians, many at a time.
 *
 * A window's values are kept sorted. One step removes the oldest and inserts the newest without a branch:
 *     without[i] = sorted[i] < oldest ? sorted[i] : sorted[i + 1]
 *     sorted[i] = max(without[i - 1], min(without[i], newest))
 * so LANES windows slide side by side, in vector registers. */
#include "kernels/clones.h"
#include "kernels/kernels.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LANES      16
#define MAX_WINDOW 127
#define MAX_BINS   65537u

struct sonde_hpss {
    uint32_t bins, time_window, frequency_window;
    float margin_harmonic, margin_percussive;
    float *columns; /* LANES frames, turned: bins x LANES */
    float *medians; /* of the same */
};

struct window {
    float sorted[MAX_WINDOW + 1][LANES]; /* one more than used: +infinity, never reached by a median */
};

/* Mirrors an index beyond the edges of n values, as often as needed. */
static size_t mirrored(int64_t i, int64_t n) {
    i %= 2 * n;
    if (i < 0) i += 2 * n;
    return (size_t)(i < n ? i : 2 * n - 1 - i);
}

static inline void window_insert(struct window *w, uint32_t size, const float *newest) {
    for (uint32_t i = size; i-- > 0;)
        for (int l = 0; l < LANES; l++) {
            float low = w->sorted[i][l] < newest[l] ? w->sorted[i][l] : newest[l];
            float below = i > 0 ? w->sorted[i - 1][l] : -FLT_MAX;
            w->sorted[i][l] = below > low ? below : low;
        }
}

/* The row above and the one just below the place worked on are carried along, so each row is read and written once. */
static inline void window_slide(struct window *w, uint32_t size, const float *oldest, const float *newest) {
    float below[LANES], old[LANES], new[LANES];
    for (int l = 0; l < LANES; l++) {
        below[l] = -FLT_MAX;
        old[l] = oldest[l];
        new[l] = newest[l];
    }
    for (uint32_t i = 0; i < size; i++) {
        const float *here = w->sorted[i], *next = w->sorted[i + 1];
        float row[LANES];
        for (int l = 0; l < LANES; l++) {
            float kept = here[l] < old[l] ? here[l] : next[l];
            float low = kept < new[l] ? kept : new[l];
            row[l] = below[l] > low ? below[l] : low;
            below[l] = kept;
        }
        for (int l = 0; l < LANES; l++) w->sorted[i][l] = row[l];
    }
}

/* Medians of `lanes` (at most LANES) neighbouring columns down `count` rows; rows are `stride` floats apart, in and out. */
SONDE_CLONES static void medians_down(const float *in, float *out, size_t stride, int64_t count, uint32_t size,
                                      uint32_t lanes) {
    struct window w;
    float newest[LANES] = {0}, oldest[LANES] = {0};
    const int64_t half = size / 2;
    for (uint32_t i = 0; i <= size; i++)
        for (int l = 0; l < LANES; l++) w.sorted[i][l] = FLT_MAX;
    for (int64_t i = -half; i <= half; i++) {
        memcpy(newest, in + mirrored(i, count) * stride, lanes * sizeof *newest);
        window_insert(&w, size, newest);
    }
    for (int64_t i = 0;; i++) {
        memcpy(out + (size_t)i * stride, w.sorted[half], lanes * sizeof *out);
        if (i + 1 == count) return;
        memcpy(oldest, in + mirrored(i - half, count) * stride, lanes * sizeof *oldest);
        memcpy(newest, in + mirrored(i + half + 1, count) * stride, lanes * sizeof *newest);
        window_slide(&w, size, oldest, newest);
    }
}

/* Medians along the bins of `lanes` frames: turn, slide, turn back. */
static void medians_across(sonde_hpss_t *h, const float *in, float *out, uint32_t lanes) {
    for (uint32_t b = 0; b < h->bins; b++)
        for (uint32_t l = 0; l < lanes; l++) h->columns[b * LANES + l] = in[(size_t)l * h->bins + b];
    medians_down(h->columns, h->medians, LANES, h->bins, h->frequency_window, lanes);
    for (uint32_t l = 0; l < lanes; l++)
        for (uint32_t b = 0; b < h->bins; b++) out[(size_t)l * h->bins + b] = h->medians[b * LANES + l];
}

/* Turns medians into parts, in place. Dividing by the larger one keeps the squares within range. */
SONDE_CLONES static void masks_apply(const float *magnitude, size_t n, float margin_harmonic, float margin_percussive,
                                     float *harmonic, float *percussive) {
    const float split = margin_harmonic == 1.0f && margin_percussive == 1.0f ? 0.5f : 0.0f;
    for (size_t i = 0; i < n; i++) {
        float h = harmonic[i], p = percussive[i], hm = h * margin_percussive, pm = p * margin_harmonic;
        float top_h = h > pm ? h : pm, top_p = p > hm ? p : hm;
        float a = h / (top_h < FLT_MIN ? 1.0f : top_h), b = pm / (top_h < FLT_MIN ? 1.0f : top_h);
        float c = p / (top_p < FLT_MIN ? 1.0f : top_p), d = hm / (top_p < FLT_MIN ? 1.0f : top_p);
        float sum_h = a * a + b * b, sum_p = c * c + d * d;
        float mask_h = top_h < FLT_MIN ? split : a * a / (top_h < FLT_MIN ? 1.0f : sum_h);
        float mask_p = top_p < FLT_MIN ? split : c * c / (top_p < FLT_MIN ? 1.0f : sum_p);
        harmonic[i] = magnitude[i] * mask_h;
        percussive[i] = magnitude[i] * mask_p;
    }
}

static void hpss_separate(sonde_hpss_t *h, const float *magnitude, uint32_t frames, float *harmonic,
                          float *percussive) {
    if (frames == 0) return;
    for (uint32_t b = 0; b < h->bins; b += LANES)
        medians_down(magnitude + b, harmonic + b, h->bins, frames, h->time_window,
                     h->bins - b < LANES ? h->bins - b : LANES);
    for (uint32_t f = 0; f < frames; f += LANES)
        medians_across(h, magnitude + (size_t)f * h->bins, percussive + (size_t)f * h->bins,
                       frames - f < LANES ? frames - f : LANES);
    masks_apply(magnitude, (size_t)frames * h->bins, h->margin_harmonic, h->margin_percussive, harmonic, percussive);
}

static void hpss_destroy(sonde_hpss_t *h) {
    if (!h) return;
    free(h->columns);
    free(h->medians);
    free(h);
}

static int window_fits(uint32_t window) {
    return window >= 3 && window <= MAX_WINDOW && window % 2 == 1;
}

static sonde_hpss_t *hpss_create(uint32_t bins, uint32_t time_window, uint32_t frequency_window, double margin_harmonic,
                                 double margin_percussive) {
    if (bins < 1 || bins > MAX_BINS || !window_fits(time_window) || !window_fits(frequency_window)) return NULL;
    if (!(margin_harmonic >= 1 && margin_harmonic < 1e6 && margin_percussive >= 1 && margin_percussive < 1e6))
        return NULL;
    sonde_hpss_t *h = calloc(1, sizeof *h);
    if (!h) return NULL;
    h->bins = bins;
    h->time_window = time_window;
    h->frequency_window = frequency_window;
    h->margin_harmonic = (float)margin_harmonic;
    h->margin_percussive = (float)margin_percussive;
    h->columns = calloc(bins, LANES * sizeof(float));
    h->medians = calloc(bins, LANES * sizeof(float));
    if (h->columns && h->medians) return h;
    hpss_destroy(h);
    return NULL;
}

const sonde_kernel_hpss_t kernel_hpss = {
    .struct_size = sizeof kernel_hpss,
    .create = hpss_create,
    .destroy = hpss_destroy,
    .separate = hpss_separate,
};
