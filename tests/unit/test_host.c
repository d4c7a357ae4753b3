/* workers/host: what plugins are fed, what they may write, and what becomes of those that misbehave. The plugins are in
 * sdk_plugins.c (environment variable SONDE_SDK_PLUGINS). */
#include "engine/base/json.h"
#include "kernels/kernels.h"
#include "kernels/lanes.h"
#include "workers/host/host.h"

#include <fenv.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define RATE     8000
#define FRAMES   10007
#define CHANNELS 3

/* ------------------------------------------------------------------------------------------------------------- tools */

static float signal_at(int channel, int i) {
    return (float)(0.4 * sin(2 * M_PI * 1000 * i / RATE + channel) + 0.1 * sin(0.37 * i * (channel + 1)));
}

static struct host *new_host(const char *mode) {
    struct error error = {0};
    struct host *host = host_new(NULL, &error);
    assert_non_null(host);
    const char *path = getenv("SONDE_SDK_PLUGINS");
    assert_non_null(path);
    cJSON *settings = cJSON_CreateObject();
    if (mode) cJSON_AddStringToObject(cJSON_AddObjectToObject(settings, "mode"), "mode", mode);
    if (!host_load(host, path, NULL, NULL, settings, &error)) fail_msg("%s", error.text);
    cJSON_Delete(settings);
    host_create(host);
    return host;
}

/* Runs the plugins (a list of ids separated by spaces) over the signal, given in pieces of `piece` frames. */
static void run(struct host *host, const char *ids, const struct host_input *inputs, size_t inputs_count, int piece,
                uint32_t block_frames) {
    static const sonde_region_t region = {.struct_size = sizeof region,
                                          .regions = 1,
                                          .parts = 1,
                                          .rate = RATE,
                                          .channels = CHANNELS,
                                          .frames = FRAMES,
                                          .duration = (double)FRAMES / RATE};
    const struct host_plugin *list[16];
    size_t count = 0;
    char copy[200], *rest = NULL;
    snprintf(copy, sizeof copy, "%s", ids);
    for (char *id = strtok_r(copy, " ", &rest); id; id = strtok_r(NULL, " ", &rest))
        assert_non_null(list[count++] = host_plugin_find(host, id));
    float *planes[CHANNELS];
    for (int c = 0; c < CHANNELS; c++) {
        assert_non_null(planes[c] = malloc(FRAMES * sizeof(float)));
        for (int i = 0; i < FRAMES; i++) planes[c][i] = signal_at(c, i);
    }
    planes[1][5000] = NAN;
    planes[2][5001] = -INFINITY;
    planes[0][9000] = 3e38f;
    planes[0][9001] = 1e-40f;
    struct error error = {0};
    if (!host_region_begin(host, &region, list, count, inputs, inputs_count, block_frames, &error))
        fail_msg("%s", error.text);
    for (int from = 0; from < FRAMES; from += piece) {
        const float *at[CHANNELS] = {planes[0] + from, planes[1] + from, planes[2] + from};
        host_region_feed(host, at, (size_t)(FRAMES - from < piece ? FRAMES - from : piece));
    }
    host_region_finish(host);
    for (int c = 0; c < CHANNELS; c++) free(planes[c]);
}

static const struct host_result *result_of(const struct host *host, size_t index, const char *outcome) {
    const struct host_result *r = host_result(host, index);
    if (strcmp(host_outcome_name(r->outcome), outcome) != 0)
        fail_msg("%s: %s: %s", r->plugin->descriptor->id, host_outcome_name(r->outcome), r->reason);
    return r;
}

static const struct host_array *array_of(const struct host_result *r, const char *name) {
    for (size_t i = 0; i < r->arrays_count; i++)
        if (strcmp(r->arrays[i].info->name, name) == 0) return &r->arrays[i];
    fail_msg("no array %s", name);
    return NULL;
}

