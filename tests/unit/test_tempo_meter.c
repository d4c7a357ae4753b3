/* SPDX-License-Identifier: MIT
 *
 * tempo_meter: its parts on made-up input, and the library in the host on sounds made here: music it must understand,
 * and signals that aren't music at all. */
#include "plugins/tempo_meter/bands.h"
#include "plugins/tempo_meter/bars.h"
#include "plugins/tempo_meter/beats.h"
#include "plugins/tempo_meter/groove.h"
#include "plugins/tempo_meter/loop.h"
#include "plugins/tempo_meter/network.h"
#include "plugins/tempo_meter/onsets.h"
#include "plugins/tempo_meter/tempo.h"
#include "plugins/tempo_meter/tempogram.h"

#include "engine/base/json.h"
#include "engine/base/schema.h"
#include "workers/host/host.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RATE       22050u
#define SECONDS(s) ((int64_t)((s)*RATE))

/* ----------------------------------------------------------------------------------------------------------- parts */

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
    assert_true(beats_steady(activation, COUNT, BANDS_FPS, bpm * 1.002, &beats, &steady));
    assert_true(fabs(steady / bpm - 1) < .001);
    assert_true(abs(beats.count - (int)(COUNT / BANDS_FPS / 60 * bpm)) <= 1);
    for (int i = 0; i < beats.count; i++) {
        assert_true(fabs(remainder(beats.time[i] - first, 60 / bpm)) < .025);
        assert_true(beats.strength[i] >= 0 && beats.strength[i] <= 1);
    }
    beats_free(&beats);
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
    assert_true(beats_steady(activation, COUNT, BANDS_FPS, 110, &beats, &steady));
    assert_true(steady == 0 && beats.time[beats.count - 1] == last);
    beats_free(&beats);
    assert_true(beats_steady(activation, COUNT, BANDS_FPS, 110, &beats, &steady));
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

/* ------------------------------------------------------------------------------------------------------ in the host */

struct rig {
    struct host *host;
    const struct host_plugin *plugin;
};

static int rig_open(void **state) {
    static struct rig rig;
    struct error error;
    rig.host = host_new(&(struct host_hooks){0}, &error);
    assert_non_null(rig.host);
    if (!host_load(rig.host, getenv("TEMPO_METER_SO"), getenv("TEMPO_METER_DIR"), NULL, NULL, &error))
        fail_msg("%s", error.text);
    host_create(rig.host);
    rig.plugin = host_plugin_find(rig.host, "tempo_meter");
    assert_non_null(rig.plugin);
    assert_non_null(rig.plugin->instance);
    *state = &rig;
    return 0;
}

static int rig_close(void **state) {
    host_free(((struct rig *)*state)->host);
    return 0;
}

/* The result for one channel of samples as a whole file; checked against the schema. The caller deletes it. */
static cJSON *analyse(struct rig *rig, const float *samples, int64_t frames, uint32_t rate, double embedded_bpm) {
    const double duration = (double)frames / rate;
    const sonde_region_t region = {.struct_size = sizeof region,
                                   .flags = SONDE_REGION_AT_FILE_START | SONDE_REGION_AT_FILE_END,
                                   .regions = 1,
                                   .parts = 1,
                                   .rate = rate,
                                   .channels = 1,
                                   .frames = frames,
                                   .duration = duration,
                                   .sound_end = duration,
                                   .file_frames = frames,
                                   .file_duration = duration,
                                   .embedded_bpm = embedded_bpm,
                                   .seed = 1};
    struct error error;
    if (!host_region_begin(rig->host, &region, &rig->plugin, 1, NULL, 0, 0, &error)) fail_msg("%s", error.text);
    for (int64_t at = 0; at < frames; at += 1 << 16) {
        const float *plane = samples + at;
        host_region_feed(rig->host, &plane, (size_t)(frames - at < 1 << 16 ? frames - at : 1 << 16));
    }
    host_region_finish(rig->host);
    const struct host_result *result = host_result(rig->host, 0);
    if (result->outcome != HOST_OK) fail_msg("%s: %s", host_outcome_name(result->outcome), result->reason);
    cJSON *json = json_parse(result->json, result->json_length, 1 << 20, 32, &error);
    if (!json || !schema_check(rig->plugin->schema, json, &error) ||
        !schema_check_instants(rig->plugin->schema, json, duration, &error))
        fail_msg("%s", error.text);
    host_region_end(rig->host);
    return json;
}

static double tempo_of(const cJSON *json) {
    return json_number(json, "bpm", 0);
}

static float noise(uint32_t *seed) {
    *seed = *seed * 1664525u + 1013904223u;
    return (float)(*seed >> 8) / (1 << 23) - 1;
}

