/* The kernels hpss, yin and cqt against vectors that tools/reference/kernels.py computes from librosa's definitions. */
#include "kernels/kernels.h"
#include "kernels_reference.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RATE     22050
#define C1       32.70319566257483
#define COUNT(a) (sizeof(a) / sizeof *(a))

static void noise(float *out, int n, uint32_t x) {
    for (int i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        out[i] = (float)((double)(x >> 8) / 8388608.0 - 1.0);
    }
}

/* As signal() in the script. */
static void make_signal(float *x, int n) {
    noise(x, n, 1);
    for (int i = 0; i < n; i++) {
        const double t = (double)i / RATE, phase = 2 * M_PI * (220 * t + 40 * t * t) + 0.3 * sin(2 * M_PI * 5 * t);
        double sum = 0.01 * (double)x[i];
        for (int h = 1; h <= 5; h++) sum += pow(0.5, h) * sin(h * phase);
        x[i] = i < n - n / 8 ? (float)sum : 0;
    }
}

enum { FRAMES = 37, BINS = 41 };

static void make_spectrogram(float *s) {
    noise(s, FRAMES * BINS, 7);
    for (int i = 0; i < FRAMES * BINS; i++) s[i] = fabsf(s[i]);
    for (int b = 0; b < BINS; b++) s[5 * BINS + b] += 2;
    for (int f = 0; f < FRAMES; f++) s[f * BINS + 9] += 1.5f;
    for (int f = 20; f < 24; f++)
        for (int b = 20; b < 30; b++) s[f * BINS + b] = 0;
}

static void rows_agree(const float *got, const float *want, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const float g = got[i / BINS * 4 * BINS + i % BINS];
        if (fabsf(g - want[i]) > 1e-5f * 3.5f) fail_msg("value %zu is %g, not %g", i, (double)g, (double)want[i]);
    }
}

static void hpss_is_as_defined(void **state) {
    (void)state;
    static float s[FRAMES * BINS], h[FRAMES * BINS], p[FRAMES * BINS];
    make_spectrogram(s);
    sonde_hpss_t *k = kernel_hpss.create(BINS, 7, 9, 1, 1);
    assert_non_null(k);
    kernel_hpss.separate(k, s, FRAMES, h, p);
    rows_agree(h, hpss_plain_harmonic, COUNT(hpss_plain_harmonic));
    rows_agree(p, hpss_plain_percussive, COUNT(hpss_plain_percussive));
    for (int i = 0; i < FRAMES * BINS; i++) assert_true(fabsf(h[i] + p[i] - s[i]) < 1e-5f * (1 + s[i]));
    kernel_hpss.destroy(k);
    k = kernel_hpss.create(BINS, 31, 31, 2, 3);
    assert_non_null(k);
    kernel_hpss.separate(k, s, FRAMES, h, p);
    rows_agree(h, hpss_margin_harmonic, COUNT(hpss_margin_harmonic));
    rows_agree(p, hpss_margin_percussive, COUNT(hpss_margin_percussive));
    kernel_hpss.destroy(k);
}

/* Plain medians, for shapes that the vectors don't have: fewer frames than the window, one bin, ties. */
static float median_at(const float *s, int frames, int bins, int f, int b, int window, int across) {
    float v[127] = {0};
    for (int i = 0; i < window; i++) {
        const int n = across ? bins : frames;
        int at = ((across ? b : f) + i - window / 2) % (2 * n);
        if (at < 0) at += 2 * n;
        if (at >= n) at = 2 * n - 1 - at;
        const float x = across ? s[f * bins + at] : s[at * bins + b];
        int j = i;
        for (; j > 0 && v[j - 1] > x; j--) v[j] = v[j - 1];
        v[j] = x;
    }
    return v[window / 2];
}

static void hpss_of_any_shape(void **state) {
    (void)state;
    static const int shapes[][4] = {{1, 1, 3, 3}, {2, 5, 31, 17}, {100, 1, 31, 31}, {3, 70, 127, 127}, {50, 33, 5, 31}};
    for (size_t i = 0; i < COUNT(shapes); i++) {
        const int frames = shapes[i][0], bins = shapes[i][1];
        const size_t n = (size_t)frames * (size_t)bins;
        float *s = malloc(n * sizeof *s), *h = malloc(n * sizeof *h), *p = malloc(n * sizeof *p);
        assert_true(s && h && p);
        noise(s, frames * bins, (uint32_t)i);
        for (size_t j = 0; j < n; j++) s[j] = floorf(fabsf(s[j]) * 5); /* many ties, many zeros */
        sonde_hpss_t *k = kernel_hpss.create((uint32_t)bins, (uint32_t)shapes[i][2], (uint32_t)shapes[i][3], 1, 1);
        assert_non_null(k);
        kernel_hpss.separate(k, s, (uint32_t)frames, h, p);
        kernel_hpss.separate(k, s, 0, h, p);
        for (int f = 0; f < frames; f++)
            for (int b = 0; b < bins; b++) {
                const float a = median_at(s, frames, bins, f, b, shapes[i][2], 0);
                const float c = median_at(s, frames, bins, f, b, shapes[i][3], 1);
                const float mask = a > 0 || c > 0 ? a * a / (a * a + c * c) : 0.5f;
                assert_true(fabsf(h[f * bins + b] - s[f * bins + b] * mask) < 1e-5f * 5);
            }
        kernel_hpss.destroy(k);
        free(s), free(h), free(p);
    }
}

