/* sonde.fft/1 on KissFFT. */
#include "kernels/kernels.h"

#include <kiss_fft.h>
#include <kiss_fftr.h>
#include <stdbool.h>
#include <stdlib.h>

#define MAX_LENGTH 4194304u

struct sonde_fft {
    kiss_fftr_cfg real_forward, real_inverse; /* of a real plan */
    kiss_fft_cfg forward, inverse;            /* of a complex plan */
};

static void fft_destroy(sonde_fft_t *fft) {
    if (!fft) return;
    kiss_fftr_free(fft->real_forward);
    kiss_fftr_free(fft->real_inverse);
    kiss_fft_free(fft->forward);
    kiss_fft_free(fft->inverse);
    free(fft);
}

static sonde_fft_t *fft_create(uint32_t length) {
    if (length < 2 || length > MAX_LENGTH || length % 2) return NULL;
    sonde_fft_t *fft = calloc(1, sizeof *fft);
    if (!fft) return NULL;
    fft->real_forward = kiss_fftr_alloc((int)length, 0, NULL, NULL);
    fft->real_inverse = kiss_fftr_alloc((int)length, 1, NULL, NULL);
    if (fft->real_forward && fft->real_inverse) return fft;
    fft_destroy(fft);
    return NULL;
}

static sonde_fft_t *fft_create_complex(uint32_t length) {
    if (length < 1 || length > MAX_LENGTH) return NULL;
    sonde_fft_t *fft = calloc(1, sizeof *fft);
    if (!fft) return NULL;
    fft->forward = kiss_fft_alloc((int)length, 0, NULL, NULL);
    fft->inverse = kiss_fft_alloc((int)length, 1, NULL, NULL);
    if (fft->forward && fft->inverse) return fft;
    fft_destroy(fft);
    return NULL;
}

/* kiss_fft_cpx is a pair of floats, so an array of them and one of pairs are the same memory. */
static void fft_forward(sonde_fft_t *fft, const float *in, float *out) {
    if (fft->real_forward)
        kiss_fftr(fft->real_forward, in, (kiss_fft_cpx *)out);
    else
        kiss_fft(fft->forward, (const kiss_fft_cpx *)in, (kiss_fft_cpx *)out);
}

static void fft_inverse(sonde_fft_t *fft, const float *in, float *out) {
    if (fft->real_inverse)
        kiss_fftri(fft->real_inverse, (const kiss_fft_cpx *)in, out);
    else
        kiss_fft(fft->inverse, (const kiss_fft_cpx *)in, (kiss_fft_cpx *)out);
}

const sonde_kernel_fft_t kernel_fft = {
    .struct_size = sizeof kernel_fft,
    .create = fft_create,
    .create_complex = fft_create_complex,
    .destroy = fft_destroy,
    .forward = fft_forward,
    .inverse = fft_inverse,
};
