#include "timbre.h"

#include <math.h>

enum { N = TIMBRE_CEPSTRA, BANDS = TIMBRE_BANDS, STRIDE = TIMBRE_STRIDE };

void timbre_prepare(struct timbre *timbre) {
    const double pi = 3.14159265358979323846;
    for (uint32_t b = 0; b < BANDS; b++)
        for (uint32_t n = 0; n < N; n++)
            timbre->basis[b][n] = (float)(sqrt((n ? 2.0 : 1.0) / BANDS) * cos(pi * (b + 0.5) * n / BANDS));
}

/* The frames of one step. */
struct step {
    float value[STRIDE][N], change[STRIDE][N], bend[STRIDE][N];
    uint32_t count;
};

static float mean_size(const float (*rows)[N], uint32_t count, uint32_t n) {
    float sum = 0;
    for (uint32_t i = 0; i < count; i++) sum += fabsf(rows[i][n]);
    return sum / (float)count;
}

static void sum_up(const struct step *step, float *out) {
    for (uint32_t n = 0; n < N; n++) {
        float mean = 0, square = 0;
        for (uint32_t i = 0; i < step->count; i++) mean += step->value[i][n];
        mean /= (float)step->count;
        for (uint32_t i = 0; i < step->count; i++) square += (step->value[i][n] - mean) * (step->value[i][n] - mean);
        out[n] = mean;
        out[N + n] = sqrtf(square / (float)step->count);
        out[2 * N + n] = mean_size(step->change, step->count, n);
        out[3 * N + n] = mean_size(step->bend, step->count, n);
    }
}

/* Adds one frame to the step; `value` and `change` are those of the frame before, and become this frame's. */
static void add_frame(const struct timbre *timbre, const float *mel, int first, float *value, float *change,
                      struct step *step) {
    float now[N] = {0};
    for (uint32_t b = 0; b < BANDS; b++)
        for (uint32_t n = 0; n < N; n++) now[n] += mel[b] * timbre->basis[b][n];
    for (uint32_t n = 0; n < N; n++) {
        const float moved = first ? 0 : now[n] - value[n];
        step->value[step->count][n] = now[n];
        step->change[step->count][n] = moved;
        step->bend[step->count][n] = first ? 0 : moved - change[n];
        value[n] = now[n], change[n] = moved;
    }
    step->count++;
}

void timbre_measure(const struct timbre *timbre, const float *mel, uint64_t frames, float *out) {
    const uint64_t steps = (frames + STRIDE - 1) / STRIDE;
    float value[N] = {0}, change[N] = {0};
    struct step step = {.count = 0};
    uint64_t at = 0;
    for (uint64_t k = 0; k < steps; k++, out += TIMBRE_DIMENSIONS) {
        step.count = 0;
        for (; at < frames && at < k * STRIDE + STRIDE / 2; at++)
            add_frame(timbre, mel + at * BANDS, at == 0, value, change, &step);
        sum_up(&step, out);
    }
}