static void yin_is_as_defined(void **state) {
    (void)state;
    static float x[RATE];
    float pitch[RATE / 512 + 1], depth[RATE / 512 + 1];
    make_signal(x, RATE);
    sonde_yin_t *y = kernel_yin.create(RATE, 2048, 1024, 512, 65.40639132514966, 2093.004522404789, 0.1);
    assert_non_null(y);
    kernel_yin.process(y, x, RATE, pitch, depth);
    assert_int_equal(COUNT(pitch), COUNT(yin_pitch));
    for (size_t k = 0; k < COUNT(pitch); k++) {
        if (k > 37) continue; /* silence: no pitch is right */
        if (fabsf(pitch[k] - yin_pitch[k]) > 1e-3f * yin_pitch[k])
            fail_msg("frame %zu: %g Hz, not %g", k, (double)pitch[k], (double)yin_pitch[k]);
        assert_true(fabsf(depth[k] - yin_depth[k]) < 1e-4f);
    }
    assert_true(depth[43] == 1);
    kernel_yin.destroy(y);
}

static void yin_with_any_hop(void **state) {
    (void)state;
    static float x[RATE];
    for (int i = 0; i < RATE; i++) x[i] = (float)(0.5 * sin(2 * M_PI * 311.13 * i / RATE));
    static const uint32_t hops[] = {64, 100, 256, 441, 1024, 2048};
    for (size_t i = 0; i < COUNT(hops); i++) {
        static float pitch[RATE / 64 + 1];
        sonde_yin_t *y = kernel_yin.create(RATE, 2048, 1024, hops[i], 60, 2000, 0.1);
        assert_non_null(y);
        kernel_yin.process(y, x, RATE, pitch, NULL);
        for (uint32_t k = 1024 / hops[i] + 1; k < (RATE - 1024) / hops[i]; k++)
            assert_true(fabsf(pitch[k] - 311.13f) < 0.3f);
        kernel_yin.process(y, x, 0, pitch, NULL);
        kernel_yin.process(y, x, 1, pitch, NULL);
        kernel_yin.destroy(y);
    }
}

/* Down to periods several times as long as the window. */
static void yin_with_any_window(void **state) {
    (void)state;
    static float x[RATE], pitch[RATE / 512 + 1];
    for (int i = 0; i < RATE; i++) x[i] = (float)(0.5 * sin(2 * M_PI * 30 * i / RATE));
    static const uint32_t windows[] = {128, 256, 300, 512, 735, 1024};
    for (size_t i = 0; i < COUNT(windows); i++) {
        sonde_yin_t *y = kernel_yin.create(RATE, 2048, windows[i], 512, 25, 2000, 0.01);
        assert_non_null(y);
        kernel_yin.process(y, x, RATE, pitch, NULL);
        for (uint32_t k = 3; k < RATE / 512 - 3; k++)
            if (fabsf(pitch[k] - 30) > 0.3f) fail_msg("window %u: %g Hz", windows[i], (double)pitch[k]);
        kernel_yin.destroy(y);
    }
}

static void cqt_is_as_defined(void **state) {
    (void)state;
    static float x[RATE], c[44 * 252], chroma[44 * 12];
    make_signal(x, RATE);
    sonde_cqt_t *q = kernel_cqt.create(RATE, 512, C1, 7, 36);
    assert_non_null(q);
    kernel_cqt.process(q, x, RATE, c, chroma);
    for (int i = 0; i < 8; i++) {
        float top = 0;
        for (int k = 0; k < 252; k++) top = fmaxf(top, cqt_magnitude[i * 252 + k]);
        for (int k = 0; k < 252; k++) {
            const float got = c[i * 6 * 252 + k], want = cqt_magnitude[i * 252 + k];
            if (fabsf(got - want) > 5e-3f * top)
                fail_msg("frame %d bin %d: %g, not %g", i * 6, k, (double)got, (double)want);
        }
        for (int k = 0; k < 12; k++) assert_true(fabsf(chroma[i * 6 * 12 + k] - cqt_chroma[i * 12 + k]) < 5e-3f);
    }
    kernel_cqt.destroy(q);
}

