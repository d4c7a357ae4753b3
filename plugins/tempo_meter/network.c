/* SPDX-License-Identifier: MIT */
#include "network.h"

#include "bands.h"
#include "kernels/clones.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH   24 /* channels of every hidden layer */
#define LAYERS  9  /* residual layers, dilation 1, 2, 4 ... 256 */
#define TAPS    5
#define STEPS   4 /* frames computed together, to use each weight four times once it is loaded */
#define OUTPUTS 2
#define POOLED  32 /* features averaged over the region for the tempo */
#define MODELS  8  /* at most */
#define MAGIC   "sondeTM1"

struct layer {
    float weight[TAPS][WIDTH][WIDTH]; /* tap, input, output */
    float bias[WIDTH];
};

struct model {
    float input_weight[3][BANDS_COUNT][WIDTH];
    float input_bias[WIDTH];
    struct layer layer[LAYERS];
    float gain[LAYERS][WIDTH];
    float output_weight[OUTPUTS][WIDTH];
    float output_bias[OUTPUTS];
    float pool_weight[WIDTH][POOLED]; /* input, output */
    float pool_bias[POOLED];
    float tempo_weight[TEMPO_BINS + 1][POOLED];
    float tempo_bias[TEMPO_BINS + 1];
};

struct network {
    int count;
    struct model model[];
};

struct network *network_new(const void *data, uint64_t size) {
    const uint64_t head = sizeof MAGIC - 1;
    if (size <= head || memcmp(data, MAGIC, head) != 0 || (size - head) % sizeof(struct model) != 0) return NULL;
    const uint64_t count = (size - head) / sizeof(struct model);
    if (count < 1 || count > MODELS) return NULL;
    struct network *network = malloc(sizeof *network + count * sizeof(struct model));
    if (!network) return NULL;
    network->count = (int)count;
    memcpy(network->model, (const char *)data + head, count * sizeof(struct model));
    return network;
}

void network_free(struct network *network) {
    free(network);
}

/* Adds weight * in (one tap, `inputs` values a frame) to STEPS accumulators. */
static inline void tap_add(float (*sum)[WIDTH], const float *weight, const float *in, int inputs) {
    for (int i = 0; i < inputs; i++)
        for (int s = 0; s < STEPS; s++) {
            const float x = in[s * inputs + i];
            for (int o = 0; o < WIDTH; o++) sum[s][o] += weight[i * WIDTH + o] * x;
        }
}

/* out[t] += gain * relu(bias + sum over taps of weight * in[t + (tap - taps / 2) * dilation]) for `count` frames. `in`
 * has room for reading `pad` frames before its start and STEPS + pad after its end, which are zero. */
SONDE_CLONES static void convolve(const float *weight, const float *bias, int taps, int inputs, int64_t dilation,
                                  const float *in, int64_t count, const float *gain, float *out) {
    for (int64_t t = 0; t < count; t += STEPS) {
        float sum[STEPS][WIDTH];
        for (int s = 0; s < STEPS; s++) memcpy(sum[s], bias, sizeof sum[s]);
        for (int k = 0; k < taps; k++)
            tap_add(sum, weight + (int64_t)k * inputs * WIDTH, in + (t + (k - taps / 2) * dilation) * inputs, inputs);
        for (int s = 0; s < STEPS && t + s < count; s++)
            for (int o = 0; o < WIDTH; o++) {
                const float y = sum[s][o] > 0 ? sum[s][o] : 0;
                out[(t + s) * WIDTH + o] += gain[o] * y;
            }
    }
}

/* Frames of zeros before and after `count` frames, so that no tap needs to ask where it is. */
static float *padded_new(int64_t count, int64_t pad, int inputs, float **start) {
    float *all = calloc((size_t)((count + 2 * pad + STEPS) * inputs), sizeof *all);
    *start = all ? all + pad * inputs : NULL;
    return all;
}

/* Adds `share` of a model's beats, downbeats and tempo to `out`, from its last hidden layer `a`. */
SONDE_CLONES static void output_add(const struct model *model, const float *a, int64_t count, float share,
                                    struct network_output *out) {
    float pooled[POOLED] = {0};
    for (int64_t t = 0; t < count; t++) {
        const float *frame = a + t * WIDTH;
        float sum[OUTPUTS], hidden[POOLED];
        memcpy(sum, model->output_bias, sizeof sum);
        memcpy(hidden, model->pool_bias, sizeof hidden);
        for (int i = 0; i < WIDTH; i++) {
            for (int o = 0; o < OUTPUTS; o++) sum[o] += model->output_weight[o][i] * frame[i];
            for (int o = 0; o < POOLED; o++) hidden[o] += model->pool_weight[i][o] * frame[i];
        }
        for (int o = 0; o < POOLED; o++) pooled[o] += hidden[o] > 0 ? hidden[o] : 0;
        out->beat[t] += share / (1 + expf(-sum[0]));
        out->downbeat[t] += share / (1 + expf(-sum[1]));
    }
    float total = 0, logit[TEMPO_BINS + 1], top = -INFINITY;
    for (int i = 0; i <= TEMPO_BINS; i++) {
        logit[i] = model->tempo_bias[i];
        for (int o = 0; o < POOLED; o++) logit[i] += model->tempo_weight[i][o] * pooled[o] / (float)count;
        top = logit[i] > top ? logit[i] : top;
    }
    for (int i = 0; i <= TEMPO_BINS; i++) total += logit[i] = expf(logit[i] - top);
    for (int i = 0; i <= TEMPO_BINS; i++) out->tempo[i] += share * logit[i] / total;
}

float network_tempo_at(const float *table, double bpm) {
    const double bin = log2(bpm / TEMPO_LOWEST_BPM) * TEMPO_BINS_AN_OCTAVE;
    if (!(bin > 0)) return table[0];
    if (bin >= TEMPO_BINS - 1) return table[TEMPO_BINS - 1];
    const int i = (int)bin;
    return table[i] + (float)(bin - i) * (table[i + 1] - table[i]);
}

bool network_run(const struct network *network, const float *frames, int64_t count, struct network_output *out) {
    const int64_t pad = (TAPS / 2) << (LAYERS - 1);
    float *in, *a, *b, ones[WIDTH];
    float *in_all = padded_new(count, 1, BANDS_COUNT, &in);
    float *a_all = padded_new(count, pad, WIDTH, &a), *b_all = padded_new(count, pad, WIDTH, &b);
    const bool ok = in_all && a_all && b_all;
    for (int64_t i = 0; ok && i < count * BANDS_COUNT; i++) in[i] = frames[i] / 3 - 1;
    for (int o = 0; o < WIDTH; o++) ones[o] = 1;
    memset(out->beat, 0, (size_t)count * sizeof *out->beat);
    memset(out->downbeat, 0, (size_t)count * sizeof *out->downbeat);
    memset(out->tempo, 0, sizeof out->tempo);
    for (int m = 0; ok && m < network->count; m++) {
        const struct model *model = &network->model[m];
        memset(a, 0, (size_t)(count * WIDTH) * sizeof *a);
        convolve(&model->input_weight[0][0][0], model->input_bias, 3, BANDS_COUNT, 1, in, count, ones, a);
        for (int l = 0; l < LAYERS; l++) {
            memcpy(b, a, (size_t)(count * WIDTH) * sizeof *b);
            convolve(&model->layer[l].weight[0][0][0], model->layer[l].bias, TAPS, WIDTH, INT64_C(1) << l, b, count,
                     model->gain[l], a);
        }
        output_add(model, a, count, 1 / (float)network->count, out);
    }
    free(in_all);
    free(a_all);
    free(b_all);
    return ok;
}
