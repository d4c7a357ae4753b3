/* Levels, regions and peaks, of signals made for the purpose. */
#include "workers/segment/levels.h"
#include "workers/segment/peaks.h"
#include "workers/segment/segment.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RATE 8000
#define PI   3.14159265358979323846

/* A signal under construction. */
struct signal {
    float *x;
    int64_t n;
    uint32_t seed;
};

static struct signal make_signal(double seconds) {
    struct signal s = {.n = (int64_t)(seconds * RATE), .seed = 1};
    s.x = calloc((size_t)s.n + 1, sizeof *s.x);
    assert_non_null(s.x);
    return s;
}

static double uniform(struct signal *s) {
    s->seed = s->seed * 1664525u + 1013904223u;
    return s->seed / 4294967296.0 * 2 - 1;
}

static double from_db(double db) {
    return pow(10, db / 20);
}

/* A tone of 440 Hz whose RMS level goes from db0 to db1. */
static void add_tone(struct signal *s, double start, double end, double db0, double db1) {
    int64_t first = (int64_t)(start * RATE), last = (int64_t)(end * RATE);
    for (int64_t i = first; i < last && i < s->n; i++) {
        double share = (double)(i - first) / (double)(last - first);
        s->x[i] += (float)(sqrt(2) * from_db(db0 + share * (db1 - db0)) * sin(2 * PI * 440 * (double)i / RATE));
    }
}

/* White noise whose RMS level swings by `drift` dB over half a minute. */
static void add_noise(struct signal *s, double db, double drift) {
    for (int64_t i = 0; i < s->n; i++) {
        double level = db + drift * sin(2 * PI * (double)i / RATE / 30);
        s->x[i] += (float)(sqrt(3) * from_db(level) * uniform(s));
    }
}

static void add_offset(struct signal *s, float offset) {
    for (int64_t i = 0; i < s->n; i++) s->x[i] += offset;
}

static struct regions decide_with(struct signal *s, const char *json) {
    struct segment_parameters parameters = segment_defaults();
    struct levels levels = {0};
    struct regions regions;
    cJSON *object = cJSON_Parse(json);
    assert_true(segment_parse(&parameters, object, NULL));
    cJSON_Delete(object);
    assert_true(levels_start(&levels, RATE, 1));
    assert_true(levels_add(&levels, s->x, s->n) && levels_finish(&levels));
    assert_true(segment_decide(&parameters, &levels, s->n, RATE, &regions));
    levels_free(&levels);
    free(s->x);
    return regions;
}

static struct regions decide(struct signal *s) {
    return decide_with(s, "{}");
}

/* `times`: sound start and end of each region, seconds. */
static void expect_sounds(struct regions regions, size_t count, const double *times, double tolerance) {
    if (regions.count != count) fail_msg("%zu regions, not %zu", regions.count, count);
    for (size_t i = 0; i < count; i++) {
        const struct region *r = &regions.region[i];
        double start = (double)r->sound_start / RATE, end = (double)r->sound_end / RATE;
        if (fabs(start - times[2 * i]) > tolerance || fabs(end - times[2 * i + 1]) > tolerance)
            fail_msg("sound %zu is from %.3f to %.3f, not %.3f to %.3f", i, start, end, times[2 * i], times[2 * i + 1]);
        assert_true(r->start <= r->sound_start && r->sound_end <= r->end);
        if (i > 0) assert_true(r->start >= regions.region[i - 1].end);
    }
    segment_free(&regions);
}

/* Four sounds of different levels, one of them quiet, 40 s in all. */
static const double four[] = {3, 5, 8, 12, 14, 14.5, 30, 36};

static void add_four(struct signal *s) {
    static const double db[] = {-20, -12, -26, -16};
    for (int i = 0; i < 4; i++) add_tone(s, four[2 * i], four[2 * i + 1], db[i], db[i]);
}

static void test_floors(void **state) {
    (void)state;
    static const double floors[] = {-200, -90, -70, -60, -50, -45, -40};
    for (size_t i = 0; i < sizeof floors / sizeof *floors; i++) {
        struct signal s = make_signal(40);
        add_four(&s);
        add_noise(&s, floors[i], 3);
        expect_sounds(decide(&s), 4, four, 0.02);
    }
}

