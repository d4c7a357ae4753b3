#include "kernels/lanes_code.h"

typedef struct lanes_pair pair;
typedef lanes_vector __attribute__((aligned(4), may_alias)) anywhere; /* a vector in somebody's array of floats */

static inline void turn(pair *out, const pair *x, const float *w) {
    out->re = x->re * w[0] - x->im * w[1];
    out->im = x->re * w[1] + x->im * w[0];
}

/* One stage: transforms of `radix` over values n/radix apart, turned by their twiddles, `stride` interleaved sequences. */
static inline void stage_4(pair *out, const pair *in, const float *twiddles, uint32_t n, uint32_t stride) {
    uint32_t m = n / 4;
    for (uint32_t p = 0; p < m; p++) {
        const float *w1 = twiddles + 2 * (size_t)p * stride, *w2 = w1 + 2 * (size_t)p * stride,
                    *w3 = w2 + 2 * (size_t)p * stride;
        for (uint32_t q = 0; q < stride; q++) {
            const pair *x = in + q + (size_t)stride * p;
            const pair *x0 = x, *x1 = x + (size_t)stride * m, *x2 = x1 + (size_t)stride * m,
                       *x3 = x2 + (size_t)stride * m;
            pair *y = out + q + (size_t)stride * 4 * p;
            pair s02 = {x0->re + x2->re, x0->im + x2->im}, d02 = {x0->re - x2->re, x0->im - x2->im};
            pair s13 = {x1->re + x3->re, x1->im + x3->im}, d13 = {x1->im - x3->im, x3->re - x1->re};
            pair b1 = {d02.re + d13.re, d02.im + d13.im}, b2 = {s02.re - s13.re, s02.im - s13.im},
                 b3 = {d02.re - d13.re, d02.im - d13.im};
            y[0] = (pair){s02.re + s13.re, s02.im + s13.im};
            turn(&y[stride], &b1, w1);
            turn(&y[2 * (size_t)stride], &b2, w2);
            turn(&y[3 * (size_t)stride], &b3, w3);
        }
    }
}

static inline void stage_2(pair *out, const pair *in, const float *twiddles, uint32_t n, uint32_t stride) {
    uint32_t m = n / 2;
    for (uint32_t p = 0; p < m; p++)
        for (uint32_t q = 0; q < stride; q++) {
            const pair *x0 = in + q + (size_t)stride * p, *x1 = x0 + (size_t)stride * m;
            pair *y = out + q + (size_t)stride * 2 * p, d = {x0->re - x1->re, x0->im - x1->im};
            y[0] = (pair){x0->re + x1->re, x0->im + x1->im};
            turn(&y[stride], &d, twiddles + 2 * (size_t)p * stride);
        }
}

/* Radix 3, 5 and 7, straight from the definition: the roots of unity of `radix` are every (half/radix)-th twiddle. */
static inline void stage_odd(pair *out, const pair *in, const float *twiddles, uint32_t n, uint32_t stride,
                             uint32_t radix, uint32_t half) {
    uint32_t m = n / radix, step = half / radix;
    for (uint32_t p = 0; p < m; p++)
        for (uint32_t q = 0; q < stride; q++)
            for (uint32_t j = 0; j < radix; j++) {
                pair sum = in[q + (size_t)stride * p];
                for (uint32_t k = 1; k < radix; k++) {
                    pair turned;
                    turn(&turned, &in[q + (size_t)stride * (p + m * k)], twiddles + 2 * (size_t)(j * k % radix * step));
                    sum.re += turned.re;
                    sum.im += turned.im;
                }
                turn(&out[q + (size_t)stride * (radix * p + j)], &sum, twiddles + 2 * (size_t)p * j * stride);
            }
}

/* From the transform of even samples as re and odd ones as im to that of the real samples, times two. */
static inline void unpack(pair *out, const pair *z, const float *roots_of_length, uint32_t half) {
    for (uint32_t k = 0; k <= half; k++) {
        const pair *x = &z[k == half ? 0 : k], *y = &z[k == 0 ? 0 : half - k];
        pair even = {x->re + y->re, x->im - y->im}, odd = {x->im + y->im, y->re - x->re}, turned;
        turn(&turned, &odd, roots_of_length + 2 * (size_t)k);
        out[k] = (pair){even.re + turned.re, even.im + turned.im};
    }
}

