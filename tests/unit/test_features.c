/* Features against what is known of made-up sounds, loudness against libebur128, and signals that aren't music at all. */
#include "plugin_rig.h"

#include "plugins/features/level.h"

#define error ebur128_error /* its enum would clash with ours */
#include <ebur128.h>
#undef error
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX_FRAMES (30 * 48000)

static float left[MAX_FRAMES], right[MAX_FRAMES];

static const char *text_of(const cJSON *result, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(result, key);
    return cJSON_IsString(item) ? item->valuestring : "null";
}

static bool is_null(const cJSON *result, const char *key) {
    return cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(result, key));
}

static void near(const cJSON *result, const char *key, double want, double tolerance) {
    const double got = rig_number(result, key);
    if (!(fabs(got - want) <= tolerance)) fail_msg("%s is %g, not %g", key, got, want);
}

static void sine(float *samples, int64_t frames, uint32_t rate, double hz, double level) {
    for (int64_t i = 0; i < frames; i++) samples[i] = (float)(level * sin(2 * M_PI * hz * (double)i / rate));
}

static void a_sine_is_measured(void **state) {
    struct rig *rig = *state;
    sine(left, 5 * 48000, 48000, 1000, 0.5);
    cJSON *r = rig_run_mono(rig, "features", left, 5 * 48000, 48000);
    near(r, "peak", -6.02, 0.01);
    near(r, "rms", -9.03, 0.01);
    near(r, "crest", 3.01, 0.01);
    near(r, "headroom", 6.02, 0.01);
    near(r, "lufs", -9.03, 0.06); /* BS.1770: 997 Hz at 0 dBFS in one channel is -3.01 LUFS */
    near(r, "lufs_range", 0, 0.1);
    near(r, "dc", 0, 1e-4);
    near(r, "silence", 0, 0);
    near(r, "centroid", 1000, 5);
    near(r, "rolloff", 1000, 15);
    near(r, "flatness", 0, 0.001);
    near(r, "f0_median", 1000, 1);
    near(r, "voiced", 1, 0.02);
    near(r, "f0_stability", 1, 0.01);
    near(r, "steadiness", 1, 0.05);
    assert_true(is_null(r, "true_peak") && is_null(r, "width") && is_null(r, "correlation"));
    assert_true(rig_number(r, "harmonic") > 0.9);
    const cJSON *chroma = cJSON_GetObjectItem(r, "cqt_chroma");
    assert_true(cJSON_GetArrayItem(chroma, 11)->valuedouble == 1); /* B5 is 988 Hz */
    assert_string_equal(text_of(r, "kind"), "texture");
    cJSON_Delete(r);
}

static void pitch_is_found(void **state) {
    struct rig *rig = *state;
    for (double hz = 55; hz < 1900; hz *= 1.37) {
        memset(left, 0, sizeof left);
        rig_tone(left, 22050, 0, 2, hz, 0.3);
        cJSON *r = rig_run_mono(rig, "features", left, 2 * 22050, 22050);
        near(r, "f0_median", hz, hz * 0.003);
        cJSON_Delete(r);
    }
}

static void loudness_agrees_with_libebur128(void **state) {
    (void)state;
    static const uint32_t rates[] = {8000, 22050, 44100, 48000, 96000};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        const uint32_t rate = rates[i];
        const int64_t frames = 60 * (int64_t)rate < MAX_FRAMES ? 60 * (int64_t)rate : MAX_FRAMES;
        rig_noise(left, frames, 0.5f);
        for (int64_t k = 0; k < frames; k++) { /* swelling noise on the left, a gliding tone on the right */
            const double t = (double)k / rate;
            left[k] *= (float)(0.5 + 0.45 * sin(t * 0.35));
            right[k] = (float)(0.3 * sin(2 * M_PI * (100 + 40 * t) * t) * (t < 9 ? 1 : 0.02));
        }
        const float *planes[2] = {left, right};
        struct level *level = level_new(rate, 2, frames);
        struct level_result got;
        assert_non_null(level);
        level_add(level, planes, (uint32_t)frames, 0);
        level_finish(level, &got);
        ebur128_state *e = ebur128_init(2, rate, EBUR128_MODE_I);
        assert_non_null(e);
        for (int64_t k = 0; k < frames; k++) {
            const float pair[2] = {left[k], right[k]};
            assert_int_equal(ebur128_add_frames_float(e, pair, 1), EBUR128_SUCCESS);
        }
        double lufs = 0;
        assert_int_equal(ebur128_loudness_global(e, &lufs), EBUR128_SUCCESS);
        ebur128_destroy(&e);
        level_free(level);
        assert_true(fabs(got.lufs - lufs) < (rate >= 22050 ? 0.02 : 0.1));
    }
}

