/* SPDX-License-Identifier: MIT */
#include "spectral.h"

#include "pitch.h"

#include "kernels/clones.h"
#include "kernels/sums.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BIN_HZ        ((double)SPECTRAL_RATE / SPECTRAL_WINDOW)
#define FIRST_BIN     2    /* below lie DC and its side lobes */
#define FLAT_FROM     9    /* 100 Hz */
#define FLAT_TO       929  /* 10 kHz */
#define PASSBAND      .455 /* of a rate: above, the resampler leaves less and less */
#define DETAIL_EVERY  8
#define HIGHEST_POWER 1e9f /* float files may hold anything */
#define FLOOR_DB      (-100.0f)
#define ACTIVE_RANGE  50.0f
#define ACTIVE_FROM   (-80.0f)
#define BAND_RANGE    1e-8 /* bands are at most 80 dB below their frame, so that level alone changes no feature */
#define MEDIAN_TIME   17
#define MEDIAN_BANDS  7
#define LANES         8

struct band {
    uint32_t first, count, weights; /* bins, and where their weights begin */
};

struct spectral_design {
    struct band mel[SPECTRAL_MEL];
    float weights[2 * SPECTRAL_BINS + SPECTRAL_MEL * (LANES + 2)];
    uint8_t chroma_class[SPECTRAL_BINS];
    float dct[SPECTRAL_MEL][SPECTRAL_MFCC];
    struct pitch *pitch;
};

struct spectral {
    size_t room, count;
    uint32_t top; /* flatness and contrast end here: 10 kHz, or where a recording of a lower rate ends */
    struct spectral_design *design;
    float *level; /* dB, of the whole frame */
    float *bands; /* frames x SPECTRAL_MEL, dB */
    float *centroid, *bandwidth, *rolloff, *flatness;
    float *f0;
    float contrast[SPECTRAL_CONTRAST]; /* sums over the frames looked at */
    double chroma[12];
    double detailed;
};

static const uint32_t contrast_edges[SPECTRAL_CONTRAST + 1] = {19, 37, 74, 149, 297, 594, 929};

/* Slaney's mel scale: linear to 1 kHz, logarithmic above. */
static double mel_to_hz(double mel) {
    return mel < 15.0 ? mel * 200.0 / 3.0 : 1000.0 * exp((mel - 15.0) * log(6.4) / 27.0);
}

static double mel_from_hz(double hz) {
    return hz < 1000.0 ? hz * 3.0 / 200.0 : 15.0 + log(hz / 1000.0) * 27.0 / log(6.4);
}

static void mel_design(struct spectral_design *d) {
    double low = mel_from_hz(30.0), step = (mel_from_hz(10000.0) - low) / (SPECTRAL_MEL + 1);
    uint32_t used = 0;
    for (uint32_t b = 0; b < SPECTRAL_MEL; b++) {
        double left = mel_to_hz(low + b * step), centre = mel_to_hz(low + (b + 1) * step),
               right = mel_to_hz(low + (b + 2) * step);
        d->mel[b] = (struct band){(uint32_t)ceil(left / BIN_HZ), 0, used};
        for (uint32_t k = d->mel[b].first; k < SPECTRAL_BINS && k * BIN_HZ < right; k++) {
            double f = k * BIN_HZ, w = f < centre ? (f - left) / (centre - left) : (right - f) / (right - centre);
            d->weights[used++] = (float)(w * 2.0 / (right - left) * BIN_HZ); /* each band has area 1 */
            d->mel[b].count++;
        }
        while (d->mel[b].count % LANES) { /* weights of 0 up to whole vectors */
            d->mel[b].count++;
            used++;
        }
    }
}

struct spectral_design *spectral_design_new(const sonde_kernel_fft_many_t *kernel) {
    struct spectral_design *d = calloc(1, sizeof *d);
    if (!d || !(d->pitch = pitch_new(kernel))) {
        free(d);
        return NULL;
    }
    mel_design(d);
    for (uint32_t k = FIRST_BIN; k < SPECTRAL_BINS; k++) {
        long note = lround(69.0 + 12.0 * log2(k * BIN_HZ / 440.0));
        d->chroma_class[k] = (uint8_t)(((note % 12) + 12) % 12);
    }
    for (int b = 0; b < SPECTRAL_MEL; b++)
        for (int c = 0; c < SPECTRAL_MFCC; c++)
            d->dct[b][c] = (float)(cos(M_PI * c * (b + 0.5) / SPECTRAL_MEL) * sqrt((c ? 2.0 : 1.0) / SPECTRAL_MEL));
    return d;
}