/* Adds a struck sound: a falling tone (a drum, a bass) or a burst of noise (a hat, a snare). */
static void strike(float *x, int64_t frames, double at, double hz, double decay, float level) {
    uint32_t seed = (uint32_t)(at * 1000) + 7;
    for (int64_t i = 0, t = SECONDS(at); i < SECONDS(6 * decay) && t + i < frames; i++) {
        const double s = (double)i / RATE;
        const float tone = hz > 0 ? (float)sin(2 * M_PI * hz * s * (1 + .5 * exp(-s * 40))) : noise(&seed);
        x[t + i] += level * (float)exp(-s / decay) * tone;
    }
}

/* A drum pattern with a bass note on the first beat of the bar: kick, snare, kick, snare, or kick, hat, hat. */
static float *drums_new(int64_t frames, double bpm, int meter, double start) {
    float *x = calloc((size_t)frames, sizeof *x);
    assert_non_null(x);
    const double beat = 60 / bpm;
    for (int i = 0; start + i * beat < (double)frames / RATE; i++) {
        const double at = start + i * beat;
        const int place = i % meter;
        if (place == 0) {
            strike(x, frames, at, 55 * (1 + i / meter % 4 / 4.0), .3, .4f);
            strike(x, frames, at, 60, .08, .5f);
        } else if (meter == 4 && place == 2)
            strike(x, frames, at, 60, .08, .5f);
        else
            strike(x, frames, at, 0, .05, .3f);
        strike(x, frames, at, 0, .015, .12f);
        strike(x, frames, at + beat / 2, 0, .015, .08f);
    }
    return x;
}

static void drums_are_understood(void **state) {
    static const double tempi[] = {92, 105, 118.5, 128, 140};
    for (size_t i = 0; i < sizeof tempi / sizeof *tempi; i++) {
        const int64_t frames = SECONDS(45.3);
        float *x = drums_new(frames, tempi[i], 4, .37);
        cJSON *json = analyse(*state, x, frames, RATE, 0);
        assert_true(fabs(tempo_of(json) - tempi[i]) < .1);
        assert_true(json_number(json, "bpm_confidence", 0) > .5);
        assert_true(json_number(json, "tempo_stability", 0) > .95);
        const cJSON *beats = json_member(json, "beats");
        const double first = cJSON_GetArrayItem(beats, 4)->valuedouble, beat = 60 / tempi[i];
        assert_true(fabs(remainder(first - .37, beat)) < .04);
        cJSON_Delete(json);
        free(x);
    }
}

static void a_loop_is_exact(void **state) {
    const int64_t frames = llround(16 * 60 / 97.3 * RATE);
    float *x = drums_new(frames, 97.3, 4, 0);
    cJSON *json = analyse(*state, x, frames, RATE, 0);
    assert_string_equal(json_string(json, "bpm_basis", ""), "loop length");
    assert_true(fabs(tempo_of(json) - 97.3) < .01);
    assert_int_equal(cJSON_GetArraySize(json_member(json, "beats")), 16);
    assert_int_equal(cJSON_GetArraySize(json_member(json, "downbeats")), 4);
    cJSON_Delete(json);
    free(x);
}

static void candidates_hold_relatives(void **state) {
    const int64_t frames = SECONDS(30);
    float *x = drums_new(frames, 120, 4, .2);
    cJSON *json = analyse(*state, x, frames, RATE, 0);
    static const double ratio[] = {1, 2, .5, 2.0 / 3, .75};
    double sum = 0;
    for (size_t i = 0; i < sizeof ratio / sizeof *ratio; i++) {
        bool found = false;
        const cJSON *candidate;
        cJSON_ArrayForEach(candidate, json_member(json, "candidates"))
            found |= fabs(json_number(candidate, "bpm", 0) / tempo_of(json) - ratio[i]) < .001;
        assert_true(found);
    }
    const cJSON *candidate;
    cJSON_ArrayForEach(candidate, json_member(json, "candidates")) sum += json_number(candidate, "strength", -1);
    assert_true(fabs(sum - 1) < .002);
    cJSON_Delete(json);
    free(x);
}

/* One made-up signal; `music`: whether a tempo may be found in it. */
struct signal {
    const char *name;
    double seconds;
    uint32_t rate;
    int music;
    float (*sample)(double time, uint32_t *seed);
};

