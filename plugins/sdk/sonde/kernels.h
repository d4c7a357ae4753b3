/* SPDX-License-Identifier: MIT
 *
 * sonde/kernels.h: tables of functions that the host offers to plugins, so that nobody needs to bring an FFT.
 *
 *     const sonde_kernel_fft_t *fft = host->kernel(host, SONDE_KERNEL_FFT);
 *
 * `host->kernel` returns NULL for a table that this host doesn't have. The number behind the slash is the table's major
 * version; within it, members are only appended (`struct_size` says how far it goes). Definitions are frozen: the same
 * input gives the same bits on one machine, and results within the stated tolerance on any.
 *
 * Every object belongs to whoever created it and is used by one thread at a time. `destroy` takes NULL. A function of a
 * table may be called in any phase, unless it says otherwise; `create` allocates, the others don't.
 */
#ifndef SONDE_KERNELS_H
#define SONDE_KERNELS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------------------ sonde.fft/1 */

#define SONDE_KERNEL_FFT "sonde.fft/1"

typedef struct sonde_fft sonde_fft_t;

/* Discrete Fourier transforms: X[k] = sum over n of x[n] exp(-2 pi i n k / N), unscaled in both directions, so that
 * inverse(forward(x)) = N x. Accurate to 1e-6 of the largest value. Fast for lengths with factors 2, 3 and 5. Complex
 * values are pairs re, im. Input and output may not overlap. */
typedef struct sonde_kernel_fft {
    uint32_t struct_size;
    uint32_t reserved;

    /* Of `length` real samples: even, 2 to 4194304. NULL: unsuitable length, or out of memory. */
    sonde_fft_t *(*create)(uint32_t length);
    /* Of `length` complex values: 1 to 4194304. */
    sonde_fft_t *(*create_complex)(uint32_t length);
    void (*destroy)(sonde_fft_t *fft);

    /* Real plan: `length` samples to length/2 + 1 complex values. Complex plan: `length` to `length` complex values. */
    void (*forward)(sonde_fft_t *fft, const float *in, float *out);
    /* The other way. */
    void (*inverse)(sonde_fft_t *fft, const float *in, float *out);
} sonde_kernel_fft_t;

/* ------------------------------------------------------------------------------------------------- sonde.resample/1 */

#define SONDE_KERNEL_RESAMPLE "sonde.resample/1"

typedef struct sonde_resampler sonde_resampler_t;

/* Changes the sample rate of one channel as a stream, exactly as the host does it for inputs: soxr HQ (passband to 91 % of
 * the lower Nyquist frequency, 125 dB rejection), without delay: output sample k is at time k/out_rate of the input. For N
 * input samples there are floor(N * out_rate / in_rate + 0.5) output samples, however the input is cut. */
typedef struct sonde_kernel_resample {
    uint32_t struct_size;
    uint32_t reserved;

    /* Rates in Hz, 1000 to 768000. NULL: unsuitable rates, or out of memory. */
    sonde_resampler_t *(*create)(uint32_t in_rate, uint32_t out_rate);
    void (*destroy)(sonde_resampler_t *resampler);

    /* Number of output samples for `frames` input samples in all. */
    uint64_t (*length)(uint32_t in_rate, uint32_t out_rate, uint64_t frames);

    /* Takes up to `frames` samples, says in `used` how many, and writes at most `capacity` samples, those that can be told
     * by now, to `out`; returns how many. With capacity >= frames * out_rate / in_rate + 1 everything is taken. */
    uint32_t (*process)(sonde_resampler_t *resampler, const float *in, uint32_t frames, uint32_t *used, float *out,
                        uint32_t capacity);

    /* No more input: writes at most `capacity` samples of the rest; returns how many, 0 when there are no more. */
    uint32_t (*finish)(sonde_resampler_t *resampler, float *out, uint32_t capacity);
} sonde_kernel_resample_t;

#ifdef __cplusplus
}
#endif
#endif
