/* Sums over stretches of samples, in lanes of vectors: for processors with AVX2 and for all, with the same bits, because
 * the lanes fix the order of additions. Any thread. */
#ifndef SONDE_KERNELS_SUMS_H
#define SONDE_KERNELS_SUMS_H

#include <stddef.h>

/* Sum, sum of squares and largest magnitude of n values. */
void sums_level(const float *x, size_t n, float *sum, float *square, float *peak);

/* Sum of products. */
double sums_dot(const float *x, const float *y, size_t n);

/* The same in single precision; n is a multiple of 8. */
float sums_band(const float *x, const float *y, size_t n);

/* The smallest sum of three values in a row, of n >= 3. */
float sums_lowest(const float *p, size_t n);

/* Sums of p[k], k p[k] and k^2 p[k] for k < n; n is a multiple of 8 below 2^24. */
void sums_moments(const float *p, size_t n, double moments[3]);

#endif
