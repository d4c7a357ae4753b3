/* plugins/sdk/kernels: the tables that plugins get, against their definitions. */
#include "kernels/kernels.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static float noise(uint32_t i) {
    uint32_t x = i * 2654435761u;
    x ^= x >> 15;
    x *= 2246822519u;
    return (float)(x >> 8) / 8388608.0f - 1;
}

static void unknown_tables_are_null(void **state) {
    (void)state;
    assert_ptr_equal(kernels_find(SONDE_KERNEL_FFT), &kernel_fft);
    assert_ptr_equal(kernels_find(SONDE_KERNEL_RESAMPLE), &kernel_resample);
    assert_null(kernels_find("sonde.fft/2"));
    assert_null(kernels_find(""));
    assert_null(kernels_find(NULL));
}

/* The definition, in double: value k of `n`, from complex pairs. */
static void transform_at(const float *pairs, uint32_t n, uint32_t k, double sign, double out[2]) {
    out[0] = out[1] = 0;
    for (uint32_t i = 0; i < n; i++) {
        double angle = sign * 2 * M_PI * (double)((uint64_t)i * k % n) / n, c = cos(angle), s = sin(angle);
        out[0] += (double)pairs[2 * i] * c - (double)pairs[2 * i + 1] * s;
        out[1] += (double)pairs[2 * i] * s + (double)pairs[2 * i + 1] * c;
    }
}

/* Of `count` floats. */
static double largest(const float *values, uint32_t count) {
    double most = 0;
    for (uint32_t i = 0; i < count; i++) most = fmax(most, fabs((double)values[i]));
    return most;
}

static void real_transforms_are_as_defined(void **state) {
    (void)state;
    static const uint32_t lengths[] = {2, 4, 6, 30, 64, 98, 1000, 2048};
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
        uint32_t n = lengths[l];
        float *in = malloc(n * sizeof *in), *pairs = calloc(2 * n, sizeof *pairs), *out = malloc((n + 2) * sizeof *out),
              *back = malloc(n * sizeof *back);
        assert_true(in && pairs && out && back);
        for (uint32_t i = 0; i < n; i++) pairs[2 * i] = in[i] = noise(i);
        sonde_fft_t *fft = kernel_fft.create(n);
        assert_non_null(fft);
        kernel_fft.forward(fft, in, out);
        double limit = 1e-6 * largest(out, n + 2);
        for (uint32_t k = 0; k <= n / 2; k++) {
            double expected[2];
            transform_at(pairs, n, k, -1, expected);
            assert_true(fabs((double)out[2 * k] - expected[0]) < limit &&
                        fabs((double)out[2 * k + 1] - expected[1]) < limit);
        }
        kernel_fft.inverse(fft, out, back);
        for (uint32_t i = 0; i < n; i++) assert_true(fabs((double)back[i] / n - (double)in[i]) < 1e-6);
        kernel_fft.destroy(fft);
        free(in), free(pairs), free(out), free(back);
    }
}

/* More frames than there are lanes, overlapping; and each as if it were alone. */
static void many_transforms_are_as_single_ones(void **state) {
    (void)state;
    static const uint32_t lengths[] = {2, 30, 64, 98, 1000, 2048};
    enum { FRAMES = 11 };
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
        uint32_t n = lengths[l], hop = n / 2, stride = n + 5;
        float *in = malloc((n + hop * FRAMES) * sizeof *in), *out = malloc(FRAMES * stride * sizeof *out),
              *one = malloc((n + 2) * sizeof *one);
        assert_true(in && out && one);
        for (uint32_t i = 0; i < n + hop * FRAMES; i++) in[i] = noise(i);
        sonde_fft_t *fft = kernel_fft.create(n);
        sonde_fft_many_t *many = kernel_fft_many.create(n);
        assert_true(fft && many);
        kernel_fft_many.forward(many, in, hop, FRAMES, out, stride);
        for (uint32_t f = 0; f < FRAMES; f++) {
            kernel_fft.forward(fft, in + f * hop, one);
            double limit = 2e-6 * largest(one, n + 2);
            for (uint32_t k = 0; k < n + 2; k++) assert_true(fabs((double)(out[f * stride + k] - one[k])) < limit);
            kernel_fft_many.forward(many, in + f * hop, 0, 1, one, 0);
            assert_memory_equal(one, out + f * stride, (n + 2) * sizeof *one);
        }
        kernel_fft.destroy(fft);
        kernel_fft_many.destroy(many);
        free(in), free(out), free(one);
    }
    assert_null(kernel_fft_many.create(0));
    assert_null(kernel_fft_many.create(3));
    assert_null(kernel_fft_many.create(22));
    kernel_fft_many.destroy(NULL);
}

static void complex_transforms_are_as_defined(void **state) {
    (void)state;
    static const uint32_t lengths[] = {1, 2, 3, 7, 60, 101, 512};
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
        uint32_t n = lengths[l];
        float *in = malloc(2 * n * sizeof *in), *out = malloc(2 * n * sizeof *out);
        assert_true(in && out);
        for (uint32_t i = 0; i < 2 * n; i++) in[i] = noise(i);
        sonde_fft_t *fft = kernel_fft.create_complex(n);
        assert_non_null(fft);
        for (int inverse = 0; inverse < 2; inverse++) {
            if (inverse)
                kernel_fft.inverse(fft, in, out);
            else
                kernel_fft.forward(fft, in, out);
            double limit = 1e-6 * largest(out, 2 * n);
            for (uint32_t k = 0; k < n; k++) {
                double expected[2];
                transform_at(in, n, k, inverse ? 1 : -1, expected);
                assert_true(fabs((double)out[2 * k] - expected[0]) < limit &&
                            fabs((double)out[2 * k + 1] - expected[1]) < limit);
            }
        }
        kernel_fft.destroy(fft);
        free(in), free(out);
    }
}

