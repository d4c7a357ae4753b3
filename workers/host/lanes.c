#include "workers/host/lanes.h"

#include "kernels/clones.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#define MAX_STAGES 32
#define MAX_RADIX  7

/* A complex value in each lane. */
struct pair {
    lanes_vector re, im;
};

struct lanes {
    uint32_t length, half;        /* real samples; complex values */
    uint32_t radices[MAX_STAGES]; /* of the stages, zero-terminated */
    struct pair *a, *b;           /* half + 1 values each: a stage reads one and writes the other */
    float *twiddles;              /* exp(-2 pi i k / half), k < half: pairs */
    float *unpack;                /* exp(-2 pi i k / length), k <= half: pairs */
};

static bool find_radices(struct lanes *lanes) {
    static const uint32_t choice[] = {4, 2, 3, 5, 7};
    uint32_t n = lanes->half;
    size_t count = 0;
    for (size_t c = 0; c < sizeof choice / sizeof *choice; c++)
        for (; n % choice[c] == 0; n /= choice[c]) lanes->radices[count++] = choice[c];
    return n == 1; /* 32 stages are enough for any 32-bit length */
}

static float *roots(uint32_t count, uint32_t of) {
    float *table = malloc(2 * (size_t)count * sizeof *table);
    for (uint32_t k = 0; table && k < count; k++) {
        table[2 * k] = (float)cos(2 * M_PI * k / of);
        table[2 * k + 1] = (float)-sin(2 * M_PI * k / of);
    }
    return table;
}

struct lanes *lanes_new(uint32_t length) {
    struct lanes *lanes = calloc(1, sizeof *lanes);
    if (!lanes) return NULL;
    lanes->length = length;
    lanes->half = length / 2;
    size_t bytes = (lanes->half + 1) * sizeof(struct pair);
    if (length >= 2 && length % 2 == 0 && find_radices(lanes)) {
        lanes->a = aligned_alloc(64, (bytes + 63) / 64 * 64);
        lanes->b = aligned_alloc(64, (bytes + 63) / 64 * 64);
        lanes->twiddles = roots(lanes->half, lanes->half);
        lanes->unpack = roots(lanes->half + 1, length);
    }
    if (lanes->a && lanes->b && lanes->twiddles && lanes->unpack) return lanes;
    lanes_free(lanes);
    return NULL;
}

void lanes_free(struct lanes *lanes) {
    if (!lanes) return;
    free(lanes->a);
    free(lanes->b);
    free(lanes->twiddles);
    free(lanes->unpack);
    free(lanes);
}

float *lanes_input(struct lanes *lanes) {
    return (float *)lanes->a;
}

/* Every function below is inlined into lanes_transform, so that its clones for wider vectors have them too. */
#define INLINE static inline __attribute__((always_inline))

INLINE void turn(struct pair *out, const struct pair *x, const float *w) {
    out->re = x->re * w[0] - x->im * w[1];
    out->im = x->re * w[1] + x->im * w[0];
}

/* One stage: transforms of `radix` over values n/radix apart, turned by their twiddles, `stride` interleaved sequences. */
INLINE void stage_4(struct pair *out, const struct pair *in, const float *twiddles, uint32_t n, uint32_t stride) {
    uint32_t m = n / 4;
    for (uint32_t p = 0; p < m; p++) {
        const float *w1 = twiddles + 2 * (size_t)p * stride, *w2 = w1 + 2 * (size_t)p * stride,
                    *w3 = w2 + 2 * (size_t)p * stride;
        for (uint32_t q = 0; q < stride; q++) {
            const struct pair *x = in + q + (size_t)stride * p;
            const struct pair *x0 = x, *x1 = x + (size_t)stride * m, *x2 = x1 + (size_t)stride * m,
                              *x3 = x2 + (size_t)stride * m;
            struct pair *y = out + q + (size_t)stride * 4 * p;
            struct pair s02 = {x0->re + x2->re, x0->im + x2->im}, d02 = {x0->re - x2->re, x0->im - x2->im};
            struct pair s13 = {x1->re + x3->re, x1->im + x3->im}, d13 = {x1->im - x3->im, x3->re - x1->re};
            struct pair b1 = {d02.re + d13.re, d02.im + d13.im}, b2 = {s02.re - s13.re, s02.im - s13.im},
                        b3 = {d02.re - d13.re, d02.im - d13.im};
            y[0] = (struct pair){s02.re + s13.re, s02.im + s13.im};
            turn(&y[stride], &b1, w1);
            turn(&y[2 * (size_t)stride], &b2, w2);
            turn(&y[3 * (size_t)stride], &b3, w3);
        }
    }
}