static void loudness_range_is_as_ebu_tests_it(void **state) {
    struct rig *rig = *state;
    static const double steps[2][2] = {{-20, -30}, {-20, -15}}; /* EBU Tech 3342, section 5, tests 1 and 2 */
    for (int i = 0; i < 2; i++) {
        const int64_t half = 20 * 22050;
        sine(left, half, 22050, 1000, pow(10, steps[i][0] / 20));
        sine(left + half, half, 22050, 1000, pow(10, steps[i][1] / 20));
        cJSON *r = rig_run_mono(rig, "features", left, 2 * half, 22050);
        near(r, "lufs_range", fabs(steps[i][0] - steps[i][1]), 0.3);
        cJSON_Delete(r);
    }
}

static void true_peak_lies_between_samples(void **state) {
    struct rig *rig = *state;
    for (int i = 0; i < 48000; i++)
        left[i] = (float)sin(2 * M_PI * (12000.0 * i / 48000 + 0.125)); /* samples at 0.707 */
    for (int i = 0; i < 480; i++) left[i] *= (float)i / 480;
    cJSON *r = rig_run_mono(rig, "features", left, 48000, 48000);
    assert_true(is_null(r, "true_peak")); /* -3.01 dBFS: just below where it matters */
    cJSON_Delete(r);
    for (int i = 0; i < 48000; i++) left[i] *= 1.1f;
    r = rig_run_mono(rig, "features", left, 48000, 48000);
    near(r, "peak", -2.18, 0.02);
    near(r, "true_peak", 0.83, 0.2);
    near(r, "headroom", -0.83, 0.2);
    cJSON_Delete(r);
}

/* Wherever the two loudest samples lie among others: what is between them counts. */
static void true_peak_is_found_anywhere(void **state) {
    struct rig *rig = *state;
    for (int64_t at = 0; at <= 4798; at += at < 500 || at >= 4780 ? 1 : 10) {
        memset(left, 0, 4800 * sizeof *left);
        left[at] = left[at + 1] = .9f;
        cJSON *r = rig_run_mono(rig, "features", left, 4800, 48000);
        near(r, "true_peak", 1.02, 0.05);
        cJSON_Delete(r);
    }
    memset(left, 0, 4808 * sizeof *left);
    left[4798] = left[4799] = .9f; /* the last but a few samples behind the last whole hop */
    for (int64_t more = 1; more < 8; more++) {
        cJSON *r = rig_run_mono(rig, "features", left, 4800 + more, 48000);
        near(r, "true_peak", 1.02, 0.05);
        cJSON_Delete(r);
    }
}

/* A recording ends where its rate ends: nothing is said of what it can't hold. */
static void noise_is_white_at_every_rate(void **state) {
    struct rig *rig = *state;
    static const uint32_t rates[] = {4000, 8000, 16000, 22050, 48000};
    rig_noise(left, 3 * 48000, 0.3f);
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        cJSON *r = rig_run_mono(rig, "features", left, 3 * rates[i], rates[i]);
        near(r, "flatness", 0.56, 0.02);
        const cJSON *band;
        cJSON_ArrayForEach(band, cJSON_GetObjectItem(r, "contrast")) assert_true(band->valuedouble < 25);
        cJSON_Delete(r);
    }
}

