/* SPDX-License-Identifier: MIT
 *
 * The parts of tempo_meter on made-up input: beats, bars, loops, pulses, swing, bands, weights. */
#include "plugins/tempo_meter/bands.h"
#include "plugins/tempo_meter/bars.h"
#include "plugins/tempo_meter/beats.h"
#include "plugins/tempo_meter/groove.h"
#include "plugins/tempo_meter/loop.h"
#include "plugins/tempo_meter/network.h"
#include "plugins/tempo_meter/onsets.h"
#include "plugins/tempo_meter/tempo.h"
#include "plugins/tempo_meter/tempogram.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct beats_params PARAMS = {.lambda = 60, .slowest_bpm = 40, .fastest_bpm = 220, .beat_bias = -2};

/* A bump at every beat, as the network makes them. */
static void pulses_make(float *activation, int64_t count, double first, double bpm) {
    memset(activation, 0, (size_t)count * sizeof *activation);
    for (double at = first * BANDS_FPS; at < (double)count; at += 60 * BANDS_FPS / bpm)
        for (int64_t t = (int64_t)at - 2; t <= (int64_t)at + 2; t++)
            if (t >= 0 && t < count)
                activation[t] = fmaxf(activation[t], .9f * fmaxf(0, 1 - .5f * fabsf((float)((double)t - at))));
}

static void beats_follow_pulses(void **state) {
    (void)state;
    enum { COUNT = 2000 };
    float activation[COUNT];
    for (double bpm = 52; bpm < 200; bpm += 17.3) {
        struct beats beats;
        pulses_make(activation, COUNT, .31, bpm);
        assert_true(beats_track(activation, COUNT, BANDS_FPS, &PARAMS, &beats));
        assert_true(fabs(tempo_from_beats(beats.time, beats.count) - bpm) < .05);
        assert_true(fabs(beats.time[0] - .31) < .02);
        for (int i = 1; i < beats.count; i++) assert_true(fabs(beats.time[i] - beats.time[i - 1] - 60 / bpm) < .03);
        assert_true(tempo_stability(beats.time, beats.count, bpm) == 1);
        assert_true(tempo_periodicity(activation, COUNT, BANDS_FPS, bpm) > .5);
        beats_free(&beats);
    }
}

static void beats_follow_a_ritardando(void **state) {
    (void)state;
    enum { COUNT = 2600 };
    float activation[COUNT] = {0};
    double truth[200], time = .2;
    int n = 0;
    for (double period = .45; time < COUNT / BANDS_FPS - .1; time += period, period *= 1.006) {
        truth[n++] = time;
        const int64_t t = lround(time * BANDS_FPS);
        activation[t] = .9f;
        activation[t - 1] = activation[t + 1] = .4f;
    }
    struct beats beats;
    assert_true(beats_track(activation, COUNT, BANDS_FPS, &PARAMS, &beats));
    int hits = 0;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < beats.count; k++) hits += fabs(beats.time[k] - truth[i]) < .05;
    assert_true(hits >= n - 2);
    assert_true(tempo_stability(beats.time, beats.count, 110) < .8);
    beats_free(&beats);
}

/* A dozen bars in which other instruments play beside the beat: the path goes astray there, the steady pulse doesn't. */
static void beats_keep_a_steady_tempo(void **state) {
    (void)state;
    enum { COUNT = 2600 };
    static const double bpm = 118.3, first = .21;
    float activation[COUNT], other[COUNT];
    pulses_make(activation, COUNT, first, bpm);
    pulses_make(other, COUNT, first + 30 / bpm, bpm);
    for (int t = 1000; t < 1700; t++) activation[t] = .25f * activation[t] + .8f * other[t];
    struct beats beats;
    double steady;
    assert_true(beats_track(activation, COUNT, BANDS_FPS, &PARAMS, &beats));
    int astray = 0;
    for (int i = 0; i < beats.count; i++) astray += fabs(remainder(beats.time[i] - first, 60 / bpm)) > .07;
    assert_true(astray > 10);
    assert_true(beats_steady(activation, COUNT, BANDS_FPS, bpm * 1.002, -1, &beats, &steady));
    assert_true(fabs(steady / bpm - 1) < .001);
    assert_true(abs(beats.count - (int)(COUNT / BANDS_FPS / 60 * bpm)) <= 1);
    for (int i = 0; i < beats.count; i++) {
        assert_true(fabs(remainder(beats.time[i] - first, 60 / bpm)) < .025);
        assert_true(beats.strength[i] >= 0 && beats.strength[i] <= 1);
    }
    beats_free(&beats);
}