static void test_offset(void **state) {
    (void)state;
    struct signal s = make_signal(40);
    add_four(&s);
    add_noise(&s, -70, 0);
    add_offset(&s, 0.4f);
    expect_sounds(decide(&s), 4, four, 0.02);
}

static void test_fade(void **state) {
    (void)state;
    struct signal s = make_signal(40);
    add_tone(&s, 5, 6, -16, -16);
    add_tone(&s, 6, 10, -16, -76);  /* reaches the floor of -50 dBFS after 2.27 s */
    add_tone(&s, 20, 24, -80, -16); /* leaves it at 21.9 s */
    add_tone(&s, 24, 30, -16, -16);
    add_noise(&s, -50, 0);
    static const double times[] = {5, 8.27, 21.9, 30};
    expect_sounds(decide(&s), 2, times, 0.2);
}

static void test_silence(void **state) {
    (void)state;
    struct signal s = make_signal(20);
    expect_sounds(decide(&s), 0, NULL, 0);
    s = make_signal(20);
    add_offset(&s, 0.5f);
    expect_sounds(decide(&s), 0, NULL, 0);
    s = make_signal(20);
    add_noise(&s, -93, 0); /* dither */
    expect_sounds(decide(&s), 0, NULL, 0);
    s = make_signal(0);
    expect_sounds(decide(&s), 0, NULL, 0);
}

static void test_steady_noise_is_sound(void **state) {
    (void)state;
    struct signal s = make_signal(60); /* rain */
    add_noise(&s, -32, 1);
    static const double times[] = {0, 60};
    expect_sounds(decide(&s), 1, times, 0.02);
}

static void test_one_frame(void **state) {
    (void)state;
    for (int64_t n = 1; n < 200; n += 33) {
        struct signal s = make_signal(1);
        s.n = n;
        add_tone(&s, 0, 1, -20, -20);
        struct regions regions = decide(&s);
        assert_true(regions.count <= 1);
        if (regions.count) assert_true(regions.region[0].end <= n && regions.region[0].sound_end <= n);
        segment_free(&regions);
    }
}

static void test_clicks(void **state) {
    (void)state;
    struct signal s = make_signal(40); /* one sample, alone: there is nothing else, so it is the sound */
    s.x[20 * RATE] = 0.9f;
    struct regions regions = decide(&s);
    assert_int_equal(regions.count, 1);
    segment_free(&regions);
    s = make_signal(40); /* far from all sounds: ignored */
    add_four(&s);
    s.x[22 * RATE] = 0.9f;
    expect_sounds(decide(&s), 4, four, 0.02);
}