/* The signal as the definitions say plugins see it. */
static double clean(int channel, int64_t i) {
    if (i < 0 || i >= FRAMES || (channel == 1 && i == 5000) || (channel == 2 && i == 5001)) return 0;
    if (channel == 0 && (i == 9000 || i == 9001)) return 0;
    return (double)signal_at(channel, (int)i);
}

static double mid(int64_t i) {
    return (clean(0, i) + clean(1, i) + clean(2, i)) / 3;
}

/* --------------------------------------------------------------------------------------------------------- definitions */

static void audio_is_as_defined(void **state) {
    (void)state;
    struct host *host = new_host(NULL);
    run(host, "audio", NULL, 0, FRAMES, 0);
    const struct host_result *r = result_of(host, 0, "ok");
    cJSON *json = cJSON_Parse(r->json);
    assert_int_equal(json_integer(json, "gap", -1), 0);
    assert_int_equal(json_integer(json, "nonfinite", -1), 3);
    assert_int_equal(r->nonfinite, 3);
    cJSON_Delete(json);
    const struct host_array *m = array_of(r, "mid"), *stereo = array_of(r, "stereo"), *native = array_of(r, "native");
    assert_int_equal(m->shape[0], FRAMES);
    for (int i = 0; i < FRAMES; i++) assert_true(fabs((double)((float *)m->data)[i] - mid(i)) < 1e-6);
    assert_int_equal(stereo->shape[0], FRAMES * 2);
    assert_int_equal(stereo->shape[1], 2);
    assert_int_equal(native->shape[0], (FRAMES * 3 + 1) / 2);
    assert_int_equal(native->shape[1], CHANNELS);
    /* Delay-compensated: away from edges and damaged samples, the sine is where it was. */
    for (int k = 2000; k < 7000; k++)
        for (int c = 0; c < 2; c++) {
            double t = k / 2.0, expected = 0.4 * sin(2 * M_PI * 1000 * t / RATE + c) + 0.1 * sin(0.37 * t * (c + 1));
            assert_true(fabs((double)((float *)stereo->data)[k * 2 + c] - expected) < 1e-4);
        }
    host_region_end(host);
    host_free(host);
}

/* One bin of one frame, from the definition: window, centre, zeros outside, scale. */
static double complex_bin(double (*at)(int64_t), int64_t frame, int window, int hop, int bin, double *im) {
    double re = 0, sum = 0;
    *im = 0;
    for (int n = 0; n < window; n++) {
        double w = 0.5 - 0.5 * cos(2 * M_PI * n / window), x = at(frame * hop - window / 2 + n) * w;
        re += x * cos(2 * M_PI * bin * n / window);
        *im -= x * sin(2 * M_PI * bin * n / window);
        sum += w;
    }
    *im *= 2 / sum;
    return re * 2 / sum;
}

static double channel_2(int64_t i) {
    return clean(2, i);
}