/* Off-beats a little stronger than the beats, or much: music that begins on a beat decides the one case, not the other. */
static void beats_begin_with_the_music(void **state) {
    (void)state;
    enum { COUNT = 1700 };
    static const double bpm = 126.4, first = .31, between = 30 / bpm;
    float activation[COUNT], other[COUNT];
    for (int strong = 0; strong < 2; strong++)
        for (int known = 0; known < 2; known++) {
            pulses_make(activation, COUNT, first, bpm);
            pulses_make(other, COUNT, first + between, bpm);
            for (int t = 0; t < COUNT; t++) activation[t] = (strong ? .1f : .5f) * activation[t] + .6f * other[t];
            struct beats beats;
            double steady;
            assert_true(beats_track(activation, COUNT, BANDS_FPS, &PARAMS, &beats));
            assert_true(beats_steady(activation, COUNT, BANDS_FPS, bpm, known ? first : -1, &beats, &steady));
            const double expected = known && !strong ? first : first + between;
            assert_true(fabs(steady / bpm - 1) < .001 && beats.count > 60);
            for (int i = 0; i < beats.count; i++)
                assert_true(fabs(remainder(beats.time[i] - expected, 60 / bpm)) < .03);
            beats_free(&beats);
        }
}

/* What slows down isn't steady, and a few beats say nothing. */
static void beats_that_are_not_steady_stay(void **state) {
    (void)state;
    enum { COUNT = 1700 };
    float activation[COUNT] = {0};
    double time = .2, steady = 1;
    for (double period = .45; time < COUNT / BANDS_FPS - .1; time += period, period *= 1.006)
        activation[lround(time * BANDS_FPS)] = .9f;
    struct beats beats;
    assert_true(beats_track(activation, COUNT, BANDS_FPS, &PARAMS, &beats));
    const double last = beats.time[beats.count - 1];
    assert_true(beats_steady(activation, COUNT, BANDS_FPS, 110, -1, &beats, &steady));
    assert_true(steady == 0 && beats.time[beats.count - 1] == last);
    beats_free(&beats);
    assert_true(beats_steady(activation, COUNT, BANDS_FPS, 110, -1, &beats, &steady));
    assert_true(steady == 0 && beats.count == 0);
}

static void beats_of_nothing(void **state) {
    (void)state;
    float activation[30] = {0};
    struct beats beats;
    for (int64_t count = 0; count <= 30; count++) {
        assert_true(beats_track(activation, count, BANDS_FPS, &PARAMS, &beats));
        for (int i = 0; i < beats.count; i++) assert_true(beats.time[i] >= 0 && beats.time[i] <= 30 / BANDS_FPS);
        beats_free(&beats);
    }
    assert_true(tempo_from_beats(NULL, 0) == 0);
    assert_true(tempo_periodicity(activation, 30, BANDS_FPS, 120) == 0);
}

static void bars_of_three_and_four(void **state) {
    (void)state;
    enum { BEATS = 100, COUNT = 2300 }; /* odd bars are rare: they need 50 s of evidence */
    for (int meter = 2; meter <= 7; meter++)
        for (int first = 0; first < meter; first++) {
            float downbeat[COUNT];
            double time[BEATS];
            for (int t = 0; t < COUNT; t++) downbeat[t] = .02f;
            for (int i = 0; i < BEATS; i++) {
                time[i] = .3 + .5 * i;
                downbeat[lround(time[i] * BANDS_FPS)] = i % meter == first ? .8f : .05f;
            }
            struct bars bars;
            assert_true(bars_find(downbeat, COUNT, BANDS_FPS, time, BEATS, &bars));
            assert_int_equal(bars.beats_per_bar, meter);
            assert_true(bars.confidence > .5 && bars.confidence <= 1);
            for (int i = 0; i < BEATS; i++) assert_int_equal(bars.is_downbeat[i], i % meter == first);
            bars_free(&bars);
        }
}

