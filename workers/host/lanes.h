/* Eight real Fourier transforms of the same length at once, one in each lane of a vector.
 *
 * The spectra of a region are most of the host's work, and their frames are independent: with a frame a lane, the plainest
 * algorithm uses the processor's vectors in full, and what one frame gives never depends on its neighbours. Nearly three times
 * as fast as KissFFT frame by frame; equal to it within 1e-6 of the largest value (tests/unit/test_host.c).
 *
 * Stockham's self-sorting FFT (Cochran et al., "What is the fast Fourier transform?", Proc. IEEE 55, 1967), radix 4 with
 * 2, 3, 5 and 7 where the length wants them; two real samples make one complex value, and are told apart at the end. */
#ifndef SONDE_HOST_LANES_H
#define SONDE_HOST_LANES_H

#include <stdint.h>

#define LANES 8

typedef float lanes_vector __attribute__((vector_size(4 * LANES)));

struct lanes;

/* Transforms of `length` samples: even, without prime factors above 7. NULL: out of memory or unsuitable. */
struct lanes *lanes_new(uint32_t length);
void lanes_free(struct lanes *lanes); /* NULL is fine */

/* Where the samples go before lanes_transform: sample i of lane l is input[i * LANES + l]. */
float *lanes_input(struct lanes *lanes);

/* Transforms all lanes; the input is spent. Returns length/2 + 1 pairs of vectors, re and im, TWICE as large as the
 * transform (a factor that costs nothing in the caller's window). Valid until the next call. */
const lanes_vector *lanes_transform(struct lanes *lanes);

#endif
