/* SPDX-License-Identifier: MIT */
#include "tempogram.h"

#include "bands.h"
#include "kernels/clones.h"
#include "lags.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RANGES        3   /* below 170 Hz, to 2 kHz, above: kick and bass, voices, hats */
#define LAGS          110 /* SHORTEST_LAG * 2^(i / 20) s */
#define SHORTEST_LAG  .11
#define LONGEST_FRAME 210 /* lags in frames that are enough for the longest */
#define LOOKS         33  /* lags seen for one tempo: 11 ratios, and the neighbours of each */
#define HIDDEN        32
#define NARROW        16
#define TIMBRE        (3 * BANDS_COUNT)
#define TIMBRE_HIDDEN 12
#define BASIS         6
#define LAG           2 /* frames between the spectra compared, as in onsets.c */
#define MODELS        8 /* at most */
#define MAGIC         "sondeTG1"

struct model {
    float mean[TIMBRE], spread[TIMBRE];
    float hidden_weight[HIDDEN][RANGES * LOOKS], hidden_bias[HIDDEN];
    float narrow_weight[NARROW][HIDDEN], narrow_bias[NARROW];
    float out_weight[NARROW], out_bias;
    float timbre_weight[TIMBRE_HIDDEN][TIMBRE], timbre_bias[TIMBRE_HIDDEN];
    float lean_weight[BASIS][TIMBRE_HIDDEN], lean_bias[BASIS];
};

struct tempogram {
    int count;
    struct model model[];
};

static const int RANGE_END[RANGES] = {13, 34, BANDS_COUNT}; /* bands */
/* In lag bins: a quarter, a third, half, two thirds, three quarters of the beat, itself, and so on to four times. */
static const int RATIO[LOOKS / 3] = {-40, -32, -20, -12, -8, 0, 8, 12, 20, 32, 40};

struct tempogram *tempogram_new(const void *data, uint64_t size) {
    const uint64_t head = sizeof MAGIC - 1;
    if (size <= head || memcmp(data, MAGIC, head) != 0 || (size - head) % sizeof(struct model) != 0) return NULL;
    const uint64_t count = (size - head) / sizeof(struct model);
    if (count < 1 || count > MODELS) return NULL;
    struct tempogram *tempogram = malloc(sizeof *tempogram + count * sizeof(struct model));
    if (!tempogram) return NULL;
    tempogram->count = (int)count;
    memcpy(tempogram->model, (const char *)data + head, count * sizeof(struct model));
    return tempogram;
}

void tempogram_free(struct tempogram *tempogram) {
    free(tempogram);
}

/* The rise of each band, as in SuperFlux (onsets.h). */
SONDE_CLONES static void rise(const float *now, const float *before, float up[BANDS_COUNT]) {
    for (int b = 0; b < BANDS_COUNT; b++) {
        float top = before[b];
        if (b > 0 && before[b - 1] > top) top = before[b - 1];
        if (b + 1 < BANDS_COUNT && before[b + 1] > top) top = before[b + 1];
        up[b] = now[b] > top ? now[b] - top : 0;
    }
}

/* Envelopes of the ranges, one after the other, and of each band mean level, five times the mean rise, and the level's
 * standard deviation. */
static void envelopes_make(const float *frames, int64_t count, float *envelope, float timbre[TIMBRE]) {
    static const float silence[BANDS_COUNT] = {0};
    double level[BANDS_COUNT] = {0}, square[BANDS_COUNT] = {0}, risen[BANDS_COUNT] = {0};
    for (int64_t t = 0; t < count; t++) {
        const float *now = frames + t * BANDS_COUNT;
        float up[BANDS_COUNT];
        rise(now, t >= LAG ? now - LAG * BANDS_COUNT : silence, up);
        for (int b = 0, r = 0; r < RANGES; r++) {
            float sum = 0;
            for (; b < RANGE_END[r]; b++) {
                sum += up[b];
                risen[b] += (double)up[b];
                level[b] += (double)now[b];
                square[b] += (double)now[b] * (double)now[b];
            }
            envelope[r * count + t] = sum;
        }
    }
    const double n = (double)count;
    for (int b = 0; b < BANDS_COUNT; b++) {
        timbre[b] = (float)(level[b] / n);
        timbre[BANDS_COUNT + b] = (float)(5 * risen[b] / n);
        timbre[2 * BANDS_COUNT + b] = (float)sqrt(fmax(0, square[b] / n - level[b] / n * (level[b] / n)));
    }
}

/* The autocorrelation of `x`, whose mean is taken away first, over that at zero, at each lag bin; 0 beyond four fifths of
 * its length. */