static void loop_lengths(void **state) {
    (void)state;
    enum { COUNT = 1300 };
    static float beat[COUNT], downbeat[COUNT];
    static const struct {
        double seconds, bpm;
    } loops[] = {{8, 120}, {6.4, 150}, {13.714286, 140}, {19.591837, 98}, {7.384615, 130}};
    struct onsets onsets = {.envelope = beat};
    struct loop loop[LOOPS];
    for (size_t i = 0; i < sizeof loops / sizeof *loops; i++) {
        struct network_output heard = {.beat = beat, .downbeat = downbeat};
        const struct pulse_view view = {&heard, heard.tempo, &onsets, COUNT};
        pulses_make(beat, COUNT, 0, loops[i].bpm);
        for (int b = 0; b <= TEMPO_BINS; b++) {
            const double off = b - log2(loops[i].bpm / TEMPO_LOWEST_BPM) * TEMPO_BINS_AN_OCTAVE;
            heard.tempo[b] = (float)(.3 * exp(-.1 * off * off));
        }
        const int count = loop_rank(&view, loops[i].seconds, loop);
        assert_true(count > 2);
        assert_true(fabs(loop[0].bpm - loops[i].bpm) < 1e-4);
        assert_int_equal(loop[0].beats, lround(loops[i].seconds * loops[i].bpm / 60));
        double sum = 0;
        for (int k = 0; k < count; k++) sum += loop[k].probability;
        assert_true(fabs(sum - 1) < 1e-9);
    }
    struct network_output heard = {.beat = beat, .downbeat = downbeat};
    assert_int_equal(loop_rank(&(struct pulse_view){&heard, heard.tempo, &onsets, COUNT}, .2, loop), 0);
    assert_true(loop_whole_tempo(60 * 16 / 97.0, 16) > 0);
    assert_true(loop_whole_tempo(60 * 16 / 97.4, 16) < 0);
    assert_true(loop_whole_tempo(60 * 16 / 97.0 + .001, 16) < 0); /* loops are cut to a sample */
    assert_true(loop_whole_tempo(8, 16) == 0);
}

static void pulses_differ(void **state) {
    (void)state;
    enum { COUNT = 1300 };
    static float beat[COUNT], downbeat[COUNT];
    struct network_output heard = {.beat = beat, .downbeat = downbeat};
    struct onsets onsets = {.envelope = beat};
    struct pulse pulse[PULSES];
    int count;
    pulses_make(beat, COUNT, 0, 120);
    heard.tempo[44] = heard.tempo[36] = .2f; /* near 138 and 104, from where tracking leads to 120 */
    assert_true(pulses_find(&(struct pulse_view){&heard, heard.tempo, &onsets, COUNT}, pulse, &count));
    assert_true(count > 1 && fabs(pulse[0].bpm - 120) < .5);
    for (int i = 0; i < count; i++)
        for (int k = 0; k < i; k++) assert_true(fabs(pulse[i].bpm / pulse[k].bpm - 1) > .02);
    pulses_free(pulse, count);
}

static void candidates_are_ranked(void **state) {
    (void)state;
    const struct tempo_candidate known[] = {{60, .2}, {120, .5}, {171, .1}, {240, .05}, {33, .0001}};
    struct tempo_candidate out[TEMPO_CANDIDATES];
    const int count = tempo_candidates(known, 5, 120, out);
    assert_int_equal(count, 6); /* with 80 and 90, which are always named; without 33, which nothing speaks for */
    assert_true(out[0].bpm == 120 && out[1].bpm == 60 && out[2].bpm == 171 && out[3].bpm == 240);
    double sum = 0;
    for (int i = 0; i < count; i++) sum += out[i].strength;
    assert_true(fabs(sum - 1) < 1e-9);
}

static void ranges_are_read(void **state) {
    (void)state;
    static const char *const wrong[] = {"85",      "85-",       "-170", "170-85",  "85-169", "31-170", "85-237",
                                        "85-170-", "85 to 170", "x",    "nan-nan", "85-inf", "-",      " "};
    struct tempo_range range;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (tempo_range_read(wrong[i], &range)) fail_msg("\"%s\" is no range", wrong[i]);
    assert_true(tempo_range_read("87.5-175", &range) && range.slowest == 87.5 && range.fastest == 175);
    assert_true(tempo_range_read("32-236", &range));
    assert_true(tempo_range_read("", &range) && tempo_range_ratio(&range, 500) == 1);
}

/* An octave has room for every tempo; one just beyond an end is not turned into something else for a hundredth of a beat. */
static void tempi_are_folded(void **state) {
    (void)state;
    const struct tempo_range range = {87, 174};
    for (double bpm = 20; bpm < 400; bpm += .7) {
        const double ratio = tempo_range_ratio(&range, bpm), folded = bpm * ratio;
        assert_true(folded > 86 && folded < 176 && log2(ratio) == round(log2(ratio)));
        if (bpm >= 87 && bpm <= 174) assert_true(ratio == 1);
    }
    assert_true(tempo_range_ratio(&range, 174.02) == 1 && tempo_range_ratio(&range, 86.98) == 1);
    assert_true(tempo_range_ratio(&range, 177) == .5 && tempo_range_ratio(&range, 43) == 4);
}

