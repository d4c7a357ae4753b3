#include "head.h"

#include "kernels/clones.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = HEAD_WIDTH };

/* As DILATIONS in tools/train/sonde_train/timeline.py. */
static const uint32_t dilations[HEAD_BLOCKS] = {2, 6, 12};

#define LIMIT 5.0f /* spreads: an input further from its mean counts as this far */

int head_open(struct head *head, const struct weights *weights, char *error, size_t n) {
    char name[32];
#define TENSOR(target, name, d0, d1)                                                                                   \
    if (((target) = weights_floats(weights, name, d0, d1, 1, error, n)) == NULL) return -1
    TENSOR(head->mean, "input.mean", HEAD_INPUTS, 1);
    TENSOR(head->scale, "input.scale", HEAD_INPUTS, 1);
    TENSOR(head->entry, "entry.weight", HEAD_INPUTS, WIDTH);
    TENSOR(head->entry_bias, "entry.bias", WIDTH, 1);
    for (uint32_t i = 0; i < HEAD_BLOCKS; i++) {
        snprintf(name, sizeof name, "block%u.weight", i);
        TENSOR(head->block[i], name, HEAD_TAPS * WIDTH, WIDTH);
        snprintf(name, sizeof name, "block%u.bias", i);
        TENSOR(head->block_bias[i], name, WIDTH, 1);
    }
    TENSOR(head->exit, "exit.weight", WIDTH, HEAD_OUTPUTS);
    TENSOR(head->exit_bias, "exit.bias", HEAD_OUTPUTS, 1);
#undef TENSOR
    return 0;
}

/* sum [WIDTH] += x [depth] * weight [depth][WIDTH], in this order. */
SONDE_CLONES
static void add_product(const float *x, const float *weight, uint32_t depth, float *sum) {
    float total[WIDTH];
    memcpy(total, sum, sizeof total);
    for (uint32_t i = 0; i < depth; i++)
        for (uint32_t c = 0; c < WIDTH; c++) total[c] += x[i] * weight[(size_t)i * WIDTH + c];
    memcpy(sum, total, sizeof total);
}

static void normalise(const struct head *head, const float *values, uint32_t first, uint32_t count, float *out) {
    for (uint32_t i = 0; i < count; i++)
        out[i] = fminf(fmaxf((values[i] - head->mean[first + i]) * head->scale[first + i], -LIMIT), LIMIT);
}

static void run_entry(const struct head *head, const struct embedding *embedding, float *x) {
    float input[HEAD_INPUTS], scene[EMBEDDING_DIMENSIONS];
    for (size_t t = 0; t < embedding->count; t++, x += WIDTH) {
        const uint8_t *steps = embedding->scene + t * EMBEDDING_DIMENSIONS;
        for (uint32_t i = 0; i < EMBEDDING_DIMENSIONS; i++) scene[i] = (float)steps[i] / EMBEDDING_STEPS;
        normalise(head, scene, 0, EMBEDDING_DIMENSIONS, input);
        normalise(head, embedding->values + t * EMBEDDING_DIMENSIONS, EMBEDDING_DIMENSIONS, EMBEDDING_DIMENSIONS,
                  input + EMBEDDING_DIMENSIONS);
        normalise(head, embedding->timbre + t * TIMBRE_DIMENSIONS, 2 * EMBEDDING_DIMENSIONS, TIMBRE_DIMENSIONS,
                  input + 2 * (size_t)EMBEDDING_DIMENSIONS);
        memcpy(x, head->entry_bias, WIDTH * sizeof(float));
        add_product(input, head->entry, HEAD_INPUTS, x);
        for (uint32_t c = 0; c < WIDTH; c++) x[c] = fmaxf(x[c], 0);
    }
}

static void run_block(const struct head *head, uint32_t index, const float *x, uint32_t count, float *out) {
    for (uint32_t t = 0; t < count; t++, out += WIDTH) {
        memcpy(out, head->block_bias[index], WIDTH * sizeof(float));
        for (uint32_t tap = 0; tap < HEAD_TAPS; tap++) {
            const int64_t from = (int64_t)t + ((int64_t)tap - HEAD_TAPS / 2) * (int64_t)dilations[index];
            if (from >= 0 && from < count)
                add_product(x + (size_t)from * WIDTH, head->block[index] + (size_t)tap * WIDTH * WIDTH, WIDTH, out);
        }
        for (uint32_t c = 0; c < WIDTH; c++) out[c] = fmaxf(out[c] + x[(size_t)t * WIDTH + c], 0);
    }
}

static void run_exit(const struct head *head, const float *x, uint32_t count, float *kinds, float *change) {
    for (uint32_t t = 0; t < count; t++, x += WIDTH) {
        float sum[HEAD_OUTPUTS];
        memcpy(sum, head->exit_bias, sizeof sum);
        for (uint32_t c = 0; c < WIDTH; c++)
            for (uint32_t k = 0; k < HEAD_OUTPUTS; k++) sum[k] += x[c] * head->exit[c * HEAD_OUTPUTS + k];
        for (uint32_t k = 0; k < TIMELINE_KINDS; k++) kinds[(size_t)t * TIMELINE_KINDS + k] = 1 / (1 + expf(-sum[k]));
        change[t] = 1 / (1 + expf(-sum[TIMELINE_KINDS]));
    }
}

int head_measure(const struct head *head, const struct embedding *embedding, float *kinds, float *change) {
    float *rows = malloc(2 * sizeof(float) * WIDTH * embedding->count);
    if (rows == NULL) return -1;
    float *x = rows, *next = rows + (size_t)WIDTH * embedding->count;
    run_entry(head, embedding, x);
    for (uint32_t i = 0; i < HEAD_BLOCKS; i++) {
        run_block(head, i, x, embedding->count, next);
        float *swap = x;
        x = next, next = swap;
    }
    run_exit(head, x, embedding->count, kinds, change);
    free(rows);
    return 0;
}