/* Every bin at every rate: a sine there gives its amplitude times half the root of the length, and its own pitch class. */
static void cqt_hears_every_note(void **state) {
    (void)state;
    static const uint32_t rates[] = {11025, 22050, 44100};
    static float x[4 * 44100], c[400 * 72], chroma[400 * 12];
    for (size_t i = 0; i < COUNT(rates); i++) {
        sonde_cqt_t *q = kernel_cqt.create(rates[i], 512, 2 * C1, 6, 12);
        assert_non_null(q);
        const double r = exp2(2.0 / 12), a = (r - 1) / (r + 1);
        for (int note = 0; note < 72; note += 5) {
            const double f = 2 * C1 * exp2(note / 12.0);
            for (uint32_t n = 0; n < 4 * rates[i]; n++) x[n] = (float)(0.5 * sin(2 * M_PI * f * n / rates[i]));
            kernel_cqt.process(q, x, 4 * rates[i], c, chroma);
            const uint32_t middle = 2 * rates[i] / 512;
            const double want = 0.25 * sqrt(rates[i] / (a * f));
            assert_true(fabs((double)c[middle * 72 + (uint32_t)note] - want) < 2e-3 * want);
            assert_true(chroma[middle * 12 + (uint32_t)note % 12] == 1);
        }
        kernel_cqt.process(q, x, 0, c, chroma);
        for (int k = 0; k < 12; k++) assert_true(chroma[k] == 0);
        kernel_cqt.destroy(q);
    }
}

/* Segments meet without a seam: what comes late in a long signal is what it would be alone. */
static void cqt_has_no_seams(void **state) {
    (void)state;
    enum { LONG = 300 * 512, SHIFT = 128 * 512 };
    float *x = calloc(LONG, sizeof *x), *c = calloc(301 * 12, sizeof *c), *d = calloc(301 * 12, sizeof *d);
    assert_true(x && c && d);
    noise(x + 270 * 512, 1024, 3);
    sonde_cqt_t *q = kernel_cqt.create(RATE, 512, C1, 7, 36);
    assert_non_null(q);
    kernel_cqt.process(q, x, LONG, NULL, c);
    kernel_cqt.process(q, x + SHIFT, LONG - SHIFT, NULL, d);
    for (int k = 250; k <= 300; k++)
        for (int p = 0; p < 12; p++) assert_true(fabsf(c[k * 12 + p] - d[(k - 128) * 12 + p]) < 1e-6f);
    kernel_cqt.destroy(q);
    free(x), free(c), free(d);
}

static void impossible_kernels_are_null(void **state) {
    (void)state;
    assert_ptr_equal(kernels_find(SONDE_KERNEL_HPSS), &kernel_hpss);
    assert_ptr_equal(kernels_find(SONDE_KERNEL_YIN), &kernel_yin);
    assert_ptr_equal(kernels_find(SONDE_KERNEL_CQT), &kernel_cqt);
    assert_null(kernel_hpss.create(0, 31, 31, 1, 1));
    assert_null(kernel_hpss.create(10, 30, 31, 1, 1));
    assert_null(kernel_hpss.create(10, 31, 129, 1, 1));
    assert_null(kernel_hpss.create(10, 31, 31, 0.5, 1));
    assert_null(kernel_hpss.create(10, 31, 31, 1, NAN));
    assert_null(kernel_yin.create(0, 2048, 1024, 512, 65, 2000, 0.1));
    assert_null(kernel_yin.create(RATE, 2048, 2047, 512, 65, 2000, 0.1));
    assert_null(kernel_yin.create(RATE, 2048, 1024, 0, 65, 2000, 0.1));
    assert_null(kernel_yin.create(RATE, 2048, 1024, 512, 2000, 65, 0.1));
    assert_null(kernel_yin.create(RATE, 2048, 1024, 512, NAN, 65, 0.1));
    assert_null(kernel_yin.create(RATE, 64, 60, 32, 100, 200, 0.1)); /* no period fits */
    assert_null(kernel_cqt.create(RATE, 512, C1, 10, 36));
    assert_null(kernel_cqt.create(RATE, 512, C1, 7, 35));
    assert_null(kernel_cqt.create(RATE, 33, C1, 7, 36));
    assert_null(kernel_cqt.create(8000, 512, C1, 7, 36));
    assert_null(kernel_cqt.create(RATE, 512, 0, 7, 36));
    kernel_hpss.destroy(NULL);
    kernel_yin.destroy(NULL);
    kernel_cqt.destroy(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hpss_is_as_defined),          cmocka_unit_test(hpss_of_any_shape),
        cmocka_unit_test(yin_is_as_defined),           cmocka_unit_test(yin_with_any_hop),
        cmocka_unit_test(yin_with_any_window),         cmocka_unit_test(cqt_is_as_defined),
        cmocka_unit_test(cqt_hears_every_note),        cmocka_unit_test(cqt_has_no_seams),
        cmocka_unit_test(impossible_kernels_are_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
