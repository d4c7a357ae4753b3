/* SPDX-License-Identifier: MIT
 *
 * The library tempo_meter in the host, on sounds made here: music it must understand, and signals that aren't music at all. */
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

struct rig {
    struct host *host;
    const struct host_plugin *plugin;
};

/* `range`: the parameter; NULL: none is set. */
static struct rig rig_make(const char *range) {
    struct rig rig;
    struct error error;
    rig.host = host_new(&(struct host_hooks){0}, &error);
    assert_non_null(rig.host);
    cJSON *settings = cJSON_CreateObject();
    if (range) cJSON_AddStringToObject(cJSON_AddObjectToObject(settings, "tempo_meter"), "range", range);
    if (!host_load(rig.host, getenv("TEMPO_METER_SO"), getenv("TEMPO_METER_DIR"), NULL, settings, &error))
        fail_msg("%s", error.text);
    cJSON_Delete(settings);
    host_create(rig.host);
    rig.plugin = host_plugin_find(rig.host, "tempo_meter");
    assert_non_null(rig.plugin);
    return rig;
}

static int rig_open(void **state) {
    static struct rig rig;
    rig = rig_make(NULL);
    assert_non_null(rig.plugin->instance);
    *state = &rig;
    return 0;
}

static int rig_close(void **state) {
    host_free(((struct rig *)*state)->host);
    return 0;
}

/* The result for one channel of samples as a whole file, or after `lead` seconds of silence; checked against the schema. The
 * caller deletes it. */