/* BS.1770-5 table 4, in the order of WAVE and FLAC files. */
static void channels_count_by_their_place(void **state) {
    struct rig *rig = *state;
    static const double weights[][8] = {
        {1, 1, 1, 0, 1.41, 1.41}, {1, 1, 1, 0, 1, 1.41, 1.41}, {1, 1, 1, 0, 1, 1, 1.41, 1.41}};
    sine(left, 48000, 48000, 1000, 0.5);
    memset(right, 0, 48000 * sizeof *right);
    for (uint32_t channels = 6; channels <= 8; channels++)
        for (uint32_t c = 0; c < channels; c++) {
            const float *planes[8];
            for (uint32_t i = 0; i < channels; i++) planes[i] = i == c ? left : right;
            cJSON *r = rig_run(rig, "features", planes, channels, 48000, 48000);
            const double weight = weights[channels - 6][c];
            if (weight > 0)
                near(r, "lufs", -9.03 + 10 * log10(weight), 0.06);
            else
                assert_true(is_null(r, "lufs"));
            cJSON_Delete(r);
        }
}

static void stereo_is_measured(void **state) {
    struct rig *rig = *state;
    const float *planes[2] = {left, right};
    const int64_t frames = 48000;
    rig_noise(left, frames, 0.5f);
    memcpy(right, left, (size_t)frames * sizeof *right);
    cJSON *r = rig_run(rig, "features", planes, 2, frames, 48000);
    near(r, "width", 0, 1e-6);
    near(r, "correlation", 1, 1e-6);
    near(r, "balance", 0, 1e-6);
    cJSON_Delete(r);
    for (int64_t i = 0; i < frames; i++) right[i] = -0.5f * left[i];
    r = rig_run(rig, "features", planes, 2, frames, 48000);
    near(r, "correlation", -1, 1e-6);
    near(r, "balance", -6.02, 0.01);
    near(r, "width", 0.9, 1e-3); /* (1.5^2) / (1.5^2 + 0.5^2) */
    cJSON_Delete(r);
    for (int64_t i = 0; i < frames; i++) right[i] = left[frames - 1 - i];
    r = rig_run(rig, "features", planes, 2, frames, 48000);
    near(r, "correlation", 0, 0.02);
    near(r, "width", 0.5, 0.02);
    cJSON_Delete(r);
}

static void envelopes_have_their_kind(void **state) {
    struct rig *rig = *state;
    rig_noise(left, 48000, 0.8f);
    for (int i = 0; i < 48000; i++)
        left[i] *= (float)(i < 2400 ? i / 2400.0 : exp(-(i - 2400) / 4800.0)); /* 50 ms, then down */
    cJSON *r = rig_run_mono(rig, "features", left, 48000, 48000);
    assert_string_equal(text_of(r, "kind"), "one-shot");
    near(r, "onsets", 1, 0);
    near(r, "attack", 0.04, 0.02);
    near(r, "decay", 0.23, 0.03); /* e-fold 0.1 s: 20 dB in 0.23 s */
    cJSON_Delete(r);
    rig_noise(left, 10 * 48000, 0.3f);
    r = rig_run_mono(rig, "features", left, 10 * 48000, 48000);
    assert_string_equal(text_of(r, "kind"), "texture");
    near(r, "flatness", 0.56, 0.03);
    cJSON_Delete(r);
    memset(left, 0, sizeof left);
    static const double tune[8] = {262, 294, 330, 349, 392, 330, 294, 262};
    for (int i = 0; i < 8; i++) rig_tone(left, 22050, i * 0.5, i * 0.5 + 0.48, tune[i], 0.3);
    r = rig_run_mono(rig, "features", left, 4 * 22050, 22050);
    assert_string_equal(text_of(r, "kind"), "melody");
    cJSON_Delete(r);
    memset(left, 0, sizeof left);
    for (int beat = 0; beat < 8; beat++) {
        float *at = left + beat * 24000;
        rig_noise(at, 12000, 0.8f);
        for (int i = 0; i < 12000; i++) at[i] *= (float)exp(-i / 2000.0);
    }
    r = rig_run_mono(rig, "features", left, 8 * 24000, 48000); /* the last beat has died away */
    assert_string_equal(text_of(r, "kind"), "loop");
    cJSON_Delete(r);
    for (int i = 0; i < 8 * 24000; i++) left[i] += 0.05f * (float)sin(i * 0.01);
    r = rig_run_mono(rig, "features", left, 8 * 24000, 48000);
    assert_string_equal(text_of(r, "kind"), "loop");
    near(r, "onsets", 8, 0);
    assert_true(rig_number(r, "percussive") > 0.5);
    cJSON_Delete(r);
    memmove(left + 9600, left, 7 * 24000 * sizeof *left); /* the same, but somebody pressed a button before */
    for (int i = 0; i < 9600; i++) left[i] = 0;
    r = rig_run_mono(rig, "features", left, 7 * 24000, 48000);
    assert_string_equal(text_of(r, "kind"), "mixed");
    cJSON_Delete(r);
}

