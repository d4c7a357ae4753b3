/* sonde.resample/1 on soxr. */
#include "kernels/kernels.h"

#include <soxr.h>
#include <stdlib.h>
#include <string.h>

#define MIN_RATE 1000u
#define MAX_RATE 768000u

struct sonde_resampler {
    soxr_t soxr;
    uint32_t in_rate, out_rate;
    uint64_t taken, given;
};

static void resample_destroy(sonde_resampler_t *r) {
    if (!r) return;
    soxr_delete(r->soxr);
    free(r);
}

static sonde_resampler_t *resample_create(uint32_t in_rate, uint32_t out_rate) {
    if (in_rate < MIN_RATE || in_rate > MAX_RATE || out_rate < MIN_RATE || out_rate > MAX_RATE) return NULL;
    sonde_resampler_t *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    r->in_rate = in_rate;
    r->out_rate = out_rate;
    soxr_error_t error = NULL;
    soxr_io_spec_t io = soxr_io_spec(SOXR_FLOAT32_I, SOXR_FLOAT32_I);
    soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
    soxr_runtime_spec_t runtime = soxr_runtime_spec(1);
    r->soxr = soxr_create(in_rate, out_rate, 1, &error, &io, &quality, &runtime);
    if (r->soxr && !error) return r;
    resample_destroy(r);
    return NULL;
}

static uint64_t resample_length(uint32_t in_rate, uint32_t out_rate, uint64_t frames) {
    if (in_rate == 0) return 0;
    uint64_t whole = frames / in_rate, rest = frames % in_rate; /* apart, so that nothing overflows */
    return whole * out_rate + (rest * out_rate * 2 + in_rate) / (2 * (uint64_t)in_rate);
}

static uint32_t resample_process(sonde_resampler_t *r, const float *in, uint32_t frames, uint32_t *used, float *out,
                                 uint32_t capacity) {
    size_t taken = 0, given = 0;
    /* A NULL input would mean the end to soxr. */
    static const float nothing = 0;
    soxr_process(r->soxr, in ? in : &nothing, in ? frames : 0, &taken, out, capacity, &given);
    r->taken += taken;
    r->given += given;
    *used = (uint32_t)taken;
    return (uint32_t)given;
}

/* soxr's own rounding of the last sample differs from ours by one now and then: cut, or add a zero. */
static uint32_t resample_finish(sonde_resampler_t *r, float *out, uint32_t capacity) {
    uint64_t rest = resample_length(r->in_rate, r->out_rate, r->taken);
    rest = rest > r->given ? rest - r->given : 0;
    if (rest > capacity) rest = capacity;
    if (rest == 0) return 0;
    size_t given = 0;
    soxr_process(r->soxr, NULL, 0, NULL, out, (size_t)rest, &given);
    memset(out + given, 0, ((size_t)rest - given) * sizeof *out);
    r->given += rest;
    return (uint32_t)rest;
}

const sonde_kernel_resample_t kernel_resample = {
    .struct_size = sizeof kernel_resample,
    .create = resample_create,
    .destroy = resample_destroy,
    .length = resample_length,
    .process = resample_process,
    .finish = resample_finish,
};