static void spectra_are_as_defined(void **state) {
    (void)state;
    struct host *host = new_host(NULL);
    run(host, "spectrum", NULL, 0, FRAMES, 0);
    const struct host_result *r = result_of(host, 0, "ok");
    const struct host_array *power = array_of(r, "power"), *values = array_of(r, "complex"),
                            *same = array_of(r, "same");
    assert_int_equal(power->shape[0], (FRAMES - 1) / 16 + 1);
    assert_int_equal(power->shape[1], 33);
    assert_int_equal(values->shape[0], (FRAMES - 1) / 100 + 1);
    assert_int_equal(values->shape[1], 3 * 51 * 2);
    assert_int_equal(array_of(r, "resampled")->shape[0], ((FRAMES * 3 + 2) / 4 - 1) / 100 + 1);
    double im;
    for (int64_t k = 0; k < (int64_t)power->shape[0]; k += k < 5 || k > 618 ? 1 : 41)
        for (int b = 0; b < 33; b++) {
            double re = complex_bin(mid, k, 64, 16, b, &im);
            assert_true(fabs((double)((float *)power->data)[k * 33 + b] - (re * re + im * im)) < 1e-6);
            assert_true(fabs((double)((float *)same->data)[(k * 33 + b) * 2] - re) < 1e-6);
        }
    for (int64_t k = 0; k < (int64_t)values->shape[0]; k += k < 2 || k > 97 ? 1 : 19)
        for (int b = 0; b < 51; b++) {
            double re = complex_bin(channel_2, k, 100, 100, b, &im);
            const float *pair = (float *)values->data + ((k * 3 + 2) * 51 + b) * 2;
            assert_true(fabs((double)pair[0] - re) < 1e-6 && fabs((double)pair[1] - im) < 1e-6);
        }
    /* The 1 kHz sine of amplitude 0.4 lies on bin 8 of 64 at 8 kHz: its mean over three phases, squared. */
    double a = 0.4 / 3 * fabs(1 + 2 * cos(1.0));
    assert_true(fabs(sqrt((double)((float *)power->data)[200 * 33 + 8]) - a) < 0.02);
    host_region_end(host);
    host_free(host);
}

/* Every lane of the host's transform against the FFT kernel, in both sets of instructions, bit by bit the same. */
static void lanes_equal_the_kernel(void **state) {
    (void)state;
    enum { HOP = 5 };
    static const uint32_t lengths[] = {2, 4, 6, 10, 14, 16, 30, 64, 100, 294, 1000, 2048, 6144, 65536};
    for (size_t n = 0; n < sizeof lengths / sizeof *lengths; n++) {
        uint32_t length = lengths[n], stride = length + 2;
        struct lanes *lanes = lanes_new(length, false), *plain = lanes_new(length, true);
        sonde_fft_t *fft = kernel_fft.create(length);
        float *in = malloc((length + LANES * HOP) * sizeof *in), *weights = malloc(length * sizeof *weights);
        float *windowed = malloc(length * sizeof *windowed), *expected = malloc(stride * sizeof *expected);
        float *values = malloc(LANES * stride * sizeof *values), *same = malloc(LANES * stride * sizeof *same);
        float *powers = malloc(LANES * stride * sizeof *powers);
        assert_true(lanes && plain && fft && in && weights && windowed && expected && values && same && powers);
        for (uint32_t i = 0; i < length + LANES * HOP; i++) in[i] = signal_at(1, (int)i * 7);
        for (uint32_t i = 0; i < length; i++) weights[i] = 0.5f + (float)(i % 13) / 26;
        for (uint32_t count = 1; count <= LANES; count += 7) {
            lanes_transform(lanes, in, HOP, count, weights);
            lanes_transform(plain, in, HOP, count, weights);
            lanes_values(lanes, count, values, stride);
            lanes_values(plain, count, same, stride);
            lanes_powers(lanes, count, powers, stride);
            assert_memory_equal(values, same, count * stride * sizeof *values);
            for (uint32_t f = 0; f < count; f++) {
                for (uint32_t i = 0; i < length; i++) windowed[i] = in[i + f * HOP] * weights[i];
                kernel_fft.forward(fft, windowed, expected);
                const float *frame = values + f * stride;
                double most = 0, wrong = 0;
                for (uint32_t k = 0; k < stride; k++) {
                    most = fmax(most, fabs((double)expected[k]));
                    wrong = fmax(wrong, fabs((double)(frame[k] / 2 - expected[k])));
                }
                if (wrong > 1e-6 * most) fail_msg("length %u, frame %u: %g of %g", length, f, wrong, most);
                for (uint32_t k = 0; k <= length / 2; k++)
                    assert_true(powers[f * stride + k] ==
                                frame[2 * k] * frame[2 * k] + frame[2 * k + 1] * frame[2 * k + 1]);
            }
        }
        kernel_fft.destroy(fft);
        lanes_free(lanes);
        lanes_free(plain);
        free(in), free(weights), free(windowed), free(expected), free(values), free(same), free(powers);
    }
    assert_null(lanes_new(0, false));
    assert_null(lanes_new(15, false));
    assert_null(lanes_new(22, false)); /* 11 is too large a prime */
}