static void test_short_files(void **state) {
    (void)state;
    static const struct {
        double seconds, gap;
        size_t regions;
    } cases[] = {{20, 1.5, 1}, {20, 1.9, 1}, {20, 2.5, 2}, {40, 1.5, 2}, {40, 0.8, 1}, {29, 1.9, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct signal s = make_signal(cases[i].seconds);
        add_tone(&s, 0, 6, -20, -20);
        add_tone(&s, 6 + cases[i].gap, cases[i].seconds, -20, -20);
        struct regions regions = decide(&s);
        assert_int_equal(regions.count, cases[i].regions);
        assert_int_equal(regions.region[0].start, 0);
        assert_int_equal(regions.region[regions.count - 1].end, (int)(cases[i].seconds * RATE));
        segment_free(&regions);
    }
}

/* A file's edge is kept when it is nearer than a silence (a loop's last bar), and cut away when it isn't. */
static void test_edges(void **state) {
    (void)state;
    struct signal s = make_signal(20);
    add_tone(&s, 1.5, 18.5, -20, -20);
    struct regions regions = decide(&s);
    assert_int_equal(regions.region[0].start, 0);
    assert_int_equal(regions.region[0].end, 20 * RATE);
    segment_free(&regions);
    s = make_signal(20);
    add_tone(&s, 4, 15, -20, -20);
    regions = decide(&s);
    assert_int_equal(regions.region[0].start, (int)(3.8 * RATE)); /* padding 0.2 s */
    assert_int_equal(regions.region[0].end, (int)(15.2 * RATE));
    segment_free(&regions);
}

static void test_phrases_are_no_gaps(void **state) {
    (void)state;
    struct signal s = make_signal(60); /* loud and quiet notes, each decaying, without a rest */
    for (int i = 0; i < 120; i++) {
        double db = i / 20 % 2 ? -34 : -16;
        add_tone(&s, i * 0.5, i * 0.5 + 0.5, db, db - 14);
    }
    struct regions regions = decide(&s);
    assert_int_equal(regions.count, 1);
    segment_free(&regions);
}

static void test_long_sounds_are_cut(void **state) {
    (void)state;
    struct signal s = make_signal(1500); /* 25 minutes, with dips of 0.6 s at 7:20 and 15:40 */
    add_tone(&s, 0, 1500, -20, -20);
    static const double dips[] = {440, 940};
    for (int d = 0; d < 2; d++)
        for (int64_t i = (int64_t)(dips[d] * RATE); i < (int64_t)((dips[d] + 0.6) * RATE); i++) s.x[i] *= 0.1f;
    struct regions regions = decide(&s);
    assert_int_equal(regions.count, 3);
    for (int i = 0; i < 3; i++) {
        const struct region *r = &regions.region[i];
        assert_true(r->end - r->start <= 600 * RATE);
        assert_int_equal(r->part, i);
        assert_int_equal(r->parts, 3);
        assert_int_equal(r->start, i ? regions.region[i - 1].end : 0);
        if (i < 2) assert_true(fabs((double)r->end / RATE - dips[i] - 0.3) < 0.31);
    }
    assert_int_equal(regions.region[2].end, 1500 * RATE);
    segment_free(&regions);
}

static void test_too_many_regions(void **state) {
    (void)state;
    struct signal s = make_signal(15000);
    for (int64_t i = 0; i < s.n; i++)
        if (i % (RATE * 13 / 10) < RATE / 10) s.x[i] = i % 2 ? 0.3f : -0.3f;
    struct regions regions = decide(&s); /* 11,500 sounds, 1.2 s apart: now they count as one, cut into parts */
    assert_in_range(regions.count, 1, SEGMENT_REGIONS_MAX);
    segment_free(&regions);
}

static void test_parameters(void **state) {
    (void)state;
    struct segment_parameters a = segment_defaults(), b = a;
    struct error error;
    char one[SEGMENT_IDENTITY], two[SEGMENT_IDENTITY];
    cJSON *object = cJSON_Parse("{\"min_silence\":0.4,\"padding\":0}");
    assert_true(segment_parse(&b, object, &error));
    cJSON_Delete(object);
    assert_true(b.min_silence == 0.4 && b.padding == 0 && b.max_region == a.max_region);
    segment_identity(&a, one);
    segment_identity(&b, two);
    assert_string_not_equal(one, two);
    assert_non_null(strstr(two, "min_silence=0.4"));
    assert_non_null(strstr(two, "window=")); /* it fits */
    static const char *const wrong[] = {"{\"min_silence\":\"1\"}", "{\"min_silence\":1e9}", "{\"nonsense\":1}",
                                        "{\"threshold\":1}"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        object = cJSON_Parse(wrong[i]);
        assert_false(segment_parse(&a, object, &error));
        assert_true(strlen(error.text) > 10);
        cJSON_Delete(object);
    }
    struct signal s = make_signal(40); /* a fixed threshold between floor and sound */
    add_four(&s);
    add_noise(&s, -40, 0);
    expect_sounds(decide_with(&s, "{\"threshold\":-33}"), 4, four, 0.02);
}

/* ----------------------------------------------------------------------------------------------------------- levels */

static void test_levels(void **state) {
    (void)state;
    static const int channels[] = {1, 2, 3, 8, 64};
    for (size_t c = 0; c < sizeof channels / sizeof *channels; c++) {
        int n = channels[c];
        float *x = malloc((size_t)(RATE * n) * sizeof *x);
        assert_non_null(x);
        for (int i = 0; i < RATE; i++) /* all but the last channel 20 dB down, each with an offset of its own */
            for (int k = 0; k < n; k++)
                x[i * n + k] = (float)(0.01 * k +
                                       (k == n - 1 ? 1 : 0.1) * from_db(-20) * sqrt(2) * sin(2 * PI * 500 * i / RATE));
        for (int step = 1; step <= RATE; step = step * 7 + 1) { /* whatever the blocks */
            struct levels levels = {0};
            assert_true(levels_start(&levels, RATE, n));
            for (int at = 0; at < RATE; at += step)
                assert_true(levels_add(&levels, x + at * n, step < RATE - at ? step : RATE - at));
            assert_true(levels_finish(&levels));
            assert_int_equal(levels.count, 100);
            for (size_t k = 0; k < 100; k++) assert_true(fabs(levels_to_db(levels.level[k]) + 20) <= 0.5);
            levels_free(&levels);
        }
        free(x);
    }
    assert_int_equal(levels_from_db(0), 255);
    assert_int_equal(levels_from_db(-500), 0);
}

static void test_levels_of_huge_samples(void **state) {
    (void)state;
    float x[160];
    for (int i = 0; i < 160; i++) x[i] = i % 2 ? 3e38f : -3e38f;
    struct levels levels = {0};
    assert_true(levels_start(&levels, RATE, 1) && levels_add(&levels, x, 160) && levels_finish(&levels));
    assert_int_equal(levels.count, 2);
    assert_int_equal(levels.level[1], 255);
    levels_free(&levels);
}

/* ------------------------------------------------------------------------------------------------------------ peaks */

static void check_point(const float *x, int64_t first, int64_t end, int stride, const int16_t *point, double slack) {
    double min = 1, max = -1, square = 0;
    for (int64_t i = first; i < end; i++) {
        double v = (double)x[i * stride];
        if (v < min) min = v;
        if (v > max) max = v;
        square += v * v;
    }
    double rms = sqrt(square / (double)(end - first));
    assert_true(fabs(point[0] / 32767.0 - min) < slack && fabs(point[1] / 32767.0 - max) < slack);
    assert_true(fabs(point[2] / 32767.0 - rms) < slack);
}

static void test_peaks(void **state) {
    (void)state;
    static const int64_t lengths[] = {1, 2, 999, 5000, 32768, 32769, 100000, 3000000};
    struct signal s = make_signal(3000000.0 * 3 / RATE);
    for (int64_t i = 0; i < s.n; i++) s.x[i] = (float)(0.8 * sin((double)i * 1e-5) * uniform(&s));
    struct peaks peaks = {0};
    int16_t *points = malloc(PEAKS_ZOOM * 6 * sizeof *points), *again = malloc(PEAKS_ZOOM * 6 * sizeof *again);
    assert_true(points && again);
    for (int channels = 1; channels <= 3; channels++) {
        int shown = channels < 2 ? 1 : 2;
        for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
            int64_t n = lengths[l];
            assert_true(peaks_start(&peaks, channels));
            peaks_add(&peaks, s.x, n);
            size_t count = peaks_points(&peaks, PEAKS_ZOOM);
            assert_int_equal(count, n < PEAKS_ZOOM ? n : PEAKS_ZOOM);
            peaks_write(&peaks, PEAKS_ZOOM, points);
            int64_t at = 0;
            for (size_t p = 0; p < count; p++) { /* points stand for whole bins: follow their edges */
                double edge = (double)(p + 1) * (double)n / (double)count / (double)peaks.width;
                int64_t end = (int64_t)(edge + 0.5) * peaks.width;
                if (p + 1 == count || end > n) end = n;
                for (int c = 0; c < shown; c++)
                    check_point(s.x + c, at, end, channels, points + (p * (size_t)shown + (size_t)c) * 3, 1e-4);
                at = end;
            }
            assert_int_equal(at, n);
            assert_true(peaks_start(&peaks, channels));
            for (int64_t done = 0, step = 1; done < n; done += step, step = step * 3 % 9973 + 1) {
                if (step > n - done) step = n - done;
                peaks_add(&peaks, s.x + done * channels, step);
            }
            peaks_write(&peaks, PEAKS_ZOOM, again);
            for (size_t p = 0; p < count * (size_t)shown * 3; p++) assert_true(abs(points[p] - again[p]) <= 1);
        }
    }
    free(points);
    free(again);
    peaks_free(&peaks);
    free(s.x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_floors),
        cmocka_unit_test(test_offset),
        cmocka_unit_test(test_fade),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_steady_noise_is_sound),
        cmocka_unit_test(test_one_frame),
        cmocka_unit_test(test_clicks),
        cmocka_unit_test(test_short_files),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_phrases_are_no_gaps),
        cmocka_unit_test(test_long_sounds_are_cut),
        cmocka_unit_test(test_too_many_regions),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_levels_of_huge_samples),
        cmocka_unit_test(test_peaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