static void impossible_plans_are_null(void **state) {
    (void)state;
    static const uint32_t odd[] = {0, 1, 3, 4194306, UINT32_MAX};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) assert_null(kernel_fft.create(odd[i]));
    assert_null(kernel_fft.create_complex(0));
    assert_null(kernel_fft.create_complex(4194305));
    kernel_fft.destroy(NULL);
    assert_null(kernel_resample.create(0, 22050));
    assert_null(kernel_resample.create(44100, 999));
    assert_null(kernel_resample.create(768001, 22050));
    kernel_resample.destroy(NULL);
}

/* Resamples `n` samples given `piece` at a time into `out`, which has room for all; returns how many came. */
static uint32_t resample(uint32_t from, uint32_t to, const float *in, uint32_t n, uint32_t piece, float *out) {
    sonde_resampler_t *r = kernel_resample.create(from, to);
    assert_non_null(r);
    uint32_t at = 0, got = 0, used = 0, given;
    uint32_t capacity = (uint32_t)((uint64_t)piece * to / from) + 1;
    while (at < n) {
        uint32_t now = n - at < piece ? n - at : piece;
        got += kernel_resample.process(r, in + at, now, &used, out + got, capacity);
        assert_int_equal(used, now);
        at += used;
    }
    while ((given = kernel_resample.finish(r, out + got, 100)) > 0) got += given;
    assert_int_equal(kernel_resample.finish(r, out + got, 100), 0);
    kernel_resample.destroy(r);
    return got;
}

static void lengths_are_exact(void **state) {
    (void)state;
    static const struct {
        uint32_t from, to, frames;
    } cases[] = {{44100, 22050, 0},  {44100, 22050, 1},    {44100, 22050, 3},   {48000, 22050, 50000},
                 {8000, 48000, 777}, {768000, 1000, 999},  {1000, 768000, 100}, {44100, 48000, 44101},
                 {11025, 22050, 17}, {96000, 22050, 12345}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t expected = kernel_resample.length(cases[i].from, cases[i].to, cases[i].frames);
        assert_int_equal(expected, (uint64_t)floor((double)cases[i].frames * cases[i].to / cases[i].from + 0.5));
        float *in = calloc(cases[i].frames + 1, sizeof *in), *out = malloc((expected + 2000) * sizeof *out);
        assert_true(in && out);
        assert_int_equal(resample(cases[i].from, cases[i].to, in, cases[i].frames, 1000, out), expected);
        free(in), free(out);
    }
    assert_int_equal(kernel_resample.length(44100, 22050, 1ull << 53), 1ull << 52);
    assert_int_equal(kernel_resample.length(0, 22050, 100), 0);
}

static void sines_stay_in_place(void **state) {
    (void)state;
    enum { FROM = 44100, TO = 22050, N = 44100 };
    float *in = malloc(N * sizeof *in), *out = malloc(N * sizeof *out);
    assert_true(in && out);
    for (int i = 0; i < N; i++)
        in[i] = (float)(0.3 + 0.5 * sin(2 * M_PI * 3000 * i / FROM) + 0.2 * sin(2 * M_PI * 15000 * i / FROM));
    assert_int_equal(resample(FROM, TO, in, N, 4096, out), TO);
    for (int k = 500; k < TO - 500; k++) /* 15 kHz is gone, all else is where it was */
        assert_true(fabs((double)out[k] - 0.3 - 0.5 * sin(2 * M_PI * 3000 * k / TO)) < 2e-6);
    free(in), free(out);
}

static void pieces_do_not_matter(void **state) {
    (void)state;
    static const uint32_t rates[][2] = {{44100, 22050}, {48000, 22050}, {8000, 22050}, {192000, 22050}},
                          pieces[] = {1, 13, 4096, 30000};
    enum { N = 30000 };
    float *in = malloc(N * sizeof *in), *one = malloc(4 * N * sizeof *one), *other = malloc(4 * N * sizeof *other);
    assert_true(in && one && other);
    for (uint32_t i = 0; i < N; i++) in[i] = noise(i);
    for (size_t r = 0; r < 4; r++) {
        uint32_t count = resample(rates[r][0], rates[r][1], in, N, N, one);
        for (size_t p = 0; p < 4; p++) {
            assert_int_equal(resample(rates[r][0], rates[r][1], in, N, pieces[p], other), count);
            assert_memory_equal(one, other, count * sizeof *one);
        }
    }
    free(in), free(one), free(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_tables_are_null),
        cmocka_unit_test(real_transforms_are_as_defined),
        cmocka_unit_test(many_transforms_are_as_single_ones),
        cmocka_unit_test(complex_transforms_are_as_defined),
        cmocka_unit_test(impossible_plans_are_null),
        cmocka_unit_test(lengths_are_exact),
        cmocka_unit_test(sines_stay_in_place),
        cmocka_unit_test(pieces_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
