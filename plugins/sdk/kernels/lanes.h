/* Eight real Fourier transforms of the same length at once, one in each lane of a vector.
 *
 * The spectra of a region are most of the host's work, and their frames are independent: with a frame a lane, the plainest
 * algorithm uses the processor's vectors in full, and what one frame gives never depends on its neighbours. Several times as
 * fast as KissFFT frame by frame; equal to it within 1e-6 of the largest value (tests/unit/test_host.c).
 *
 * Stockham's self-sorting FFT (Cochran et al., "What is the fast Fourier transform?", Proc. IEEE 55, 1967), radix 4 with
 * 2, 3, 5 and 7 where the length wants them; two real samples make one complex value, and are told apart at the end.
 * Compiled twice on x86-64, for processors with AVX2 and for all: both give the same bits. One thread for each object. */
#ifndef SONDE_KERNELS_LANES_H
#define SONDE_KERNELS_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LANES 8

struct lanes;

/* Transforms of `length` samples: even, without prime factors above 7. `plain`: for any processor, whatever this one can
 * (for tests). NULL: out of memory or unsuitable. */
struct lanes *lanes_new(uint32_t length, bool plain);
void lanes_free(struct lanes *lanes); /* NULL is fine */

/* Transforms `count` frames (1 to LANES): frame f are the `length` samples from samples + f * hop on, each multiplied by
 * its weight. */
void lanes_transform(struct lanes *lanes, const float *samples, size_t hop, uint32_t count, const float *weights);

/* What the last lanes_transform gave, for its first `count` frames: length/2 + 1 complex values of frame f (re and im in
 * turn) to out + f * stride, TWICE as large as the transform, a factor that costs nothing in the caller's weights. */
void lanes_values(const struct lanes *lanes, uint32_t count, float *out, size_t stride);

/* Their squared magnitudes, likewise. */
void lanes_powers(const struct lanes *lanes, uint32_t count, float *out, size_t stride);

#endif
