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
 * table may be called in any phase, unless it says otherwise; `create` allocates, the others don't (but for sonde.fft/1, below).
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
 * inverse(forward(x)) = N x. Lengths with no other factors than 2, 3 and 5: fast, accurate to 1e-6 of the largest value, and
 * nothing is allocated after `create`; others: slower, to 1e-5. Complex values are pairs re, im. Input and output may not overlap. */
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

/* ------------------------------------------------------------------------------------------------- sonde.fft_many/1 */

#define SONDE_KERNEL_FFT_MANY "sonde.fft_many/1"

typedef struct sonde_fft_many sonde_fft_many_t;

/* The forward transform of real samples as sonde.fft/1 defines it, of many frames: several times as fast as one by one.
 * Frames are independent: how many go into a call changes no bit. */
typedef struct sonde_kernel_fft_many {
    uint32_t struct_size;
    uint32_t reserved;

    /* Of `length` real samples: even, 2 to 4194304, no prime factor above 7. NULL: unsuitable length, or out of memory. */
    sonde_fft_many_t *(*create)(uint32_t length);
    void (*destroy)(sonde_fft_many_t *fft);

    /* Frame f, from 0 to count - 1: `length` samples from in + f * in_stride on (frames may overlap) to length/2 + 1
     * complex values at out + f * out_stride. */
    void (*forward)(sonde_fft_many_t *fft, const float *in, uint64_t in_stride, uint32_t count, float *out,
                    uint64_t out_stride);
} sonde_kernel_fft_many_t;

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

/* ------------------------------------------------------------------------------------------------------ sonde.hpss/1 */

#define SONDE_KERNEL_HPSS "sonde.hpss/1"

typedef struct sonde_hpss sonde_hpss_t;

/* Separates a magnitude spectrogram into what is steady in time (harmonic) and what is broad in frequency (percussive):
 * Fitzgerald 2010, "Harmonic/percussive separation using median filtering", with soft masks, as librosa.decompose.hpss
 * defines it. H is the median of each bin over `time_window` frames, P of each frame over `frequency_window` bins, both
 * mirrored at the edges (d c b a | a b c d | d c b a); then
 *     harmonic   = S (H^2 / (H^2 + (margin_harmonic P)^2)),
 *     percussive = S (P^2 / (P^2 + (margin_percussive H)^2)),
 * each with half of S where both are 0 and the margins are 1, and 0 where they are 0 and a margin is above 1. Agrees with
 * the definition to 1e-5 of S. */
typedef struct sonde_kernel_hpss {
    uint32_t struct_size;
    uint32_t reserved;

    /* Windows: odd, 3 to 127; margins: at least 1; bins: 1 to 65537. NULL: unsuitable, or out of memory. */
    sonde_hpss_t *(*create)(uint32_t bins, uint32_t time_window, uint32_t frequency_window, double margin_harmonic,
                            double margin_percussive);
    void (*destroy)(sonde_hpss_t *hpss);

    /* All three are frames x bins, without gaps; magnitudes are finite and not negative. `harmonic` and `percussive` may
     * not overlap with each other or the input. */
    void (*separate)(sonde_hpss_t *hpss, const float *magnitude, uint32_t frames, float *harmonic, float *percussive);
} sonde_kernel_hpss_t;

/* ------------------------------------------------------------------------------------------------------- sonde.yin/1 */

#define SONDE_KERNEL_YIN "sonde.yin/1"

typedef struct sonde_yin sonde_yin_t;

/* Pitch of one voice: de Cheveigne and Kawahara 2002, "YIN, a fundamental frequency estimator for speech and music", as
 * librosa.yin defines it. Frame k is centred on sample k hop and has `length` samples, zeros outside the signal; there are
 * count / hop + 1 frames. With the frame's samples x[0 .. length-1], the difference function is
 *     d(t) = sum over j = 1 .. window of (x[j] - x[j + t])^2,
 * d'(t) = d(t) t / (d(1) + ... + d(t)), and the period is the first local minimum of d' from rate / highest to rate / lowest
 * that is below `threshold`, or else the least one, refined by a parabola through its neighbours. Agrees with the definition
 * to 0.1 % in frequency wherever two troughs are not equally deep to 1e-4. */
typedef struct sonde_kernel_yin {
    uint32_t struct_size;
    uint32_t reserved;

    /* length: 64 to 65536; window: 32 to length - 2; hop: 1 to length (fast where it divides window); 0 < lowest < highest
     * <= rate / 2 in Hz, with rate / lowest < length - window (a longer period is cut to that). NULL: unsuitable, or out of
     * memory. Usual: 2048, 1024, 512, 65.4, 2093, 0.1. */
    sonde_yin_t *(*create)(uint32_t rate, uint32_t length, uint32_t window, uint32_t hop, double lowest, double highest,
                           double threshold);
    void (*destroy)(sonde_yin_t *yin);

    /* Writes count / hop + 1 pitches in Hz, and (unless `depth` is NULL) d' at each: about 0 where the sound is periodic,
     * about 1 where it isn't. The pitch of silence means nothing; its depth is 1. */
    void (*process)(sonde_yin_t *yin, const float *samples, uint64_t count, float *pitch, float *depth);
} sonde_kernel_yin_t;

/* ------------------------------------------------------------------------------------------------------- sonde.cqt/1 */

#define SONDE_KERNEL_CQT "sonde.cqt/1"

typedef struct sonde_cqt sonde_cqt_t;

/* Constant-Q transform (Brown 1991) and chroma, as librosa.cqt and librosa.feature.chroma_cqt define them. Bin k has
 * frequency f = lowest 2^(k / bins_per_octave) and length N = rate / (a f), a = (r^2 - 1) / (r^2 + 1) with
 * r = 2^(1 / bins_per_octave). With a Hann window w of that length centred on sample t hop, zeros outside the signal,
 *     C[k, t] = sqrt(N) |sum of x[n] w[n] exp(-2 pi i f n / rate)| / (sum of w).
 * Chroma c (0 is C) of a frame is the sum of C over the bins within half a semitone of its notes, divided by the largest of
 * the twelve (all 0 in silence). There are count / hop + 1 frames. Agrees with the definition to 5e-3 of a frame's largest
 * value; the difference comes from the filters that halve the rate from octave to octave. */
typedef struct sonde_kernel_cqt {
    uint32_t struct_size;
    uint32_t reserved;

    /* octaves: 1 to 9; bins_per_octave: 12, 24, 36, 48 or 60; hop: a multiple of 2^(octaves - 1); the highest bin is below
     * 0.38 rate. NULL: unsuitable, or out of memory. Usual: 22050, 512, 32.703, 7, 36. Tuned to other than A440: multiply `lowest`. */
    sonde_cqt_t *(*create)(uint32_t rate, uint32_t hop, double lowest, uint32_t octaves, uint32_t bins_per_octave);
    void (*destroy)(sonde_cqt_t *cqt);

    /* Writes magnitudes (frames x octaves * bins_per_octave) and chroma (frames x 12); either may be NULL. */
    void (*process)(sonde_cqt_t *cqt, const float *samples, uint64_t count, float *magnitude, float *chroma);
} sonde_kernel_cqt_t;

#ifdef __cplusplus
}
#endif
#endif
