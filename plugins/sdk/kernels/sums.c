#include "kernels/sums.h"

#include <math.h>
#include <stdint.h>

#define LANES 8

typedef float lanes __attribute__((vector_size(4 * LANES)));
typedef int32_t bits __attribute__((vector_size(4 * LANES)));
typedef lanes anywhere __attribute__((aligned(4), may_alias)); /* a vector in somebody's array of floats */

#define SUMS_TARGET
#define SUMS_NAME(name) name##_plain
#include "kernels/sums_code.h"
#undef SUMS_TARGET
#undef SUMS_NAME

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define SUMS_TARGET     __attribute__((target("avx2")))
#define SUMS_NAME(name) name##_avx2
#include "kernels/sums_code.h"
#define CHOOSE(name) (__builtin_cpu_supports("avx2") ? name##_avx2 : name##_plain)
#else
#define CHOOSE(name) name##_plain
#endif

void sums_level(const float *x, size_t n, float *sum, float *square, float *peak) {
    CHOOSE(level)(x, n, sum, square, peak);
}

double sums_dot(const float *x, const float *y, size_t n) {
    return CHOOSE(dot)(x, y, n);
}

float sums_band(const float *x, const float *y, size_t n) {
    return CHOOSE(band)(x, y, n);
}

float sums_lowest(const float *p, size_t n) {
    return CHOOSE(lowest)(p, n);
}

void sums_moments(const float *p, size_t n, double moments[3]) {
    CHOOSE(moments)(p, n, moments);
}
