/* sonde.fft_many/1: eight frames at once, a frame in each lane of a vector. */
#include "kernels/kernels.h"
#include "kernels/lanes.h"

#include <stdlib.h>

#define MAX_LENGTH 4194304u

struct sonde_fft_many {
    struct lanes *lanes;
    float *weights; /* 1/2 each: what lanes_values gives is twice the transform */
};

static void many_destroy(sonde_fft_many_t *fft) {
    if (!fft) return;
    lanes_free(fft->lanes);
    free(fft->weights);
    free(fft);
}

static sonde_fft_many_t *many_create(uint32_t length) {
    if (length < 2 || length > MAX_LENGTH || length % 2) return NULL;
    sonde_fft_many_t *fft = calloc(1, sizeof *fft);
    if (!fft) return NULL;
    fft->lanes = lanes_new(length, false);
    fft->weights = malloc(length * sizeof *fft->weights);
    if (!fft->lanes || !fft->weights) {
        many_destroy(fft);
        return NULL;
    }
    for (uint32_t i = 0; i < length; i++) fft->weights[i] = 0.5f;
    return fft;
}

static void many_forward(sonde_fft_many_t *fft, const float *in, uint64_t in_stride, uint32_t count, float *out,
                         uint64_t out_stride) {
    for (uint32_t f = 0; f < count; f += LANES) {
        uint32_t n = count - f < LANES ? count - f : LANES;
        lanes_transform(fft->lanes, in + f * in_stride, in_stride, n, fft->weights);
        lanes_values(fft->lanes, n, out + f * out_stride, out_stride);
    }
}

const sonde_kernel_fft_many_t kernel_fft_many = {
    .struct_size = sizeof kernel_fft_many, .create = many_create, .destroy = many_destroy, .forward = many_forward};