static void fingerprints_tell_sounds_apart(void **state) {
    struct rig *rig = *state;
    double prints[3][25];
    for (int i = 0; i < 3; i++) {
        memset(left, 0, sizeof left);
        if (i < 2)
            rig_tone(left, 22050, 0, 3, 220 * (1 + 0.02 * i), i ? 0.03 : 0.3); /* nearly the same, 20 dB apart */
        else
            rig_noise(left, 3 * 22050, 0.3f);
        cJSON *r = rig_run_mono(rig, "features", left, 3 * 22050, 22050);
        const cJSON *values = cJSON_GetObjectItem(r, "fingerprint");
        for (int k = 0; k < 25; k++) prints[i][k] = cJSON_GetArrayItem(values, k)->valuedouble;
        cJSON_Delete(r);
    }
    double close = 0, far = 0;
    for (int k = 0; k < 25; k++) {
        close += pow(prints[0][k] - prints[1][k], 2);
        far += pow(prints[0][k] - prints[2][k], 2);
    }
    if (!(close * 20 < far)) fail_msg("distances %g and %g", close, far);
}

/* Whatever comes in: rig_run checks the schema, and so that every number is finite and within its bounds. */
static void odd_signals_have_results(void **state) {
    struct rig *rig = *state;
    memset(left, 0, sizeof left);
    cJSON *r = rig_run_mono(rig, "features", left, 48000, 48000); /* silence */
    near(r, "rms", -200, 0);
    near(r, "silence", 1, 0);
    assert_true(is_null(r, "lufs") && is_null(r, "centroid") && is_null(r, "f0_median"));
    cJSON_Delete(r);
    cJSON_Delete(rig_run_mono(rig, "features", left, 1, 48000)); /* one sample */
    left[0] = 1;
    r = rig_run_mono(rig, "features", left, 1, 48000);
    near(r, "peak", 0, 1e-6);
    cJSON_Delete(r);
    r = rig_run_mono(rig, "features", left, 48000, 48000); /* a click */
    assert_string_equal(text_of(r, "kind"), "one-shot");
    cJSON_Delete(r);
    for (int i = 0; i < 48000; i++) left[i] = 0.5f;
    r = rig_run_mono(rig, "features", left, 48000, 48000); /* DC */
    near(r, "dc", 0.5, 1e-6);
    cJSON_Delete(r);
    sine(left, 48000, 48000, 440, 4);
    for (int i = 0; i < 48000; i++) left[i] = fmaxf(-1, fminf(1, left[i]));
    r = rig_run_mono(rig, "features", left, 48000, 48000); /* clipping */
    assert_true(rig_number(r, "clipped") > 0.5);
    cJSON_Delete(r);
    for (int i = 0; i < 48000; i++) left[i] = i % 7 ? 0.1f : NAN;
    r = rig_run_mono(rig, "features", left, 48000, 48000); /* NaN */
    near(r, "nonfinite", (48000 + 6) / 7, 0);
    cJSON_Delete(r);
    for (int i = 0; i < 48000; i++) left[i] = i % 2 ? 3e38f : -3e38f;
    cJSON_Delete(rig_run_mono(rig, "features", left, 48000, 48000)); /* numbers no sum survives */
    for (int i = 0; i < 48000; i++) left[i] = 1e-40f;
    cJSON_Delete(rig_run_mono(rig, "features", left, 48000, 48000)); /* denormal numbers */
    for (int i = 0; i < 48000; i++) left[i] = i % 4 < 2 ? 1e6f : -1e6f;
    const float *same[8] = {left, left, left, left, left, left, left, left};
    cJSON_Delete(rig_run(rig, "features", same, 8, 24000, 48000)); /* as loud as can be */
    sine(left, 10 * 48000, 48000, 3, 0.9);
    r = rig_run_mono(rig, "features", left, 10 * 48000, 48000); /* an LFO */
    assert_true(is_null(r, "f0_median"));
    cJSON_Delete(r);
    rig_noise(left, 10 * 48000, 0.3f);
    cJSON_Delete(rig_run_mono(rig, "features", left, 2400, 48000)); /* 0.05 s */
    cJSON_Delete(rig_run_mono(rig, "features", left, 80000, 8000));
    cJSON_Delete(rig_run_mono(rig, "features", left, 192000, 192000));
    cJSON_Delete(rig_run_mono(rig, "features", left, 768000 / 2, 768000));
    cJSON_Delete(rig_run_mono(rig, "features", left, 1000, 1000));
    const float *planes[8] = {left, left + 1, left + 2, left + 3, left + 4, left + 5, left + 6, left + 7};
    for (uint32_t channels = 3; channels <= 8; channels++)
        cJSON_Delete(rig_run(rig, "features", planes, channels, 24000, 48000));
}