static void results_do_not_depend_on_blocks(void **state) {
    (void)state;
    static const struct {
        int piece;
        uint32_t block;
    } ways[] = {{FRAMES, 1}, {FRAMES, 7}, {FRAMES, 4096}, {FRAMES, 0}, {1, 0}, {777, 0}, {5000, 333}};
    struct host *host = new_host(NULL), *reference = new_host(NULL);
    run(reference, "audio spectrum", NULL, 0, FRAMES, FRAMES);
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        run(host, "audio spectrum", NULL, 0, ways[w].piece, ways[w].block);
        for (size_t p = 0; p < 2; p++) {
            const struct host_result *x = result_of(host, p, "ok"), *y = result_of(reference, p, "ok");
            assert_string_equal(x->json, y->json);
            for (size_t i = 0; i < x->arrays_count; i++) {
                assert_int_equal(x->arrays[i].bytes, y->arrays[i].bytes);
                assert_memory_equal(x->arrays[i].data, y->arrays[i].data, x->arrays[i].bytes);
            }
        }
        host_region_end(host);
    }
    host_region_end(reference);
    host_free(reference);
    host_free(host);
}

static void whole_regions_come_in_one_block(void **state) {
    (void)state;
    struct host *host = new_host(NULL);
    run(host, "whole audio whole_short", NULL, 0, 500, 100);
    const struct host_result *r = result_of(host, 0, "ok");
    assert_int_equal(array_of(r, "mid")->shape[0], (FRAMES * 3 + 2) / 4);
    assert_int_equal(array_of(r, "native")->shape[0], FRAMES);
    assert_true(((float *)array_of(r, "native")->data)[FRAMES * 3 - 1] == signal_at(2, FRAMES - 1));
    cJSON *json = cJSON_Parse(r->json);
    assert_int_equal(json_integer(json, "nonfinite", -1), 3);
    assert_int_equal(json_integer(json, "blocks", -1), 2); /* one an input */
    cJSON_Delete(json);
    assert_non_null(strstr(result_of(host, 2, "unsupported")->reason, "up to 1 s"));
    host_region_end(host);
    host_free(host);
}

/* ------------------------------------------------------------------------------------------------------- misbehaviour */

static void outcome_is(const char *mode, const char *outcome, const char *reason) {
    struct host *host = new_host(mode);
    for (int again = 0; again < 2; again++) { /* nothing sticks to the instance */
        run(host, "mode audio", NULL, 0, FRAMES, 0);
        const struct host_result *r = result_of(host, 0, outcome);
        if (!strstr(r->reason, reason)) fail_msg("%s: \"%s\" doesn't say \"%s\"", mode, r->reason, reason);
        assert_true(!r->json == (strcmp(outcome, "ok") != 0));
        result_of(host, 1, "ok"); /* others don't notice */
        host_region_end(host);
    }
    host_free(host);
}

static void outcomes_are_what_plugins_say(void **state) {
    (void)state;
    outcome_is("number", "ok", "");
    outcome_is("fail", "failed", "no sense\xef\xbf\xbdin \xef\xbf\xbd it");
    outcome_is("fail_begin", "failed", "the weather is bad");
    outcome_is("empty", "empty", "");
    outcome_is("empty_begin", "empty", "");
    outcome_is("unsupported", "unsupported", "no reason");
    outcome_is("memory", "memory", "out of memory");
    outcome_is("broken", "failed", "declared itself broken in process");
    outcome_is("nonsense", "failed", "process returned 4711");
}

