/* Samples of 16 bits and the floats that they stand for: multiples of 1/32768 from -1 to below 1, so nothing is lost either
 * way. Any thread. */
#ifndef SONDE_BASE_SHORTS_H
#define SONDE_BASE_SHORTS_H

#include <stddef.h>
#include <stdint.h>

/* `n` samples. The two must not overlap. */
void shorts_to_floats(const int16_t *from, size_t n, float *restrict to);

/* `n` floats, each of which came from a short. The two must not overlap. */
void shorts_from_floats(const float *from, size_t n, int16_t *restrict to);

#endif