static void lags_make(float *x, int64_t count, float out[LAGS]) {
    double sum = 0;
    float at[LONGEST_FRAME + 1] = {0};
    for (int64_t t = 0; t < count; t++) sum += (double)x[t];
    const float mean = (float)(sum / (double)count);
    for (int64_t t = 0; t < count; t++) x[t] -= mean;
    for (int64_t k = 0; k <= LONGEST_FRAME && k < count; k++)
        at[k] = lags_product(x, x + k, count - k) / (float)(count - k);
    for (int i = 0; i < LAGS; i++) {
        const double lag = SHORTEST_LAG * exp2(i / TEMPO_BINS_AN_OCTAVE) * BANDS_FPS;
        const int64_t k = (int64_t)lag;
        const float part = (float)(lag - (double)k);
        out[i] = 0;
        if (at[0] > 1e-9f && lag < .8 * (double)count && k < LONGEST_FRAME)
            out[i] = (at[k] + part * ((k + 1 < count ? at[k + 1] : at[k]) - at[k])) / at[0];
    }
}

static float relu(float x) {
    return x > 0 ? x : 0;
}

/* How much the lags around one tempo look like a beat. */
static float look(const struct model *model, float lags[RANGES][LAGS], int bin) {
    const int beat = (int)lround(TEMPO_BINS_AN_OCTAVE * log2(60 / TEMPO_LOWEST_BPM / SHORTEST_LAG) - bin);
    float seen[RANGES * LOOKS], hidden[HIDDEN], out = model->out_bias;
    for (int r = 0; r < RANGES; r++)
        for (int l = 0; l < LOOKS; l++) {
            const int at = beat + RATIO[l / 3] + l % 3 - 1;
            seen[r * LOOKS + l] = at >= 0 && at < LAGS ? lags[r][at] : 0;
        }
    for (int h = 0; h < HIDDEN; h++) {
        hidden[h] = model->hidden_bias[h];
        for (int i = 0; i < RANGES * LOOKS; i++) hidden[h] += model->hidden_weight[h][i] * seen[i];
    }
    for (int n = 0; n < NARROW; n++) {
        float sum = model->narrow_bias[n];
        for (int h = 0; h < HIDDEN; h++) sum += model->narrow_weight[n][h] * relu(hidden[h]);
        out += model->out_weight[n] * relu(sum);
    }
    return out;
}

/* What the sound itself suggests: weights of a constant and of five broad bumps over the tempi. */
static void lean_make(const struct model *model, const float timbre[TIMBRE], float lean[BASIS]) {
    float hidden[TIMBRE_HIDDEN];
    for (int h = 0; h < TIMBRE_HIDDEN; h++) {
        hidden[h] = model->timbre_bias[h];
        for (int i = 0; i < TIMBRE; i++)
            hidden[h] += model->timbre_weight[h][i] * (timbre[i] - model->mean[i]) / model->spread[i];
    }
    for (int k = 0; k < BASIS; k++) {
        lean[k] = model->lean_bias[k];
        for (int h = 0; h < TIMBRE_HIDDEN; h++) lean[k] += model->lean_weight[k][h] * relu(hidden[h]);
    }
}

static void model_add(const struct model *model, float lags[RANGES][LAGS], const float timbre[TIMBRE], float share,
                      float tempo[TEMPO_BINS]) {
    float lean[BASIS], value[TEMPO_BINS], top = -INFINITY, sum = 0;
    lean_make(model, timbre, lean);
    for (int i = 0; i < TEMPO_BINS; i++) {
        value[i] = look(model, lags, i) + lean[0];
        for (int k = 1; k < BASIS; k++) {
            const double off = (i - 10.0 * k) / 9;
            value[i] += lean[k] * (float)exp(-.5 * off * off);
        }
        top = value[i] > top ? value[i] : top;
    }
    for (int i = 0; i < TEMPO_BINS; i++) sum += value[i] = expf(value[i] - top);
    for (int i = 0; i < TEMPO_BINS; i++) tempo[i] += share * value[i] / sum;
}

bool tempogram_run(const struct tempogram *tempogram, const float *frames, int64_t count, float tempo[TEMPO_BINS]) {
    float timbre[TIMBRE], lags[RANGES][LAGS];
    memset(tempo, 0, TEMPO_BINS * sizeof *tempo);
    float *envelope = malloc((size_t)(RANGES * count + 1) * sizeof *envelope);
    if (!envelope) return false;
    envelopes_make(frames, count, envelope, timbre);
    for (int r = 0; r < RANGES; r++) lags_make(envelope + r * count, count, lags[r]);
    free(envelope);
    for (int m = 0; m < tempogram->count; m++)
        model_add(&tempogram->model[m], lags, timbre, 1 / (float)tempogram->count, tempo);
    return true;
}