static void the_writer_refuses_what_is_wrong(void **state) {
    (void)state;
    outcome_is("nan", "failed", "not a finite number: x");
    outcome_is("big_integer", "failed", "beyond 2^53");
    outcome_is("bad_utf8", "failed", "not valid UTF-8");
    outcome_is("null_key", "failed", "a key is NULL");
    outcome_is("no_end", "failed", "still open");
    outcome_is("extra_end", "failed", "without its begin_object");
    outcome_is("wrong_end", "failed", "without its begin_object");
    outcome_is("key_in_array", "failed", "has no key");
    outcome_is("twice", "failed", "twice");
    outcome_is("deep", "failed", "32 levels");
    outcome_is("long", "failed", "1 MiB");
    outcome_is("raw_broken", "failed", "raw_json");
    outcome_is("array_undeclared", "failed", "doesn't declare");
    outcome_is("array_nan", "failed", "isn't finite");
    outcome_is("array_huge", "failed", "32 MiB");
    outcome_is("array_twice", "failed", "twice");
    outcome_is("array_hop", "failed", "bad hop");
    outcome_is("array_empty", "ok", "");
}

static void values_are_written_exactly(void **state) {
    (void)state;
    struct host *host = new_host("number");
    run(host, "mode", NULL, 0, FRAMES, 0);
    assert_string_equal(
        result_of(host, 0, "ok")->json,
        "{\"a\":0.333333333,\"b\":0,\"c\":1e-300,\"d\":1.23456789e+11,\"e\":[0.100000001,1e+10],"
        "\"f\":-9007199254740992,\"g\":\"\\\"\\\\\\u000a\\u007f gr\xc3\xbc\xc3\x9f\",\"h\":true,\"i\":null,"
        "\"j\": [1, {\"k\": 2}] }");
    host_region_end(host);
    host_free(host);
}

/* A plugin that spoils arithmetic and locale in every call: neither its numbers nor anyone else's may show it. */
static void the_environment_is_repaired(void **state) {
    (void)state;
    struct host *host = new_host("environment"), *innocent = new_host(NULL);
    run(innocent, "audio", NULL, 0, FRAMES, 0);
    run(host, "mode audio", NULL, 0, FRAMES, 100);
    assert_int_equal(fegetround(), FE_TONEAREST);
    assert_string_equal(result_of(host, 0, "ok")->json, "{\"tenth\":0.1,\"clean\":1}");
    const struct host_array *x = array_of(result_of(host, 1, "ok"), "stereo"),
                            *y = array_of(result_of(innocent, 0, "ok"), "stereo");
    assert_memory_equal(x->data, y->data, y->bytes);
    host_region_end(host);
    host_region_end(innocent);
    host_free(innocent);
    host_free(host);
}

/* --------------------------------------------------------------------------------------------------------------- needs */

static void needs_are_met_in_order(void **state) {
    (void)state;
    struct host *host = new_host(NULL);
    run(host, "reads_audio audio", NULL, 0, FRAMES, 0);
    const struct host_result *audio = result_of(host, 1, "ok");
    cJSON *json = cJSON_Parse(result_of(host, 0, "ok")->json);
    assert_string_equal(json_string(json, "early", "?"), ""); /* not readable in begin */
    assert_int_equal(json_integer(json, "length", 0), (int64_t)audio->json_length);
    assert_int_equal(json_integer(json, "array_frames", 0), FRAMES);
    assert_true(json_number(json, "array_start", 0) == 0.25);
    assert_false(json_bool(json, "stranger", true));
    assert_true(json_bool(json, "of_its_major", false));
    assert_false(json_bool(json, "of_another_major", true));
    cJSON_Delete(json);
    host_region_end(host);
    host_free(host);
}

static void skipped_is(const char *mode, const char *ids, size_t index, const char *reason) {
    struct host *host = new_host(mode);
    run(host, ids, NULL, 0, FRAMES, 0);
    const struct host_result *r = result_of(host, index, "skipped");
    if (!strstr(r->reason, reason)) fail_msg("\"%s\" doesn't say \"%s\"", r->reason, reason);
    host_region_end(host);
    host_free(host);
}