void spectral_design_free(struct spectral_design *d) {
    if (!d) return;
    pitch_free(d->pitch);
    free(d);
}

struct spectral *spectral_new(size_t frames, uint32_t rate, struct spectral_design *design) {
    struct spectral *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->room = frames + 1;
    s->design = design;
    const uint32_t top = (uint32_t)fmin(PASSBAND * rate / BIN_HZ, FLAT_TO);
    s->top = FLAT_FROM + (top > FLAT_FROM + LANES ? top - FLAT_FROM : LANES) / LANES * LANES;
    s->bands = calloc(s->room, SPECTRAL_MEL * sizeof(float));
    s->level = calloc(s->room, 5 * sizeof(float));
    s->f0 = calloc(s->room / SPECTRAL_PITCH_EVERY + 1, sizeof(float));
    if (!s->bands || !s->level || !s->f0) {
        spectral_free(s);
        return NULL;
    }
    s->centroid = s->level + s->room;
    s->bandwidth = s->centroid + s->room;
    s->rolloff = s->bandwidth + s->room;
    s->flatness = s->rolloff + s->room;
    return s;
}

void spectral_free(struct spectral *s) {
    if (!s) return;
    pitch_forget(s->design->pitch);
    free(s->bands);
    free(s->level);
    free(s->f0);
    free(s);
}

/* Energy of each band; `p` goes on with LANES zeros. */
static void bands_of(const struct spectral_design *d, const float *p, float *bands) {
    for (uint32_t b = 0; b < SPECTRAL_MEL; b++)
        bands[b] = sums_band(p + d->mel[b].first, d->weights + d->mel[b].weights, d->mel[b].count);
}

/* Where 85 % of the energy `total` are below, in bins. */
SONDE_CLONES
static float rolloff_find(const float *p, double total) {
    double sum = 0.0, want = 0.85 * total;
    for (uint32_t i = 0; i + 16 < SPECTRAL_BINS; i += 16) {
        double lane[4] = {0};
        for (uint32_t k = 0; k < 16; k += 4)
            for (uint32_t j = 0; j < 4; j++) lane[j] += (double)p[i + k + j];
        double part = (lane[0] + lane[2]) + (lane[1] + lane[3]);
        if (sum + part >= want)
            for (uint32_t j = 0; j < 16; j++)
                if ((sum += (double)p[i + j]) >= want) return (float)(i + j);
        sum += part;
    }
    return SPECTRAL_BINS - 1;
}

/* Geometric over arithmetic mean. The logarithm of a product is that of its mantissa and its exponent: exponents are added
 * up now and then, so that nothing overflows, and one logarithm is left. */
SONDE_CLONES
static float flatness_of(const float *p, uint32_t to, double total) {
    double sum[LANES] = {0}, mantissa[LANES], least = total / SPECTRAL_BINS * 1e-10;
    int64_t exponent[LANES] = {0};
    for (uint32_t j = 0; j < LANES; j++) mantissa[j] = 1.0;
    for (uint32_t i = FLAT_FROM; i < to; i += 4 * LANES) {
        double product[LANES];
        uint32_t end = i + 4 * LANES < to ? i + 4 * LANES : to;
        for (uint32_t j = 0; j < LANES; j++) product[j] = mantissa[j];
        for (uint32_t k = i; k < end; k += LANES)
            for (uint32_t j = 0; j < LANES; j++) {
                double v = (double)p[k + j] + least;
                product[j] *= v;
                sum[j] += v;
            }
        for (uint32_t j = 0; j < LANES; j++) {
            int64_t bits;
            memcpy(&bits, &product[j], sizeof bits);
            exponent[j] += (int64_t)((uint64_t)bits >> 52) - 1023;
            bits = (bits & 0xfffffffffffff) | 0x3ff0000000000000;
            memcpy(&mantissa[j], &bits, sizeof bits);
        }
    }
    double all = 0.0, product = 1.0;
    int64_t powers = 0;
    for (uint32_t j = 0; j < LANES; j++) {
        all += sum[j];
        product *= mantissa[j];
        powers += exponent[j];
    }
    double mean_log = (log(product) + (double)powers * M_LN2) / (to - FLAT_FROM);
    return (float)(exp(mean_log) * (to - FLAT_FROM) / all);
}