static void ten_minutes_have_a_result(void **state) {
    struct rig *rig = *state;
    const int64_t frames = 600 * 22050;
    float *samples = calloc((size_t)frames, sizeof *samples);
    assert_non_null(samples);
    for (int i = 0; i < 1199; i++) rig_tone(samples, 22050, i * 0.5, i * 0.5 + 0.4, 110 * exp2(i * 7 % 12 / 12.0), 0.2);
    cJSON *r = rig_run_mono(rig, "features", samples, frames, 22050);
    near(r, "onset_rate", 2, 0.2);
    const struct host_array *rms = rig_array(rig, "rms"), *f0 = rig_array(rig, "f0"),
                            *chroma = rig_array(rig, "chroma");
    assert_true(rms && f0 && chroma);
    assert_int_equal(rms->shape[0], 12000);
    assert_int_equal(f0->shape[0], (frames / 512 + 2) / 2);
    assert_int_equal(chroma->shape[0], (frames - 1) / 4096 + 1);
    cJSON_Delete(r);
    free(samples);
}

static void blocks_change_nothing(void **state) {
    struct rig *rig = *state;
    const float *planes[2] = {left, right};
    rig_noise(left, 2 * 44100, 1.0f);
    memset(right, 0, sizeof right);
    rig_tone(right, 44100, 0.3, 1.9, 300, 0.4);
    char *first = NULL;
    for (int i = 0; i < 4; i++) {
        rig_pieces(rig, (const int64_t[]){100000, 777, 4096, 13}[i], (const uint32_t[]){0, 100, 4096, 31}[i]);
        cJSON *r = rig_run(rig, "features", planes, 2, 2 * 44100, 44100);
        char *text = cJSON_PrintUnformatted(r);
        if (first)
            assert_string_equal(text, first);
        else
            first = strdup(text);
        free(text);
        cJSON_Delete(r);
    }
    free(first);
    rig_pieces(rig, 100000, 0);
}

static int rig_start(void **state) {
    *state = rig_new("FEATURES_SO");
    return 0;
}

static int rig_stop(void **state) {
    rig_free(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sine_is_measured),
        cmocka_unit_test(pitch_is_found),
        cmocka_unit_test(loudness_agrees_with_libebur128),
        cmocka_unit_test(loudness_range_is_as_ebu_tests_it),
        cmocka_unit_test(true_peak_lies_between_samples),
        cmocka_unit_test(true_peak_is_found_anywhere),
        cmocka_unit_test(noise_is_white_at_every_rate),
        cmocka_unit_test(channels_count_by_their_place),
        cmocka_unit_test(stereo_is_measured),
        cmocka_unit_test(envelopes_have_their_kind),
        cmocka_unit_test(fingerprints_tell_sounds_apart),
        cmocka_unit_test(odd_signals_have_results),
        cmocka_unit_test(ten_minutes_have_a_result),
        cmocka_unit_test(blocks_change_nothing),
    };
    return cmocka_run_group_tests(tests, rig_start, rig_stop);
}