static void unmet_needs_are_named(void **state) {
    (void)state;
    skipped_is(NULL, "reads_nobody", 0, "nobody is missing");
    skipped_is(NULL, "reads_audio", 0, "audio is missing");
    skipped_is(NULL, "hen egg audio", 0, "hen -> egg -> hen");
    skipped_is(NULL, "hen egg audio", 1, "hen -> egg -> hen");
    skipped_is(NULL, "hen egg reads_hen", 2, "hen skipped: it needs itself");
    skipped_is("fail", "reads_mode mode", 0, "mode failed: no sense");
    skipped_is("empty", "reads_mode mode", 0, "mode empty");
    skipped_is("fail_begin", "reads_mode mode", 0, "mode failed: the weather");
    skipped_is("nan", "reads_mode mode", 0, "mode failed: the result is refused");
    skipped_is(NULL, "reads_audio_early audio", 0, "before the pass");
    struct host *host = new_host("fail");
    run(host, "reads_maybe mode", NULL, 0, FRAMES, 0);
    cJSON *json = cJSON_Parse(result_of(host, 0, "ok")->json);
    assert_int_equal(json_integer(json, "length", 0), -1);
    cJSON_Delete(json);
    host_region_end(host);
    host_free(host);
}

static void earlier_results_are_handed_over(void **state) {
    (void)state;
    static const float samples[3] = {0.5f, 1, 2};
    static const struct host_input_array arrays[] = {{.name = "mid",
                                                      .unit = "1",
                                                      .dtype = SONDE_F32,
                                                      .dimensions = 1,
                                                      .shape = {3},
                                                      .start = 0.75,
                                                      .data = samples}};
    struct host_input inputs[] = {{.interface = "audio",
                                   .major = 1,
                                   .provider = "someone",
                                   .outcome = "ok",
                                   .reason = "",
                                   .json = "{\"x\":1}",
                                   .json_length = 7,
                                   .arrays = arrays,
                                   .arrays_count = 1}};
    struct host *host = new_host(NULL);
    run(host, "reads_audio_early reads_audio", inputs, 1, FRAMES, 0);
    for (size_t i = 0; i < 2; i++) {
        cJSON *json = cJSON_Parse(result_of(host, i, "ok")->json);
        assert_string_equal(json_string(json, "early", "?"), i == 0 ? "{\"x\":1}" : "");
        assert_int_equal(json_integer(json, "length", 0), 7);
        assert_true(json_number(json, "array_first", 0) == 0.5 && json_number(json, "array_start", 0) == 0.75);
        cJSON_Delete(json);
    }
    host_region_end(host);
    inputs[0].json = NULL;
    inputs[0].outcome = "timeout";
    inputs[0].reason = "after 3 s";
    run(host, "reads_audio_early", inputs, 1, FRAMES, 0);
    assert_string_equal(result_of(host, 0, "skipped")->reason, "audio timeout: after 3 s");
    host_region_end(host);
    host_free(host);
}

/* ------------------------------------------------------------------------------------------------- parameters, resources */

static void settings_are(const char *settings, const char *failure) {
    struct error error = {0};
    struct host *host = host_new(NULL, &error);
    cJSON *object = cJSON_Parse(settings);
    assert_non_null(object);
    if (!host_load(host, getenv("SONDE_SDK_PLUGINS"), NULL, NULL, object, &error)) fail_msg("%s", error.text);
    host_create(host);
    const struct host_plugin *plugin = host_plugin_find(host, "mode");
    if (!failure != (plugin->instance != NULL)) fail_msg("%s: %s", settings, plugin->failure.text);
    if (failure && !strstr(plugin->failure.text, failure)) fail_msg("%s: %s", settings, plugin->failure.text);
    if (failure) {
        run(host, "mode", NULL, 0, FRAMES, 0);
        assert_string_equal(result_of(host, 0, "failed")->reason, plugin->failure.text);
        host_region_end(host);
    }
    cJSON_Delete(object);
    host_free(host);
}

