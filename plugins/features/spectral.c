/* SPDX-License-Identifier: MIT */
#include "spectral.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BIN_HZ        ((double)SPECTRAL_RATE / SPECTRAL_WINDOW)
#define FIRST_BIN     2   /* below lie DC and its side lobes */
#define FLAT_FROM     9   /* 100 Hz */
#define FLAT_TO       929 /* 10 kHz */
#define DETAIL_EVERY  8
#define HIGHEST_POWER 1e9f /* float files may hold anything */
#define FLOOR_DB      (-100.0f)
#define ACTIVE_RANGE  50.0f
#define ACTIVE_FROM   (-80.0f)
#define LAG_MIN       11   /* 2 kHz */
#define LAG_MAX       441  /* 50 Hz */
#define BAND_RANGE    1e-8 /* bands are at most 80 dB below their frame, so that level alone changes no feature */
#define PITCH_BINS    326  /* 3.5 kHz */
#define OCTAVE_COST   1.03f
#define VOICED_FROM   0.5f
#define MEDIAN_TIME   17
#define MEDIAN_BANDS  7

struct band {
    uint32_t first, count, weights; /* bins, and where their weights begin */
};

struct spectral {
    size_t room, count;
    const sonde_kernel_fft_t *kernel;
    sonde_fft_t *fft;
    struct band mel[SPECTRAL_MEL];
    float *weights;
    float *level; /* dB, of the whole frame */
    float *bands; /* frames x SPECTRAL_MEL, dB */
    float *centroid, *bandwidth, *rolloff, *flatness;
    float *f0;
    float contrast[SPECTRAL_CONTRAST]; /* sums over the frames looked at */
    double chroma[12];
    double detailed;
    uint8_t chroma_class[SPECTRAL_BINS];
    float lag_gain[LAG_MAX + 2]; /* 1 / autocorrelation of the window */
    float complex_in[2 * SPECTRAL_BINS], lags[SPECTRAL_WINDOW];
    float scratch[SPECTRAL_BINS];
};

static const uint32_t contrast_edges[SPECTRAL_CONTRAST + 1] = {19, 37, 74, 149, 297, 594, 929};

/* Slaney's mel scale: linear to 1 kHz, logarithmic above. */
static double mel_to_hz(double mel) {
    return mel < 15.0 ? mel * 200.0 / 3.0 : 1000.0 * exp((mel - 15.0) * log(6.4) / 27.0);
}

static double mel_from_hz(double hz) {
    return hz < 1000.0 ? hz * 3.0 / 200.0 : 15.0 + log(hz / 1000.0) * 27.0 / log(6.4);
}

static void mel_design(struct spectral *s) {
    double low = mel_from_hz(30.0), step = (mel_from_hz(10000.0) - low) / (SPECTRAL_MEL + 1);
    uint32_t used = 0;
    for (uint32_t b = 0; b < SPECTRAL_MEL; b++) {
        double left = mel_to_hz(low + b * step), centre = mel_to_hz(low + (b + 1) * step),
               right = mel_to_hz(low + (b + 2) * step);
        s->mel[b] = (struct band){(uint32_t)ceil(left / BIN_HZ), 0, used};
        for (uint32_t k = s->mel[b].first; k < SPECTRAL_BINS && k * BIN_HZ < right; k++) {
            double f = k * BIN_HZ, w = f < centre ? (f - left) / (centre - left) : (right - f) / (right - centre);
            s->weights[used++] = (float)(w * 2.0 / (right - left) * BIN_HZ); /* each band has area 1 */
            s->mel[b].count++;
        }
    }
}

/* The autocorrelation of the Hann window, in closed form (Boersma 1993, equation 8). */
static void lags_design(struct spectral *s) {
    for (int lag = 0; lag <= LAG_MAX + 1; lag++) {
        double x = (double)lag / SPECTRAL_WINDOW;
        double r = (1.0 - x) * (2.0 / 3.0 + cos(2.0 * M_PI * x) / 3.0) + sin(2.0 * M_PI * x) / (2.0 * M_PI);
        s->lag_gain[lag] = (float)(1.0 / r);
    }
}