/* Twice as many beats lie between, half as many are those that something marks. */
static void beats_are_folded(void **state) {
    (void)state;
    enum { COUNT = 1000 };
    static float beat[COUNT], marks[COUNT];
    for (int marked = 0; marked < 2; marked++)
        for (double ratio = .25; ratio <= 4; ratio *= 2) {
            struct beats beats;
            pulses_make(beat, COUNT, .2, 120);
            pulses_make(marks, COUNT, .2 + .5 * marked, 60);
            assert_true(beats_track(beat, COUNT, BANDS_FPS, &PARAMS, &beats));
            assert_true(beats_fold(marks, COUNT, BANDS_FPS, ratio, &beats));
            const double first = ratio < 1 ? .2 + .5 * marked : .2;
            assert_true(fabs(beats.count - 46 * ratio) < 5);
            for (int i = 1; i < beats.count; i++)
                assert_true(fabs(beats.time[i] - beats.time[i - 1] - .5 / ratio) < .03);
            if (ratio >= .5) assert_true(fabs(beats.time[0] - first) < .02);
            beats_free(&beats);
        }
    struct beats none = {0};
    assert_true(beats_fold(marks, COUNT, BANDS_FPS, 2, &none) && none.count == 0);
}

/* Pulses outside lend their probability, and beats are those tracked at the tempo itself, whichever pulse is more probable. */
static void pulses_are_folded(void **state) {
    (void)state;
    const struct tempo_range range = {100, 200};
    struct pulse pulse[PULSES] = {{.bpm = 85, .probability = .6, .feature = {7}, .beats = {.count = 1}},
                                  {.bpm = 128, .probability = .25, .beats = {.count = 2}},
                                  {.bpm = 170.2, .probability = .1, .beats = {.count = 3}},
                                  {.bpm = 50, .probability = .05, .beats = {.count = 4}}};
    assert_int_equal(pulses_fold(&(struct tempo_range){0}, pulse, 4), 4);
    assert_true(pulse[0].bpm == 85 && pulse[0].ratio == 1 && pulse[3].bpm == 50);
    assert_int_equal(pulses_fold(&range, pulse, 4), 3);
    assert_true(pulse[0].bpm == 170.2 && pulse[0].ratio == 1 && pulse[0].beats.count == 3);
    assert_true(fabs(pulse[0].probability - .7) < 1e-9 && pulse[0].feature[0] == 7);
    assert_true(pulse[1].bpm == 128 && pulse[2].bpm == 50 && pulse[2].ratio == 2 && pulse[2].beats.count == 4);
}

static void loops_are_folded(void **state) {
    (void)state;
    const struct tempo_range range = {60, 120};
    struct loop loop[LOOPS] = {{.bpm = 170, .beats = 16, .probability = .5},
                               {.bpm = 63.75, .beats = 6, .probability = .2},
                               {.bpm = 31.875, .beats = 3, .probability = .15},
                               {.bpm = 85, .beats = 8, .probability = .1},
                               {.bpm = 159.375, .beats = 15, .probability = .05}};
    assert_int_equal(loops_fold(&range, 16 * 60 / 170.0, loop, 5), 2);
    assert_true(loop[0].beats == 8 && loop[0].bpm == 85 && fabs(loop[0].probability - .6) < 1e-9);
    assert_true(loop[1].beats == 6 && fabs(loop[1].probability - .35) < 1e-9);
}

static void swing_and_grid(void **state) {
    (void)state;
    enum { BEATS = 41 };
    double beats[BEATS], onset_time[3 * BEATS];
    float strength[3 * BEATS];
    for (int i = 0; i < BEATS; i++) beats[i] = .5 * i;
    for (int k = 0; k <= 4; k++) { /* the off-beat from the middle to two thirds */
        struct onsets onsets = {.time = onset_time, .strength = strength};
        for (int i = 0; i + 1 < BEATS; i++)
            for (int half = 0; half < 2; half++) {
                strength[onsets.count] = 1;
                onset_time[onsets.count++] = beats[i] + .5 * half * (.5 + k / 24.0);
            }
        struct groove groove;
        assert_true(groove_find(&onsets, beats, BEATS, &groove));
        assert_true(groove.swing_onsets > 0);
        assert_true(fabs(groove.swing - k / 4.0) < .02);
        if (k == 0) assert_int_equal(groove.subdivision, 2);
    }
    struct onsets triplets = {.time = onset_time, .strength = strength};
    for (int i = 0; i + 1 < BEATS; i++)
        for (int third = 0; third < 3; third++) {
            strength[triplets.count] = 1;
            onset_time[triplets.count++] = beats[i] + .5 * third / 3;
        }
    struct groove groove;
    assert_true(groove_find(&triplets, beats, BEATS, &groove));
    assert_int_equal(groove.subdivision, 3);
    assert_true(groove.triple > .9 && groove.swing_onsets == 0 && groove.deviation < .001);
    assert_true(groove_find(&(struct onsets){0}, beats, BEATS, &groove));
    assert_true(groove_find(&triplets, NULL, 0, &groove));
}