static cJSON *analyse_after(double lead, struct rig *rig, const float *samples, int64_t frames, uint32_t rate,
                            double embedded_bpm) {
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
                                   .lead = lead,
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

static cJSON *analyse(struct rig *rig, const float *samples, int64_t frames, uint32_t rate, double embedded_bpm) {
    return analyse_after(0, rig, samples, frames, rate, embedded_bpm);
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

/* Hats and bass drums by turns, the drums a little louder: alone they sound like beats with hats between. Where the music begins
 * with a hat, in the region or with it, that is a beat; where sound was cut into, nothing is known. */
static void music_begins_with_a_beat(void **state) {
    static const struct {
        double silence, lead;
        bool begins;
    } cases[] = {{.37, 0, true}, {0, .8, true}, {0, 0, false}};
    static const double bpm = 132.9;
    const int64_t frames = SECONDS(45.3);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        float *x = calloc((size_t)frames, sizeof *x);
        assert_non_null(x);
        for (int i = 0; i * 30 / bpm < 44; i++)
            strike(x, frames, cases[c].silence + i * 30 / bpm, i % 2 ? 70 : 0, i % 2 ? .08 : .05, i % 2 ? .345f : .3f);
        cJSON *json = analyse_after(cases[c].lead, *state, x, frames, RATE, 0);
        const double beat = cJSON_GetArrayItem(json_member(json, "beats"), 4)->valuedouble;
        assert_true(fabs(tempo_of(json) - bpm) < .1);
        assert_int_equal(fabs(remainder(beat - cases[c].silence, 60 / bpm)) < .03, cases[c].begins);
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

/* MP3 and AAC add silence to a loop, before it and up to a whole frame; its tempo and beats are those of what sounds. A loop whose
 * tempo isn't whole keeps the one its length says. */
static void an_encoded_loop_keeps_its_tempo(void **state) {
    static const struct {
        double bpm, before, after;
    } loops[] = {
        {120, 1105, 0},    {120, 0, 1105}, {120, 1105, 903}, {120, 2112, 0}, {120, 0, 2112},
        {120, 2112, 1024}, {120, 1024, 0}, {120, 0, 1024},   {96, 1105, 47}, {174, 1024, 476},
        {119.3, 0, 0},     {119.6, 0, 0},  {96.4, 0, 0},
    };
    for (size_t i = 0; i < sizeof loops / sizeof *loops; i++) {
        const double before = loops[i].before / 44100, period = 60 / loops[i].bpm;
        const int64_t frames = SECONDS(16 * period + before + loops[i].after / 44100);
        float *x = calloc((size_t)frames, sizeof *x);
        assert_non_null(x);
        for (int k = 0; k < 16; k++) strike(x, frames, before + k * period, k % 4 ? 1200 : 1800, .02, .7f);
        cJSON *json = analyse(*state, x, frames, RATE, 0);
        assert_string_equal(json_string(json, "bpm_basis", ""), "loop length");
        assert_true(fabs(tempo_of(json) - loops[i].bpm) < .05);
        const cJSON *beats = json_member(json, "beats");
        assert_int_equal(cJSON_GetArraySize(beats), 16);
        for (int k = 0; k < 16; k++)
            assert_true(fabs(cJSON_GetArrayItem(beats, k)->valuedouble - before - k * period) < .01);
        cJSON_Delete(json);
        free(x);
    }
}

/* Bars of three fill a loop of twelve beats as bars of four do. */
static void a_loop_may_be_in_three(void **state) {
    static const double tempi[] = {96, 132, 174};
    for (size_t i = 0; i < sizeof tempi / sizeof *tempi; i++)
        for (int bars = 4; bars <= 8; bars += 4)
            for (int meter = 3; meter <= 4; meter++) {
                const int beats = 3 * bars;
                const int64_t frames = llround(beats * 60 / tempi[i] * RATE);
                float *x = drums_new(frames, tempi[i], meter, 0);
                cJSON *json = analyse(*state, x, frames, RATE, 0);
                assert_string_equal(json_string(json, "bpm_basis", ""), "loop length");
                assert_true(fabs(tempo_of(json) - tempi[i]) < .01);
                assert_int_equal(json_integer(json, "beats_per_bar", 0), meter);
                assert_int_equal(cJSON_GetArraySize(json_member(json, "downbeats")), beats / meter);
                cJSON_Delete(json);
                free(x);
            }
}

/* Drums of all kinds and notes, anywhere between two frames, with a little noise: no earlier or later than they begin, on average. */
static void onsets_are_where_sounds_begin(void **state) {
    enum { COUNT = 40 };
    static const struct { double hz, decay; } kinds[] = {{55, .15}, {0, .09}, {0, .02}, {330, .3}};
    const int64_t frames = SECONDS(COUNT * .41 + 1);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        float *x = calloc((size_t)frames, sizeof *x);
        assert_non_null(x);
        uint32_t seed = 5;
        for (int64_t i = 0; i < frames; i++) x[i] = .01f * noise(&seed);
        for (int i = 0; i < COUNT; i++) strike(x, frames, .3 + i * .4137, kinds[k].hz, kinds[k].decay, .5f);
        cJSON *json = analyse(*state, x, frames, RATE, 0);
        const cJSON *onset = NULL;
        double sum = 0;
        int found = 0;
        cJSON_ArrayForEach(onset, json_member(json, "onsets")) {
            const double off = remainder(onset->valuedouble - .3, .4137);
            if (fabs(off) > .05) continue;
            sum += off;
            found++;
        }
        assert_in_range(found, COUNT - 2, COUNT);
        if (fabs(sum / found) > .008) fail_msg("sounds of %g Hz: %.1f ms late", kinds[k].hz, 1000 * sum / found);
        cJSON_Delete(json);
        free(x);
    }
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

/* Its bpm, its beats, its bars and its grid are those of `bpm`, and it is what the file's tempo will be: the strongest. */
static void all_at(const cJSON *json, double bpm, double tolerance) {
    const cJSON *beats = json_member(json, "beats"), *one = NULL;
    const int count = cJSON_GetArraySize(beats);
    assert_true(fabs(tempo_of(json) - bpm) < tolerance);
    assert_true(count > 1);
    for (int i = 1; i < count; i++) {
        const double step = cJSON_GetArrayItem(beats, i)->valuedouble - cJSON_GetArrayItem(beats, i - 1)->valuedouble;
        assert_true(fabs(step - 60 / bpm) < .04);
    }
    cJSON_ArrayForEach(one, json_member(json, "tempo_curve")) assert_true(fabs(json_number(one, "bpm", 0) - bpm) < 3);
    const cJSON *grid = json_member(json, "grid");
    assert_true(fabs(json_number(grid, "step", 0) * json_number(grid, "steps_per_beat", 0) - 60 / tempo_of(json)) <
                .001);
    const cJSON *candidates = json_member(json, "candidates"), *first = cJSON_GetArrayItem(candidates, 0);
    cJSON_ArrayForEach(one, candidates)
        assert_true(json_number(one, "strength", 0) <= json_number(first, "strength", 0));
}

/* Much of it, a loop, and a few beats; at the tempo that is played, and at what it is doubled and halved to. */
static void a_range_folds_what_is_heard(void **state) {
    static const struct {
        const char *range;
        double played, said;
    } cases[] = {
        {"100-200", 85, 170}, {"60-120", 170, 85}, {"60-120", 85, 85}, {"118-236", 55, 220}, {"32-64", 140, 35}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rig rig = rig_make(cases[i].range);
        assert_non_null(rig.plugin->instance);
        const double beat = 60 / cases[i].played;
        const double seconds[] = {45.3, 16 * beat, 7.3 * beat};
        for (size_t k = 0; k < sizeof seconds / sizeof *seconds; k++) {
            const int64_t frames = llround(seconds[k] * RATE);
            float *x = drums_new(frames, cases[i].played, 4, 0);
            cJSON *json = analyse(&rig, x, frames, RATE, 0);
            all_at(json, cases[i].said, k == 2 ? .6 : .1);
            assert_true(k != 1 || strcmp(json_string(json, "bpm_basis", ""), "loop length") == 0);
            cJSON_Delete(json);
            free(x);
        }
        host_free(rig.host);
    }
}

/* As what is outside its range is refused by the host: in a sentence, and not as a plugin that is broken. */
static void a_range_that_is_none_is_refused(void **state) {
    (void)state;
    struct rig rig = rig_make("170-85");
    assert_null(rig.plugin->instance);
    assert_null(rig.plugin->params.values);
    assert_string_equal(rig.plugin->failure.text,
                        "parameter range should be two tempi from 32 to 236 bpm, at least an octave "
                        "apart, as in 85-170, not \"170-85\"");
    host_free(rig.host);
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
        cmocka_unit_test(drums_are_understood),
        cmocka_unit_test(music_begins_with_a_beat),
        cmocka_unit_test(a_loop_is_exact),
        cmocka_unit_test(an_encoded_loop_keeps_its_tempo),
        cmocka_unit_test(a_loop_may_be_in_three),
        cmocka_unit_test(onsets_are_where_sounds_begin),
        cmocka_unit_test(candidates_hold_relatives),
        cmocka_unit_test(a_range_folds_what_is_heard),
        cmocka_unit_test(a_range_that_is_none_is_refused),
        cmocka_unit_test(odd_signals_have_results),
        cmocka_unit_test(ten_minutes),
        cmocka_unit_test(an_instance_remembers_nothing),
    };
    return cmocka_run_group_tests_name("tempo_meter", tests, rig_open, rig_close);
}