/* Powers are compared as the bits of their floats: from 0 on both are in the same order. */
static inline float float_of(int32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Where n values split into the `want` smallest and the rest, between `*low` and `*high` at first. In the end the two are
 * the same, with exactly `want` values below, or *high is *low + 1 and some of the values *low belong to either part. */
static inline void split_find(const int32_t *v, uint32_t n, int32_t want, int32_t *low, int32_t *high) {
    while (*high - *low > 1) {
        int32_t middle = *low + (*high - *low) / 2, count = 0;
        for (uint32_t i = 0; i < n; i++) count += v[i] < middle;
        if (count == want)
            *low = *high = middle;
        else if (count < want)
            *low = middle;
        else
            *high = middle;
    }
}

/* Sum and number of the values in [from, to). */
static inline float sum_between(const int32_t *v, uint32_t n, int32_t from, int32_t to, int32_t *count) {
    float lane[LANES] = {0};
    uint32_t i = 0;
    *count = 0;
    for (uint32_t k = 0; k < n; k++) *count += v[k] >= from && v[k] < to;
    for (; i + LANES <= n; i += LANES)
        for (uint32_t j = 0; j < LANES; j++) lane[j] += v[i + j] >= from && v[i + j] < to ? float_of(v[i + j]) : 0.0f;
    for (; i < n; i++) lane[0] += v[i] >= from && v[i] < to ? float_of(v[i]) : 0.0f;
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

/* Means of the `part` smallest and the `part` largest of n powers. */
SONDE_CLONES
static void tails_of(const float *p, uint32_t n, uint32_t part, float *low_mean, float *high_mean) {
    int32_t v[SPECTRAL_BINS], least = INT32_MAX, most = 0, low, high, count;
    memcpy(v, p, n * sizeof *v);
    for (uint32_t i = 0; i < n; i++) {
        least = v[i] < least ? v[i] : least;
        most = v[i] > most ? v[i] : most;
    }
    low = least, high = most + 1;
    split_find(v, n, (int32_t)part, &low, &high);
    float sum = sum_between(v, n, least, low, &count);
    *low_mean = (sum + (float)((int32_t)part - count) * float_of(low)) / (float)part;
    low = least, high = most + 1;
    split_find(v, n, (int32_t)(n - part), &low, &high);
    sum = sum_between(v, n, high, most + 1, &count);
    *high_mean = (sum + (float)((int32_t)part - count) * float_of(low)) / (float)part;
}

static void detail_add(struct spectral *s, const float *p, float least) {
    for (uint32_t b = 0; b < SPECTRAL_CONTRAST; b++) {
        const uint32_t end = contrast_edges[b + 1] < s->top ? contrast_edges[b + 1] : s->top;
        if (end <= contrast_edges[b]) break;
        uint32_t n = end - contrast_edges[b], tenth = (n + 9) / 10;
        float low, high;
        tails_of(p + contrast_edges[b], n, tenth, &low, &high);
        s->contrast[b] += 10.0f * log10f((high + least) / (low + least));
    }
    for (uint32_t k = 10; k < 470; k++) s->chroma[s->design->chroma_class[k]] += sqrt((double)p[k]);
    s->detailed += 1.0;
}

static void frame_add(struct spectral *s, const float *power) {
    float p[SPECTRAL_BINS + LANES] = {0}, energy[SPECTRAL_MEL];
    size_t k = s->count;
    for (uint32_t b = FIRST_BIN; b < SPECTRAL_BINS; b++) p[b] = power[b] < HIGHEST_POWER ? power[b] : HIGHEST_POWER;
    double m[3];
    sums_moments(p, SPECTRAL_BINS - 1, m); /* zeroth to second over bins */
    bands_of(s->design, p, energy);
    s->level[k] = m[0] > 1e-10 ? (float)(10.0 * log10(m[0])) : FLOOR_DB;
    float least = m[0] * BAND_RANGE > 1e-10 ? (float)(m[0] * BAND_RANGE) : 1e-10f;
    for (uint32_t b = 0; b < SPECTRAL_MEL; b++) {
        float e = energy[b] > least ? energy[b] : least;
        s->bands[k * SPECTRAL_MEL + b] = 10.0f * log10f(e);
    }
    if (m[0] > 1e-10) {
        double c = m[1] / m[0];
        s->centroid[k] = (float)(c * BIN_HZ);
        s->bandwidth[k] = (float)(sqrt(fmax(0.0, m[2] / m[0] - c * c)) * BIN_HZ);
        s->rolloff[k] = (float)((double)rolloff_find(p, m[0]) * BIN_HZ);
        s->flatness[k] = flatness_of(p, s->top, m[0]);
        if (k % DETAIL_EVERY == 0) detail_add(s, p, least * 1e-2f);
        if (k % SPECTRAL_PITCH_EVERY == 0 && s->flatness[k] < 0.3f && s->level[k] > ACTIVE_FROM)
            pitch_add(s->design->pitch, p, &s->f0[k / SPECTRAL_PITCH_EVERY]);
    }
    s->count++;
}

void spectral_add(struct spectral *s, const float *power, size_t stride, size_t frames) {
    for (size_t f = 0; f < frames && s->count < s->room; f++) frame_add(s, power + f * stride);
}

const float *spectral_f0(const struct spectral *s, size_t *count) {
    *count = (s->count + SPECTRAL_PITCH_EVERY - 1) / SPECTRAL_PITCH_EVERY;
    return s->f0;
}

/* ------------------------------------------------------------------------------------------------------- summaries */

static int compare_floats(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

struct moment {
    double sum, square;
};

static double moment_spread(struct moment m, double n) {
    double mu = m.sum / n;
    return sqrt(fmax(0.0, m.square / n - mu * mu));
}

static float floor_of(const struct spectral *s) {
    float top = FLOOR_DB;
    for (size_t k = 0; k < s->count; k++) top = s->level[k] > top ? s->level[k] : top;
    return top - ACTIVE_RANGE > ACTIVE_FROM ? top - ACTIVE_RANGE : ACTIVE_FROM;
}

static void means_finish(const struct spectral *s, float floor, struct spectral_result *r) {
    struct moment mfcc[SPECTRAL_MFCC] = {{0, 0}}, centroid = {0, 0};
    for (size_t k = 0; k < s->count; k++) {
        if (s->level[k] <= floor) continue;
        r->active++;
        r->bandwidth += (double)s->bandwidth[k];
        r->rolloff += (double)s->rolloff[k];
        r->flatness += (double)s->flatness[k];
        centroid.sum += (double)s->centroid[k];
        centroid.square += (double)s->centroid[k] * (double)s->centroid[k];
        float out[SPECTRAL_MFCC] = {0};
        for (int b = 0; b < SPECTRAL_MEL; b++)
            for (int c = 0; c < SPECTRAL_MFCC; c++)
                out[c] += s->bands[k * SPECTRAL_MEL + (size_t)b] * s->design->dct[b][c];
        for (int c = 0; c < SPECTRAL_MFCC; c++) {
            mfcc[c].sum += (double)out[c];
            mfcc[c].square += (double)out[c] * (double)out[c];
        }
    }
    if (!r->active) return;
    double n = (double)r->active;
    r->centroid = centroid.sum / n;
    r->centroid_spread = moment_spread(centroid, n);
    r->bandwidth /= n;
    r->rolloff /= n;
    r->flatness /= n;
    for (int c = 0; c < SPECTRAL_MFCC; c++) {
        r->mfcc_mean[c] = mfcc[c].sum / n;
        r->mfcc_spread[c] = moment_spread(mfcc[c], n);
    }
    double top = 0.0;
    for (int c = 0; c < 12; c++) top = fmax(top, s->chroma[c]);
    for (int c = 0; c < 12; c++) r->chroma[c] = top > 0.0 ? s->chroma[c] / top : 0.0;
    for (int b = 0; b < SPECTRAL_CONTRAST; b++)
        r->contrast[b] = s->detailed > 0.0 ? (double)s->contrast[b] / s->detailed : 0.0;
}

/* Rise of frame k over the frame before, mean of the bands in dB. Bands below `floor` - 20 dB count as lying there. */
static float flux_at(const struct spectral *s, size_t k, float floor) {
    if (k == 0) return 0.0f;
    const float *now = s->bands + k * SPECTRAL_MEL, *before = now - SPECTRAL_MEL;
    float sum = 0.0f;
    floor -= 20.0f;
    for (int b = 0; b < SPECTRAL_MEL; b++) {
        float high = before[b] > floor ? before[b] : floor;
        if (b > 0 && before[b - 1] > high) high = before[b - 1];
        if (b + 1 < SPECTRAL_MEL && before[b + 1] > high) high = before[b + 1];
        sum += now[b] > high ? now[b] - high : 0.0f;
    }
    return sum / SPECTRAL_MEL;
}

#define ONSET_NEAR   3     /* 70 ms: an onset is the highest so far around */
#define ONSET_MEAN   20    /* 0.46 s: and above the mean around */
#define ONSET_RISE   1.2f  /* dB */
#define ONSET_LAST   2     /* frames at the end that hear how the sound is cut off */
#define ONSET_BEGINS 12.0f /* dB: half of the first frame's window lies before the region */

/* Whether the first frame is an onset, which has no frame before it to rise over: it sounds, nearly as loudly as those after it. */
static bool begins_at_once(const struct spectral *s, float floor) {
    float top = s->level[0];
    for (size_t k = 1; k <= ONSET_NEAR && k < s->count; k++) top = s->level[k] > top ? s->level[k] : top;
    return s->level[0] > floor && s->level[0] > top - ONSET_BEGINS;
}

static bool onsets_finish(const struct spectral *s, float floor, struct spectral_result *r) {
    float *flux = malloc((s->count + 1) * sizeof *flux);
    if (!flux) return false;
    double total = 0.0, sum = 0.0;
    for (size_t k = 0; k < s->count; k++) {
        flux[k] = flux_at(s, k, floor);
        if (s->level[k] > floor) total += (double)flux[k];
    }
    r->flux = r->active ? total / (double)r->active : 0.0;
    for (size_t k = 0; k < s->count && k < ONSET_MEAN; k++) sum += (double)flux[k];
    const bool at_once = s->count > 0 && begins_at_once(s, floor);
    r->onsets += at_once;
    for (size_t k = 0; k < s->count; k++) {
        size_t from = k > ONSET_MEAN ? k - ONSET_MEAN : 0,
               to = k + ONSET_MEAN < s->count ? k + ONSET_MEAN : s->count - 1;
        if (k + ONSET_MEAN < s->count) sum += (double)flux[k + ONSET_MEAN];
        if (k > ONSET_MEAN) sum -= (double)flux[k - ONSET_MEAN - 1];
        float around = (float)(sum / (double)(to - from + 1));
        bool within = k + ONSET_LAST < s->count && !(at_once && k <= ONSET_NEAR);
        bool top = within && flux[k] > 1.5f * around + ONSET_RISE && s->level[k] > floor;
        for (size_t j = k > ONSET_NEAR ? k - ONSET_NEAR : 0; top && j <= k + ONSET_NEAR && j < s->count; j++)
            if (flux[j] > flux[k] || (j < k && flux[j] == flux[k])) top = false;
        r->onsets += top;
    }
    free(flux);
    return true;
}

/* A row of values, one a band. */
typedef float row[SPECTRAL_MEL];

static inline void order_rows(float *restrict low, float *restrict high) {
    for (uint32_t b = 0; b < SPECTRAL_MEL; b++) {
        float x = low[b], y = high[b], less = x < y ? x : y, more = x < y ? y : x;
        low[b] = less;
        high[b] = more;
    }
}

/* Medians of `n` rows, band by band: sorts them as far as row n / 2, in vectors. */
SONDE_CLONES
static void medians_of(row *rows, uint32_t n, float *medians) {
    for (uint32_t i = 0; i <= n / 2; i++)
        for (uint32_t k = i + 1; k < n; k++) order_rows(rows[i], rows[k]);
    memcpy(medians, rows[n / 2], sizeof(row));
}

/* Of each band over the frames around k; at the edges, of those that there are. */
static void medians_time(const struct spectral *s, size_t k, float *medians) {
    row rows[MEDIAN_TIME];
    const size_t half = MEDIAN_TIME / 2;
    uint32_t missing = 0;
    for (size_t i = 0; i < MEDIAN_TIME; i++) {
        if (k + i >= half && k + i - half < s->count) {
            memcpy(rows[i], s->bands + (k + i - half) * SPECTRAL_MEL, sizeof(row));
            continue;
        }
        float filler = missing++ % 2 ? -INFINITY : INFINITY; /* in turn: the middle stays the middle */
        for (uint32_t b = 0; b < SPECTRAL_MEL; b++) rows[i][b] = filler;
    }
    medians_of(rows, MEDIAN_TIME, medians);
}

/* Of the bands around each band of a frame; at the edges, of those that there are. */
static void medians_bands(const float *now, float *medians) {
    row rows[MEDIAN_BANDS];
    const uint32_t half = MEDIAN_BANDS / 2;
    float padded[SPECTRAL_MEL + MEDIAN_BANDS - 1];
    memcpy(padded + half, now, sizeof(row));
    for (uint32_t i = 0; i < half; i++)
        padded[half - 1 - i] = padded[half + SPECTRAL_MEL + i] = i % 2 ? -INFINITY : INFINITY;
    for (uint32_t i = 0; i < MEDIAN_BANDS; i++) memcpy(rows[i], padded + i, sizeof(row));
    medians_of(rows, MEDIAN_BANDS, medians);
}

/* Energy is harmonic where the median over time is 3 dB above the one over bands, percussive the other way round. */
static void balance_finish(const struct spectral *s, float floor, struct spectral_result *r) {
    double harmonic = 0.0, percussive = 0.0, total = 0.0;
    for (size_t k = 0; k < s->count; k += 2) {
        if (s->level[k] <= floor) continue;
        const float *now = s->bands + k * SPECTRAL_MEL;
        float steady[SPECTRAL_MEL], wide[SPECTRAL_MEL];
        medians_time(s, k, steady);
        medians_bands(now, wide);
        for (uint32_t b = 0; b < SPECTRAL_MEL; b++) {
            if (now[b] < s->level[k] - 40.0f) continue;
            double energy = (double)exp2f(now[b] * 0.33219281f);
            total += energy;
            if (steady[b] > wide[b] + 3.0f)
                harmonic += energy;
            else if (wide[b] > steady[b] + 3.0f)
                percussive += energy;
        }
    }
    r->harmonic = total > 0.0 ? harmonic / total : 0.0;
    r->percussive = total > 0.0 ? percussive / total : 0.0;
}

static float semitones(float a, float b) {
    return fabsf(12.0f * log2f(a / b));
}

static bool pitch_finish(struct spectral *s, float floor, struct spectral_result *r) {
    size_t count, voiced = 0, active = 0, pairs = 0;
    (void)spectral_f0(s, &count);
    float *sorted = malloc((count + 1) * sizeof *sorted), steady = 0.0f;
    if (!sorted) return false;
    double moved = 0.0;
    uint32_t jumps = 0;
    for (size_t i = 0; i < count; i++) {
        float f = s->f0[i];
        if (s->level[i * SPECTRAL_PITCH_EVERY] <= floor)
            f = s->f0[i] = 0.0f;
        else
            active++;
        if (f <= 0.0f) continue;
        sorted[voiced++] = f;
        if (i == 0 || s->f0[i - 1] <= 0.0f) continue;
        float step = semitones(f, s->f0[i - 1]);
        moved += (double)(step < 1.0f ? step : 1.0f);
        pairs++;
        if (step > 0.3f) continue;
        if (steady > 0.0f && semitones(f, steady) > 0.7f) jumps++;
        steady = f;
    }
    if (voiced > 0) {
        qsort(sorted, voiced, sizeof *sorted, compare_floats);
        r->f0_median = (double)sorted[voiced / 2];
        r->f0_low = (double)sorted[voiced / 20];
        r->f0_high = (double)sorted[voiced - 1 - voiced / 20];
        r->voiced = (double)voiced / (double)active;
        r->f0_stability = pairs ? 1.0 - moved / (double)pairs : 0.0;
        r->f0_jumps = jumps / ((double)s->count * SPECTRAL_HOP / SPECTRAL_RATE);
    }
    free(sorted);
    return true;
}

bool spectral_finish(struct spectral *s, struct spectral_result *r) {
    *r = (struct spectral_result){0};
    pitch_flush(s->design->pitch);
    float floor = floor_of(s);
    means_finish(s, floor, r);
    if (!r->active) {
        memset(s->f0, 0, (s->room / SPECTRAL_PITCH_EVERY + 1) * sizeof *s->f0);
        return true;
    }
    balance_finish(s, floor, r);
    if (!onsets_finish(s, floor, r) || !pitch_finish(s, floor, r)) return false;
    r->onset_rate = r->onsets / ((double)s->count * SPECTRAL_HOP / SPECTRAL_RATE);
    return true;
}