static float dc_sample(double time, uint32_t *seed) {
    (void)time, (void)seed;
    return .5f;
}
static float silence_sample(double time, uint32_t *seed) {
    (void)time, (void)seed;
    return 0;
}
static float click_sample(double time, uint32_t *seed) {
    (void)seed;
    return time >= 1 && time < 1.0005 ? 1 : 0;
}
static float noise_sample(double time, uint32_t *seed) {
    (void)time;
    return noise(seed) * .5f;
}
static float sine_sample(double time, uint32_t *seed) {
    (void)seed;
    return .5f * (float)sin(2 * M_PI * 440 * time);
}
static float clipped_sample(double time, uint32_t *seed) {
    (void)seed;
    return sin(2 * M_PI * 220 * time) > 0 ? 1 : -1;
}
static float nan_sample(double time, uint32_t *seed) {
    (void)seed;
    return fmod(time, 1) < .5 ? NAN : fmod(time, 1) < .75 ? INFINITY : .1f;
}
static float lfo_sample(double time, uint32_t *seed) {
    (void)seed;
    return (float)sin(2 * M_PI * 3 * time);
}

static void odd_signals_have_results(void **state) {
    static const struct signal signals[] = {
        {"DC", 8, RATE, 0, dc_sample},
        {"silence", 8, RATE, 0, silence_sample},
        {"a click", 5, RATE, 0, click_sample},
        {"white noise", 8, RATE, 0, noise_sample},
        {"a sine", 8, RATE, 0, sine_sample},
        {"a clipped tone", 8, RATE, 0, clipped_sample},
        {"NaN and infinity", 8, RATE, 1, nan_sample},
        {"a 3 Hz oscillation", 8, RATE, 1, lfo_sample},
        {"noise at 8 kHz", 6, 8000, 0, noise_sample},
        {"noise at 192 kHz", 2, 192000, 0, noise_sample},
        {"a sine of 0.05 s", .05, RATE, 0, sine_sample},
        {"noise of 0.05 s", .05, 8000, 0, noise_sample},
    };
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        const struct signal *s = signals + i;
        const int64_t frames = llround(s->seconds * s->rate);
        float *x = malloc((size_t)frames * sizeof *x);
        assert_non_null(x);
        uint32_t seed = 1;
        for (int64_t t = 0; t < frames; t++) x[t] = s->sample((double)t / s->rate, &seed);
        cJSON *json = analyse(*state, x, frames, s->rate, 0);
        if (!s->music && tempo_of(json) != 0) fail_msg("%s: tempo %g", s->name, tempo_of(json));
        assert_true(tempo_of(json) == 0 ? json_string(json, "no_tempo", NULL) != NULL : tempo_of(json) > 20);
        cJSON_Delete(json);
        free(x);
    }
    for (int64_t frames = 1; frames < 5; frames++) { /* a sample or so */
        const float x[4] = {1, -1, 1, -1};
        cJSON *json = analyse(*state, x, frames, RATE, 0);
        assert_true(tempo_of(json) == 0);
        cJSON_Delete(json);
    }
}

static void ten_minutes(void **state) {
    const int64_t frames = SECONDS(600);
    float *x = drums_new(frames, 111, 4, .2);
    cJSON *json = analyse(*state, x, frames, RATE, 0);
    assert_true(fabs(tempo_of(json) - 111) < .02);
    cJSON_Delete(json);
    free(x);
}

static void an_instance_remembers_nothing(void **state) {
    const int64_t frames = SECONDS(20);
    float *x = drums_new(frames, 100, 4, .2), *y = drums_new(frames, 137, 3, .4);
    cJSON *first = analyse(*state, x, frames, RATE, 0), *other = analyse(*state, y, frames, RATE, 0),
          *again = analyse(*state, x, frames, RATE, 0);
    assert_true(cJSON_Compare(first, again, true));
    assert_false(cJSON_Compare(first, other, true));
    cJSON_Delete(first);
    cJSON_Delete(other);
    cJSON_Delete(again);
    free(x);
    free(y);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beats_follow_pulses),
        cmocka_unit_test(beats_follow_a_ritardando),
        cmocka_unit_test(beats_keep_a_steady_tempo),
        cmocka_unit_test(beats_that_are_not_steady_stay),
        cmocka_unit_test(beats_of_nothing),
        cmocka_unit_test(bars_of_three_and_four),
        cmocka_unit_test(loop_lengths),
        cmocka_unit_test(pulses_differ),
        cmocka_unit_test(candidates_are_ranked),
        cmocka_unit_test(swing_and_grid),
        cmocka_unit_test(bands_cover_the_spectrum),
        cmocka_unit_test(weights_are_checked),
        cmocka_unit_test(the_tempogram_adds_up),
        cmocka_unit_test(drums_are_understood),
        cmocka_unit_test(a_loop_is_exact),
        cmocka_unit_test(candidates_hold_relatives),
        cmocka_unit_test(odd_signals_have_results),
        cmocka_unit_test(ten_minutes),
        cmocka_unit_test(an_instance_remembers_nothing),
    };
    return cmocka_run_group_tests_name("tempo_meter", tests, rig_open, rig_close);
}