static void bands_cover_the_spectrum(void **state) {
    (void)state;
    static struct bands bands;
    static float power[BANDS_BINS];
    float out[BANDS_COUNT];
    bands_init(&bands);
    for (int b = 0; b < BANDS_BINS; b++) power[b] = .25f;
    bands_apply(&bands, power, out);
    for (int b = 0; b < BANDS_COUNT; b++) { /* weights sum to 1: constant power gives its root everywhere */
        assert_true(bands.count[b] > 0 && bands.first[b] + bands.count[b] <= BANDS_BINS);
        assert_true(fabsf(out[b] - .5f) < 1e-5f);
    }
    float frames[3 * BANDS_COUNT] = {0};
    assert_true(bands_compress(frames, 3) == 0);
    assert_true(bands_compress(frames, 0) == 0);
}

static char weights[1 << 21];

static size_t weights_read(const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", getenv("TEMPO_METER_DIR"), name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    const size_t size = fread(weights, 1, sizeof weights, file);
    fclose(file);
    return size;
}

static void weights_are_checked(void **state) {
    (void)state;
    char small[64] = "sondeTM1";
    assert_null(network_new(small, sizeof small));
    assert_null(network_new(small, 8));
    assert_null(network_new(small, 0));
    size_t size = weights_read("tempo_meter.weights");
    assert_null(network_new(weights, size - 1));
    assert_null(tempogram_new(weights, size));
    struct network *network = network_new(weights, size);
    assert_non_null(network);
    network_free(network);
    weights[0] = 'x';
    assert_null(network_new(weights, size));
    size = weights_read("tempogram.weights");
    assert_null(tempogram_new(weights, size - 1));
    assert_null(network_new(weights, size));
    struct tempogram *tempogram = tempogram_new(weights, size);
    assert_non_null(tempogram);
    tempogram_free(tempogram);
}

static void the_tempogram_adds_up(void **state) {
    (void)state;
    struct tempogram *tempogram = tempogram_new(weights, weights_read("tempogram.weights"));
    static float frames[400 * BANDS_COUNT];
    for (int64_t count = 1; count <= 400; count += 57) {
        for (int64_t t = 0; t < count; t++)
            for (int b = 0; b < BANDS_COUNT; b++) frames[t * BANDS_COUNT + b] = t % 22 == 0 ? 3 : .1f;
        float tempo[TEMPO_BINS], sum = 0;
        assert_true(tempogram_run(tempogram, frames, count, tempo));
        for (int i = 0; i < TEMPO_BINS; i++) sum += tempo[i];
        assert_true(fabsf(sum - 1) < 1e-4f);
    }
    tempogram_free(tempogram);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beats_follow_pulses),
        cmocka_unit_test(beats_follow_a_ritardando),
        cmocka_unit_test(beats_keep_a_steady_tempo),
        cmocka_unit_test(beats_begin_with_the_music),
        cmocka_unit_test(beats_that_are_not_steady_stay),
        cmocka_unit_test(beats_of_nothing),
        cmocka_unit_test(bars_of_three_and_four),
        cmocka_unit_test(loop_lengths),
        cmocka_unit_test(pulses_differ),
        cmocka_unit_test(candidates_are_ranked),
        cmocka_unit_test(ranges_are_read),
        cmocka_unit_test(tempi_are_folded),
        cmocka_unit_test(beats_are_folded),
        cmocka_unit_test(pulses_are_folded),
        cmocka_unit_test(loops_are_folded),
        cmocka_unit_test(swing_and_grid),
        cmocka_unit_test(bands_cover_the_spectrum),
        cmocka_unit_test(weights_are_checked),
        cmocka_unit_test(the_tempogram_adds_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