static void parameters_are_checked(void **state) {
    (void)state;
    settings_are("{}", NULL);
    settings_are("{\"mode\":{\"count\":9}}", NULL);
    settings_are("{\"mode\":{\"count\":\"9\",\"mode\":\"number\"}}", NULL);
    settings_are("{\"mode\":{\"count\":10}}", "from 1 to 9");
    settings_are("{\"mode\":{\"count\":2.5}}", "whole number");
    settings_are("{\"mode\":{\"count\":\"many\"}}", "should be a number");
    settings_are("{\"mode\":{\"mode\":7}}", "must be text");
    settings_are("{\"mode\":{\"colour\":1}}", "no parameter \"colour\"");
    settings_are("{\"mode\":[]}", "must be an object");
}

static void resources_stay_in_their_folder(void **state) {
    (void)state;
    char dir[] = "/tmp/sonde-test-XXXXXX", path[100];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/folder", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/folder/weights", dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("weights", file);
    fclose(file);
    snprintf(path, sizeof path, "%s/link", dir);
    assert_int_equal(symlink("folder/weights", path), 0);
    struct error error = {0};
    struct host *host = host_new(NULL, &error);
    if (!host_load(host, getenv("SONDE_SDK_PLUGINS"), dir, NULL, NULL, &error)) fail_msg("%s", error.text);
    const struct library *library = host_library_at(host, 0);
    assert_int_equal(library->resources_count, 1);
    assert_string_equal(library->resources[0].name, "folder/weights");
    char hash[HASH_TEXT];
    hash_bytes("weights", 7, hash);
    assert_string_equal(library->resources[0].hash, hash);
    /* A second library with the same plugins is refused, and unloads cleanly. */
    assert_false(host_load(host, getenv("SONDE_SDK_PLUGINS"), dir, NULL, NULL, &error));
    assert_non_null(strstr(error.text, "another library"));
    host_free(host);
    unlink(path);
    snprintf(path, sizeof path, "rm -r %s", dir);
    assert_int_equal(system(path), 0);
}

static void what_is_no_library_is_refused(void **state) {
    (void)state;
    struct error error = {0};
    struct host *host = host_new(NULL, &error);
    static const struct {
        const char *path, *reason;
    } bad[] = {{"libm.so.6", "needs a slash"},
               {"/nowhere/x.so", "No such file"},
               {"/tmp", "not a plain file"},
               {"/dev/null", "not a plain file"},
               {"/etc/passwd", "can't be loaded"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(host_load(host, bad[i].path, NULL, NULL, NULL, &error));
        if (!strstr(error.text, bad[i].reason)) fail_msg("%s: %s", bad[i].path, error.text);
    }
    assert_int_equal(host_plugins_count(host), 0);
    host_free(host);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(audio_is_as_defined),
        cmocka_unit_test(spectra_are_as_defined),
        cmocka_unit_test(lanes_equal_the_kernel),
        cmocka_unit_test(results_do_not_depend_on_blocks),
        cmocka_unit_test(whole_regions_come_in_one_block),
        cmocka_unit_test(outcomes_are_what_plugins_say),
        cmocka_unit_test(the_writer_refuses_what_is_wrong),
        cmocka_unit_test(values_are_written_exactly),
        cmocka_unit_test(the_environment_is_repaired),
        cmocka_unit_test(needs_are_met_in_order),
        cmocka_unit_test(unmet_needs_are_named),
        cmocka_unit_test(earlier_results_are_handed_over),
        cmocka_unit_test(parameters_are_checked),
        cmocka_unit_test(resources_stay_in_their_folder),
        cmocka_unit_test(what_is_no_library_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