static void transform(struct lanes *lanes) {
    pair *from = lanes->a, *to = lanes->b;
    uint32_t n = lanes->half, stride = 1;
    for (size_t i = 0; lanes->radices[i]; i++) {
        uint32_t radix = lanes->radices[i];
        if (radix == 4)
            stage_4(to, from, lanes->twiddles, n, stride);
        else if (radix == 2)
            stage_2(to, from, lanes->twiddles, n, stride);
        else
            stage_odd(to, from, lanes->twiddles, n, stride, radix, lanes->half);
        pair *swap = from;
        from = to;
        to = swap;
        n /= radix;
        stride *= radix;
    }
    unpack(to, from, lanes->unpack, lanes->half);
    lanes->result = to;
}

/* Turns 8 rows of 8 lanes into 8 lanes of 8 rows. */
#if defined(__AVX2__)
static inline void transpose(lanes_vector r[LANES]) {
    lanes_vector t[LANES], s[LANES];
    for (int i = 0; i < LANES; i += 2) {
        t[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        t[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    for (int i = 0; i < LANES; i += 4)
        for (int k = 0; k < 2; k++) {
            s[i + 2 * k] = __builtin_shufflevector(t[i + k], t[i + k + 2], 0, 1, 8, 9, 4, 5, 12, 13);
            s[i + 2 * k + 1] = __builtin_shufflevector(t[i + k], t[i + k + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        }
    for (int i = 0; i < LANES / 2; i++) {
        r[i] = __builtin_shufflevector(s[i], s[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        r[i + 4] = __builtin_shufflevector(s[i], s[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
}
#else
static inline void transpose(lanes_vector r[LANES]) {
    for (int i = 1; i < LANES; i++)
        for (int k = 0; k < i; k++) {
            float swap = r[i][k];
            r[i][k] = r[k][i];
            r[k][i] = swap;
        }
}
#endif

/* Sample i of lane l lies at float i * LANES + l of the pairs: even samples are real parts, odd ones imaginary. */
static void window_and_transform(struct lanes *lanes, const float *samples, size_t hop, uint32_t count,
                                 const float *weights) {
    float *input = (float *)lanes->a;
    uint32_t whole = lanes->length / LANES * LANES;
    for (uint32_t i = 0; i < whole; i += LANES) {
        lanes_vector rows[LANES], weight = *(const anywhere *)(weights + i);
        for (uint32_t l = 0; l < LANES; l++) {
            lanes_vector row = {0};
            if (l < count) row = *(const anywhere *)(samples + l * hop + i);
            rows[l] = row * weight;
        }
        transpose(rows);
        for (uint32_t l = 0; l < LANES; l++) *(lanes_vector *)(input + ((size_t)i + l) * LANES) = rows[l];
    }
    for (uint32_t i = whole; i < lanes->length; i++)
        for (uint32_t l = 0; l < LANES; l++)
            input[(size_t)i * LANES + l] = l < count ? samples[l * hop + i] * weights[i] : 0;
    transform(lanes);
}

static void write_values(const struct lanes *lanes, uint32_t count, float *out, size_t stride) {
    const lanes_vector *rows = &lanes->result->re;
    uint32_t all = 2 * (lanes->half + 1), whole = all / LANES * LANES;
    for (uint32_t r = 0; r < whole; r += LANES) {
        lanes_vector block[LANES];
        for (uint32_t i = 0; i < LANES; i++) block[i] = rows[r + i];
        transpose(block);
        for (uint32_t f = 0; f < count; f++) *(anywhere *)(out + f * stride + r) = block[f];
    }
    for (uint32_t r = whole; r < all; r++)
        for (uint32_t f = 0; f < count; f++) out[f * stride + r] = rows[r][f];
}

static void write_powers(const struct lanes *lanes, uint32_t count, float *out, size_t stride) {
    const pair *bins = lanes->result;
    uint32_t all = lanes->half + 1, whole = all / LANES * LANES;
    for (uint32_t b = 0; b < whole; b += LANES) {
        lanes_vector block[LANES];
        for (uint32_t i = 0; i < LANES; i++)
            block[i] = bins[b + i].re * bins[b + i].re + bins[b + i].im * bins[b + i].im;
        transpose(block);
        for (uint32_t f = 0; f < count; f++) *(anywhere *)(out + f * stride + b) = block[f];
    }
    for (uint32_t b = whole; b < all; b++) {
        lanes_vector power = bins[b].re * bins[b].re + bins[b].im * bins[b].im;
        for (uint32_t f = 0; f < count; f++) out[f * stride + b] = power[f];
    }
}

const struct lanes_code LANES_CODE = {
    .transform = window_and_transform, .values = write_values, .powers = write_powers};