struct spectral *spectral_new(size_t frames, const sonde_kernel_fft_t *kernel) {
    struct spectral *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->room = frames + 1;
    s->kernel = kernel;
    s->fft = kernel->create(SPECTRAL_WINDOW);
    s->weights = calloc((size_t)2 * SPECTRAL_BINS + 2 * SPECTRAL_MEL, sizeof(float));
    s->bands = calloc(s->room, SPECTRAL_MEL * sizeof(float));
    s->level = calloc(s->room, 5 * sizeof(float));
    s->f0 = calloc(s->room / SPECTRAL_PITCH_EVERY + 1, sizeof(float));
    if (!s->fft || !s->weights || !s->bands || !s->level || !s->f0) {
        spectral_free(s);
        return NULL;
    }
    s->centroid = s->level + s->room;
    s->bandwidth = s->centroid + s->room;
    s->rolloff = s->bandwidth + s->room;
    s->flatness = s->rolloff + s->room;
    mel_design(s);
    lags_design(s);
    for (uint32_t k = FIRST_BIN; k < SPECTRAL_BINS; k++) {
        long note = lround(69.0 + 12.0 * log2(k * BIN_HZ / 440.0));
        s->chroma_class[k] = (uint8_t)(((note % 12) + 12) % 12);
    }
    return s;
}

void spectral_free(struct spectral *s) {
    if (!s) return;
    s->kernel->destroy(s->fft);
    free(s->weights);
    free(s->bands);
    free(s->level);
    free(s->f0);
    free(s);
}