INLINE void stage_2(struct pair *out, const struct pair *in, const float *twiddles, uint32_t n, uint32_t stride) {
    uint32_t m = n / 2;
    for (uint32_t p = 0; p < m; p++)
        for (uint32_t q = 0; q < stride; q++) {
            const struct pair *x0 = in + q + (size_t)stride * p, *x1 = x0 + (size_t)stride * m;
            struct pair *y = out + q + (size_t)stride * 2 * p, d = {x0->re - x1->re, x0->im - x1->im};
            y[0] = (struct pair){x0->re + x1->re, x0->im + x1->im};
            turn(&y[stride], &d, twiddles + 2 * (size_t)p * stride);
        }
}

/* Radix 3, 5 and 7, straight from the definition: the roots of unity of `radix` are every (half/radix)-th twiddle. */
INLINE void stage_odd(struct pair *out, const struct pair *in, const float *twiddles, uint32_t n, uint32_t stride,
                      uint32_t radix, uint32_t half) {
    uint32_t m = n / radix, step = half / radix;
    for (uint32_t p = 0; p < m; p++)
        for (uint32_t q = 0; q < stride; q++)
            for (uint32_t j = 0; j < radix; j++) {
                struct pair sum = in[q + (size_t)stride * p];
                for (uint32_t k = 1; k < radix; k++) {
                    struct pair turned;
                    turn(&turned, &in[q + (size_t)stride * (p + m * k)], twiddles + 2 * (size_t)(j * k % radix * step));
                    sum.re += turned.re;
                    sum.im += turned.im;
                }
                turn(&out[q + (size_t)stride * (radix * p + j)], &sum, twiddles + 2 * (size_t)p * j * stride);
            }
}

/* From the transform of even samples as re and odd ones as im to that of the real samples, times two. */
INLINE void unpack(struct pair *out, const struct pair *z, const float *roots_of_length, uint32_t half) {
    for (uint32_t k = 0; k <= half; k++) {
        const struct pair *x = &z[k == half ? 0 : k], *y = &z[k == 0 ? 0 : half - k];
        struct pair even = {x->re + y->re, x->im - y->im}, odd = {x->im + y->im, y->re - x->re}, turned;
        turn(&turned, &odd, roots_of_length + 2 * (size_t)k);
        out[k] = (struct pair){even.re + turned.re, even.im + turned.im};
    }
}

SONDE_CLONES
static struct pair *transform(struct lanes *lanes) {
    struct pair *from = lanes->a, *to = lanes->b;
    uint32_t n = lanes->half, stride = 1;
    for (size_t i = 0; lanes->radices[i]; i++) {
        uint32_t radix = lanes->radices[i];
        if (radix == 4)
            stage_4(to, from, lanes->twiddles, n, stride);
        else if (radix == 2)
            stage_2(to, from, lanes->twiddles, n, stride);
        else
            stage_odd(to, from, lanes->twiddles, n, stride, radix, lanes->half);
        struct pair *swap = from;
        from = to;
        to = swap;
        n /= radix;
        stride *= radix;
    }
    unpack(to, from, lanes->unpack, lanes->half);
    return to;
}

const lanes_vector *lanes_transform(struct lanes *lanes) {
    return &transform(lanes)->re;
}