static float dot(const float *x, const float *y, uint32_t n) {
    float lane[8] = {0};
    uint32_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (uint32_t j = 0; j < 8; j++) lane[j] += x[i + j] * y[i + j];
    for (; i < n; i++) lane[0] += x[i] * y[i];
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

/* Zeroth to second moment over bins. */
static void moments(const float *p, double m[3]) {
    float a[8] = {0}, b[8] = {0}, c[8] = {0};
    for (uint32_t i = 0; i + 8 < SPECTRAL_BINS; i += 8) {
        for (uint32_t j = 0; j < 8; j++) {
            float k = (float)(i + j), v = p[i + j];
            a[j] += v;
            b[j] += v * k;
            c[j] += v * k * k;
        }
    }
    m[0] = m[1] = m[2] = 0.0;
    for (uint32_t j = 0; j < 8; j++) {
        m[0] += (double)a[j];
        m[1] += (double)b[j];
        m[2] += (double)c[j];
    }
}

/* Where 85 % of the energy `total` are below, in bins. */
static float rolloff_find(const float *p, double total) {
    double sum = 0.0, want = 0.85 * total;
    for (uint32_t i = 0; i + 16 < SPECTRAL_BINS; i += 16) {
        double part = 0.0;
        for (uint32_t j = 0; j < 16; j++) part += (double)p[i + j];
        if (sum + part >= want)
            for (uint32_t j = 0; j < 16; j++)
                if ((sum += (double)p[i + j]) >= want) return (float)(i + j);
        sum += part;
    }
    return SPECTRAL_BINS - 1;
}

/* Geometric over arithmetic mean; eight bins share one logarithm. */
static float flatness_of(const float *p, double total) {
    double sum = 0.0, logs = 0.0, least = total / SPECTRAL_BINS * 1e-10;
    for (uint32_t i = FLAT_FROM; i < FLAT_TO; i += 8) {
        double product = 1.0, part = 0.0;
        for (uint32_t j = 0; j < 8; j++) {
            double v = (double)p[i + j] + least;
            product *= v;
            part += v;
        }
        logs += log(product);
        sum += part;
    }
    return (float)(exp(logs / (FLAT_TO - FLAT_FROM)) * (FLAT_TO - FLAT_FROM) / sum);
}

/* Moves the `want` smallest of v to its front (Hoare's selection). */
static void select_smallest(float *v, int n, int want) {
    int low = 0, high = n - 1;
    while (low < high) {
        float pivot = v[low + (high - low) / 2];
        int i = low, j = high;
        while (i <= j) {
            while (v[i] < pivot) i++;
            while (v[j] > pivot) j--;
            if (i > j) break;
            float t = v[i];
            v[i++] = v[j];
            v[j--] = t;
        }
        /* Up to j nothing is above the pivot, from i on nothing below it, and between them lies the pivot itself. */
        if (want - 1 <= j)
            high = j;
        else if (want - 1 >= i)
            low = i;
        else
            return;
    }
}

static float mean(const float *v, uint32_t n) {
    float sum = 0.0f;
    for (uint32_t i = 0; i < n; i++) sum += v[i];
    return sum / (float)n;
}

static void detail_add(struct spectral *s, const float *p, float least) {
    for (uint32_t b = 0; b < SPECTRAL_CONTRAST; b++) {
        uint32_t n = contrast_edges[b + 1] - contrast_edges[b], tenth = (n + 9) / 10;
        memcpy(s->scratch, p + contrast_edges[b], n * sizeof(float));
        select_smallest(s->scratch, (int)n, (int)tenth);
        float low = mean(s->scratch, tenth);
        select_smallest(s->scratch, (int)n, (int)(n - tenth));
        float high = mean(s->scratch + n - tenth, tenth);
        s->contrast[b] += 10.0f * log10f((high + least) / (low + least));
    }
    for (uint32_t k = 10; k < 470; k++) s->chroma[s->chroma_class[k]] += sqrt((double)p[k]);
    s->detailed += 1.0;
}

/* A peak of the autocorrelation, through a parabola. */
struct peak {
    float lag, height;
};

static struct peak peak_at(const float *r, int lag) {
    float a = r[lag - 1], b = r[lag], c = r[lag + 1], bend = a - 2.0f * b + c;
    float shift = bend < 0.0f ? 0.5f * (a - c) / bend : 0.0f;
    return (struct peak){(float)lag + shift, b - 0.25f * (a - c) * shift};
}

/* Boersma's pitch of one frame in Hz, or 0. What is above PITCH_BINS would only make the peaks too narrow to see. */
static float pitch_of(struct spectral *s, const float *p) {
    memset(s->complex_in, 0, sizeof s->complex_in);
    for (uint32_t k = FIRST_BIN; k < PITCH_BINS; k++) s->complex_in[2 * k] = p[k];
    s->kernel->inverse(s->fft, s->complex_in, s->lags);
    float *r = s->lags, scale = r[0] > 0.0f ? 1.0f / r[0] : 0.0f;
    struct peak best = {0.0f, VOICED_FROM};
    for (int lag = LAG_MIN - 1; lag <= LAG_MAX + 1; lag++) r[lag] *= scale * s->lag_gain[lag];
    for (int lag = LAG_MIN; lag <= LAG_MAX; lag++) {
        if (r[lag] < r[lag - 1] || r[lag] <= r[lag + 1]) continue;
        struct peak peak = peak_at(r, lag);
        /* A slightly lower peak at a shorter lag is the fundamental; the longer ones are its multiples. */
        if (peak.height > best.height * (best.lag > 0.0f ? OCTAVE_COST : 1.0f)) best = peak;
    }
    return best.lag > 0.0f ? SPECTRAL_RATE / best.lag : 0.0f;
}

static void frame_add(struct spectral *s, const float *power) {
    float p[SPECTRAL_BINS];
    size_t k = s->count;
    for (uint32_t b = 0; b < SPECTRAL_BINS; b++) p[b] = power[b] < HIGHEST_POWER ? power[b] : HIGHEST_POWER;
    for (uint32_t b = 0; b < FIRST_BIN; b++) p[b] = 0.0f;
    double m[3];
    moments(p, m);
    s->level[k] = m[0] > 1e-10 ? (float)(10.0 * log10(m[0])) : FLOOR_DB;
    float least = m[0] * BAND_RANGE > 1e-10 ? (float)(m[0] * BAND_RANGE) : 1e-10f;
    for (uint32_t b = 0; b < SPECTRAL_MEL; b++) {
        float e = dot(p + s->mel[b].first, s->weights + s->mel[b].weights, s->mel[b].count);
        s->bands[k * SPECTRAL_MEL + b] = 10.0f * log10f(e > least ? e : least);
    }
    if (m[0] > 1e-10) {
        double c = m[1] / m[0];
        s->centroid[k] = (float)(c * BIN_HZ);
        s->bandwidth[k] = (float)(sqrt(fmax(0.0, m[2] / m[0] - c * c)) * BIN_HZ);
        s->rolloff[k] = (float)((double)rolloff_find(p, m[0]) * BIN_HZ);
        s->flatness[k] = flatness_of(p, m[0]);
        if (k % DETAIL_EVERY == 0) detail_add(s, p, least * 1e-2f);
        if (k % SPECTRAL_PITCH_EVERY == 0 && s->flatness[k] < 0.3f && s->level[k] > ACTIVE_FROM)
            s->f0[k / SPECTRAL_PITCH_EVERY] = pitch_of(s, p);
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
    float dct[SPECTRAL_MEL][SPECTRAL_MFCC];
    for (int b = 0; b < SPECTRAL_MEL; b++)
        for (int c = 0; c < SPECTRAL_MFCC; c++)
            dct[b][c] = (float)(cos(M_PI * c * (b + 0.5) / SPECTRAL_MEL) * sqrt((c ? 2.0 : 1.0) / SPECTRAL_MEL));
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
            for (int c = 0; c < SPECTRAL_MFCC; c++) out[c] += s->bands[k * SPECTRAL_MEL + (size_t)b] * dct[b][c];
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

#define ONSET_NEAR 3    /* 70 ms: an onset is the highest so far around */
#define ONSET_MEAN 20   /* 0.46 s: and above the mean around */
#define ONSET_RISE 1.2f /* dB */

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
    for (size_t k = 0; k < s->count; k++) {
        size_t from = k > ONSET_MEAN ? k - ONSET_MEAN : 0,
               to = k + ONSET_MEAN < s->count ? k + ONSET_MEAN : s->count - 1;
        if (k + ONSET_MEAN < s->count) sum += (double)flux[k + ONSET_MEAN];
        if (k > ONSET_MEAN) sum -= (double)flux[k - ONSET_MEAN - 1];
        float around = (float)(sum / (double)(to - from + 1));
        bool top = flux[k] > 1.5f * around + ONSET_RISE && s->level[k] > floor;
        for (size_t j = k > ONSET_NEAR ? k - ONSET_NEAR : 0; top && j <= k + ONSET_NEAR && j < s->count; j++)
            if (flux[j] > flux[k] || (j < k && flux[j] == flux[k])) top = false;
        r->onsets += top;
    }
    free(flux);
    return true;
}

static float median_small(const float *v, uint32_t n) {
    float sorted[MEDIAN_TIME];
    for (uint32_t i = 0; i < n; i++) {
        uint32_t j = i;
        for (; j > 0 && sorted[j - 1] > v[i]; j--) sorted[j] = sorted[j - 1];
        sorted[j] = v[i];
    }
    return sorted[n / 2];
}

/* Medians of a band over time, slid along: the oldest value leaves a sorted list, the newest enters it. */
static void medians_time(const struct spectral *s, uint32_t band, float *out) {
    float sorted[MEDIAN_TIME];
    uint32_t n = 0;
    const uint32_t half = MEDIAN_TIME / 2;
    for (size_t k = 0; k < s->count + half; k++) {
        if (k >= MEDIAN_TIME) {
            float old = s->bands[(k - MEDIAN_TIME) * SPECTRAL_MEL + band];
            uint32_t j = 0;
            while (sorted[j] != old) j++;
            for (n--; j < n; j++) sorted[j] = sorted[j + 1];
        }
        if (k < s->count) {
            float v = s->bands[k * SPECTRAL_MEL + band];
            uint32_t j = n++;
            for (; j > 0 && sorted[j - 1] > v; j--) sorted[j] = sorted[j - 1];
            sorted[j] = v;
        }
        if (k >= half) out[k - half] = sorted[n / 2];
    }
}

/* Energy is harmonic where the median over time is 3 dB above the one over bands, percussive the other way round. */
static bool balance_finish(const struct spectral *s, float floor, struct spectral_result *r) {
    float *steady = malloc((s->count + 1) * SPECTRAL_MEL * sizeof *steady);
    if (!steady) return false;
    for (uint32_t b = 0; b < SPECTRAL_MEL; b++) medians_time(s, b, steady + b * s->count);
    double harmonic = 0.0, percussive = 0.0, total = 0.0;
    for (size_t k = 0; k < s->count; k += 2) {
        if (s->level[k] <= floor) continue;
        const float *now = s->bands + k * SPECTRAL_MEL;
        for (uint32_t b = 0; b < SPECTRAL_MEL; b++) {
            uint32_t from = b > MEDIAN_BANDS / 2 ? b - MEDIAN_BANDS / 2 : 0;
            uint32_t to = b + MEDIAN_BANDS / 2 < SPECTRAL_MEL ? b + MEDIAN_BANDS / 2 : SPECTRAL_MEL - 1;
            if (now[b] < s->level[k] - 40.0f) continue;
            float wide = median_small(now + from, to - from + 1), long_ = steady[b * s->count + k];
            double energy = (double)exp2f(now[b] * 0.33219281f);
            total += energy;
            if (long_ > wide + 3.0f)
                harmonic += energy;
            else if (wide > long_ + 3.0f)
                percussive += energy;
        }
    }
    free(steady);
    r->harmonic = total > 0.0 ? harmonic / total : 0.0;
    r->percussive = total > 0.0 ? percussive / total : 0.0;
    return true;
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
    float floor = floor_of(s);
    means_finish(s, floor, r);
    if (!r->active) {
        memset(s->f0, 0, (s->room / SPECTRAL_PITCH_EVERY + 1) * sizeof *s->f0);
        return true;
    }
    if (!onsets_finish(s, floor, r) || !balance_finish(s, floor, r) || !pitch_finish(s, floor, r)) return false;
    r->onset_rate = r->onsets / ((double)s->count * SPECTRAL_HOP / SPECTRAL_RATE);
    return true;
}
