/* workers/host/analyser: a real worker in its sandbox, told by messages what to do. The plugins: tests/unit/sdk_plugins.c
 * and plugins/examples/minimal. */
#include "engine/base/json.h"
#include "engine/ipc/descriptors.h"
#include "engine/ipc/memfd.h"
#include "tests/unit/worker_rig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define RATE   8000
#define FRAMES 20000

static const char *library(const char *name) {
    const char *path = getenv(name);
    assert_non_null(path);
    return path;
}

static void start(struct rig *rig, const char *role, const char *path) {
    rig_start(rig, role, "\"libraries\":[{\"path\":\"%s\",\"resources\":\"\",\"params\":{}}],\"block_frames\":1000",
              path);
    cJSON_Delete(rig_receive(rig, "hello"));
}

static cJSON *expect(struct rig *rig, const char *type) {
    cJSON *message = rig_receive(rig, type);
    if (!message) fail_msg("the worker died instead of sending \"%s\": %s", type, rig->text);
    return message;
}

static void to_ready(struct rig *rig) {
    cJSON *message = expect(rig, "library");
    if (strcmp(json_string(message, "outcome", ""), "ok") != 0) fail_msg("%s", json_string(message, "reason", ""));
    cJSON_Delete(message);
    cJSON_Delete(expect(rig, "ready"));
}

static int sealed(const void *data, size_t bytes) {
    struct error error;
    int fd = memfd_new("test", bytes, &error);
    assert_true(fd >= 0);
    void *memory = memfd_map(fd, bytes, true, &error);
    assert_non_null(memory);
    memcpy(memory, data, bytes);
    memfd_unmap(memory, bytes);
    assert_true(memfd_seal(fd, bytes, &error));
    return fd;
}

static void send_descriptor(struct rig *rig, uint32_t kind, uint64_t job, uint64_t serial, int64_t start,
                            uint64_t frames, int fd) {
    struct descriptor_packet packet = {.kind = kind, .job = job, .serial = serial, .start = start, .frames = frames};
    struct error error;
    if (!descriptors_send(rig->descriptors, &packet, fd, &error)) fail_msg("%s", error.text);
    close(fd);
}

/* A chunk of a stereo 440 Hz sine, `frames` from `start` on. */
static void send_pcm(struct rig *rig, int job, int serial, int start_frame, int frames, bool last) {
    float *samples = malloc((size_t)frames * 2 * sizeof *samples);
    assert_non_null(samples);
    for (int i = 0; i < frames; i++)
        samples[i] = samples[frames + i] = 0.5f * (float)sin(2 * M_PI * 440 * (start_frame + i + 0.5) / RATE);
    send_descriptor(rig, DESCRIPTOR_PCM, (uint64_t)job, (uint64_t)serial, start_frame, (uint64_t)frames,
                    sealed(samples, (size_t)frames * 2 * sizeof *samples));
    free(samples);
    rig_send(rig, "{\"type\":\"pcm\",\"job\":%d,\"nonce\":7,\"serial\":%d,\"start\":%d,\"frames\":%d,\"last\":%s}", job,
             serial, start_frame, frames, last ? "true" : "false");
}

/* The same in 16 bits. */
static void send_shorts(struct rig *rig, int job, int serial, int start_frame, int frames, bool last) {
    int16_t *samples = malloc((size_t)frames * 2 * sizeof *samples);
    assert_non_null(samples);
    for (int i = 0; i < frames; i++)
        samples[i] = samples[frames + i] = (int16_t)lround(16384 *
                                                           sin(2 * M_PI * 440 * (start_frame + i + 0.5) / RATE));
    send_descriptor(rig, DESCRIPTOR_SHORTS, (uint64_t)job, (uint64_t)serial, start_frame, (uint64_t)frames,
                    sealed(samples, (size_t)frames * 2 * sizeof *samples));
    free(samples);
    rig_send(rig, "{\"type\":\"pcm\",\"job\":%d,\"nonce\":7,\"serial\":%d,\"start\":%d,\"frames\":%d,\"last\":%s}", job,
             serial, start_frame, frames, last ? "true" : "false");
}

static void send_job(struct rig *rig, int job, const char *run, const char *inputs) {
    rig_send(
        rig,
        "{\"type\":\"analyse\",\"job\":%d,\"nonce\":7,\"region\":{\"rate\":%d,\"channels\":2,\"start\":4000,\"end\":%d,"
        "\"file_frames\":100000,\"seed\":\"00000000deadbeef\"},\"run\":[%s],\"inputs\":[%s]}",
        job, RATE, 4000 + FRAMES, run, inputs);
}

static void take_consumed(struct rig *rig, int serial) {
    cJSON *message = expect(rig, "consumed");
    assert_int_equal(json_integer(message, "serial", -1), serial);
    cJSON_Delete(message);
}

/* The job's result of `plugin` must be `outcome`; returns the message. */
static cJSON *take_result(struct rig *rig, const char *plugin, const char *outcome) {
    cJSON *message = expect(rig, "result");
    assert_string_equal(json_string(message, "plugin", ""), plugin);
    if (strcmp(json_string(message, "outcome", ""), outcome) != 0)
        fail_msg("%s: %s: %s", plugin, json_string(message, "outcome", ""), json_string(message, "reason", ""));
    return message;
}

static void a_probe_tells_what_is_declared(void **state) {
    (void)state;
    struct rig rig;
    start(&rig, "probe", library("SONDE_MINIMAL"));
    cJSON *message = expect(&rig, "library");
    assert_string_equal(json_string(message, "outcome", ""), "ok");
    assert_int_equal(strlen(json_string(message, "hash", "")), 32);
    const cJSON *plugin = cJSON_GetArrayItem(json_member(message, "plugins"), 0);
    assert_string_equal(json_string(plugin, "id", ""), "org.example.minimal");
    assert_string_equal(json_string(plugin, "outcome", ""), "ok");
    assert_string_equal(json_string(json_member(plugin, "schema"), "type", ""), "object");
    const cJSON *input = cJSON_GetArrayItem(json_member(plugin, "inputs"), 0);
    assert_string_equal(json_string(input, "channels", ""), "mid");
    assert_int_equal(json_integer(input, "rate", 0), 22050);
    cJSON_Delete(message);
    cJSON_Delete(expect(&rig, "ready"));
    rig_send(&rig, "{\"type\":\"quit\"}");
    rig_wait_exit(&rig);
    assert_int_equal(rig.exit_code, 0);
    rig_stop(&rig);
}

static void a_library_that_is_none_is_reported(void **state) {
    (void)state;
    struct rig rig;
    start(&rig, "probe", library("SONDE_WORKER"));
    cJSON *message = expect(&rig, "library");
    assert_string_equal(json_string(message, "outcome", ""), "failed");
    assert_true(strlen(json_string(message, "reason", "")) > 10);
    cJSON_Delete(message);
    cJSON_Delete(expect(&rig, "ready"));
    rig_stop(&rig);
}

static void a_region_goes_through(void **state) {
    (void)state;
    struct rig rig;
    start(&rig, "analyse", library("SONDE_MINIMAL"));
    to_ready(&rig);
    for (int job = 1; job <= 2; job++) { /* the worker is used again */
        send_job(&rig, job, "\"org.example.minimal\"", "");
        send_pcm(&rig, job, 0, 4000, 7777, false);
        take_consumed(&rig, 0);
        (job == 1 ? send_pcm : send_shorts)(&rig, job, 1, 11777, FRAMES - 7777, true);
        take_consumed(&rig, 1);
        cJSON *message = take_result(&rig, "org.example.minimal", "ok");
        double rate = json_number(json_member(message, "json"), "zero_crossing_rate", 0);
        assert_true(fabs(rate - 880) < 1);
        assert_int_equal(json_integer(message, "nonce", 0), 7);
        cJSON_Delete(message);
        message = expect(&rig, "analysed");
        assert_int_equal(json_integer(message, "job", 0), job);
        assert_true(json_integer(message, "peak_bytes", 0) > 100000);
        cJSON_Delete(message);
    }
    rig_stop(&rig);
}

static void a_cancelled_job_ends(void **state) {
    (void)state;
    struct rig rig;
    start(&rig, "analyse", library("SONDE_MINIMAL"));
    to_ready(&rig);
    send_job(&rig, 1, "\"org.example.minimal\"", "");
    send_pcm(&rig, 1, 0, 4000, 1000, false);
    rig_send(&rig, "{\"type\":\"cancel\",\"job\":1,\"nonce\":7}");
    take_consumed(&rig, 0);
    cJSON_Delete(expect(&rig, "analysed"));
    rig_send(&rig, "{\"type\":\"cancel\",\"job\":1,\"nonce\":7}"); /* too late: ignored */
    send_pcm(&rig, 1, 1, 5000, 1000, false);                       /* was under way: handed back */
    take_consumed(&rig, 1);
    send_job(&rig, 2, "\"org.example.minimal\"", "");
    send_pcm(&rig, 2, 2, 4000, FRAMES, true);
    take_consumed(&rig, 2);
    cJSON_Delete(take_result(&rig, "org.example.minimal", "ok"));
    cJSON_Delete(expect(&rig, "analysed"));
    rig_stop(&rig);
}

static void broken_protocol_ends_the_worker(void **state) {
    (void)state;
    static const char *const bad[] = {
        "{\"type\":\"dance\"}",
        "{\"type\":\"analyse\",\"job\":1,\"nonce\":7}",
        "{\"type\":\"analyse\",\"job\":1,\"nonce\":7,\"region\":{\"rate\":8000,\"channels\":1,\"start\":5,\"end\":5},\"run\":[\"org.example.minimal\"]}",
        "{\"type\":\"analyse\",\"job\":1,\"nonce\":7,\"region\":{\"rate\":8000,\"channels\":1,\"start\":0,\"end\":5},\"run\":[\"nobody\"]}",
        "{\"type\":\"analyse\",\"job\":1,\"nonce\":7,\"region\":{\"rate\":8000,\"channels\":1,\"start\":0,\"end\":5},\"run\":[]}",
        "{\"type\":\"analyse\",\"job\":1,\"nonce\":7,\"region\":{\"rate\":8000,\"channels\":1,\"start\":0,\"end\":5},"
        "\"run\":[\"org.example.minimal\"],\"inputs\":[{\"interface\":\"x\",\"json\":{},\"arrays\":[{\"name\":\"a\",\"dtype\":\"f32\",\"shape\":[3]}]}]}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct rig rig;
        start(&rig, "analyse", library("SONDE_MINIMAL"));
        to_ready(&rig);
        rig_send(&rig, "%s", bad[i]);
        rig_wait_exit(&rig);
        assert_int_equal(rig.exit_code, 1);
        assert_non_null(strstr(rig.text, "broken protocol"));
        rig_stop(&rig);
    }
}

static void pcm_out_of_place_ends_the_worker(void **state) {
    (void)state;
    struct rig rig;
    start(&rig, "analyse", library("SONDE_MINIMAL"));
    to_ready(&rig);
    send_job(&rig, 1, "\"org.example.minimal\"", "");
    send_pcm(&rig, 1, 0, 4001, 1000, false);
    rig_wait_exit(&rig);
    assert_int_equal(rig.exit_code, 1);
    assert_non_null(strstr(rig.text, "broken protocol"));
    rig_stop(&rig);
}

/* Arrays go out through the out area, and come in through sealed memory. */
static void arrays_cross(void **state) {
    (void)state;
    static const float samples[4] = {0.5f, 1, 2, 3};
    struct rig rig;
    start(&rig, "analyse", library("SONDE_SDK_PLUGINS"));
    to_ready(&rig);
    send_descriptor(&rig, DESCRIPTOR_ARRAY, 1, 77, 0, 0, sealed(samples, sizeof samples));
    send_job(
        &rig, 1, "\"audio\",\"reads_audio_early\"",
        "{\"interface\":\"audio\",\"major\":1,\"provider\":\"x\",\"outcome\":\"ok\",\"json\":{\"y\":[1.5]},\"arrays\":["
        "{\"name\":\"mid\",\"dtype\":\"f32\",\"shape\":[4],\"unit\":\"1\",\"hop\":0.1,\"start\":0,\"serial\":77},"
        "{\"name\":\"none\",\"dtype\":\"f64\",\"shape\":[0,5],\"unit\":\"1\",\"hop\":0,\"start\":0}]}");
    send_pcm(&rig, 1, 0, 4000, FRAMES, true);
    take_consumed(&rig, 0);
    cJSON *message = take_result(&rig, "audio", "ok");
    const cJSON *array = cJSON_GetArrayItem(json_member(message, "arrays"), 0);
    assert_string_equal(json_string(array, "name", ""), "mid");
    assert_string_equal(json_string(array, "dtype", ""), "f32");
    assert_int_equal(json_integer(array, "bytes", 0), FRAMES * 4);
    int64_t offset = json_integer(array, "offset", -1);
    assert_int_equal(offset % 64, 0);
    struct error error;
    const void *out = memfd_map(rig.out_fd, OUT_BYTES, false, &error);
    assert_non_null(out);
    const float *mid = (const float *)out + offset / 4;
    for (int i = 0; i < FRAMES; i++)
        assert_true(fabs((double)mid[i] - 0.5 * sin(2 * M_PI * 440 * (4000 + i + 0.5) / RATE)) < 1e-4);
    memfd_unmap((void *)(uintptr_t)out, OUT_BYTES);
    cJSON_Delete(message);
    message = take_result(&rig, "reads_audio_early", "ok");
    const cJSON *json = json_member(message, "json");
    assert_string_equal(json_string(json, "early", ""), "{\"y\":[1.5]}");
    assert_int_equal(json_integer(json, "array_frames", 0), 4);
    assert_true(json_number(json, "array_first", 0) == 0.5);
    cJSON_Delete(message);
    cJSON_Delete(expect(&rig, "analysed"));
    rig_stop(&rig);
}

/* Region after region takes no more memory, those that are cancelled among them. */
static void many_regions(void **state) {
    (void)state;
    struct rig rig;
    start(&rig, "analyse", library("SONDE_SDK_PLUGINS"));
    to_ready(&rig);
    long before = 0;
    for (int job = 1; job <= 220; job++) {
        bool cancelled = job % 4 == 0;
        send_job(&rig, job, "\"audio\",\"reads_audio_early\"",
                 "{\"interface\":\"audio\",\"major\":1,\"provider\":\"x\",\"outcome\":\"ok\",\"json\":{\"y\":[1.5]}}");
        (job % 2 ? send_pcm : send_shorts)(&rig, job, 0, 4000, cancelled ? 5000 : FRAMES, !cancelled);
        if (cancelled) rig_send(&rig, "{\"type\":\"cancel\",\"job\":%d,\"nonce\":7}", job);
        take_consumed(&rig, 0);
        if (!cancelled) {
            cJSON_Delete(take_result(&rig, "audio", "ok"));
            cJSON_Delete(take_result(&rig, "reads_audio_early", "ok"));
        }
        cJSON_Delete(expect(&rig, "analysed"));
        if (job == 20) before = rig_data(&rig);
    }
    rig_expect_flat(&rig, before);
    rig_stop(&rig);
}

static void an_impossible_region_is_unsupported(void **state) {
    (void)state;
    struct rig rig;
    start(&rig, "analyse", library("SONDE_MINIMAL"));
    to_ready(&rig);
    rig_send(&rig,
             "{\"type\":\"analyse\",\"job\":1,\"nonce\":7,\"region\":{\"rate\":8000,\"channels\":5000,\"start\":0,"
             "\"end\":5},\"run\":[\"org.example.minimal\"]}");
    cJSON_Delete(take_result(&rig, "org.example.minimal", "unsupported"));
    cJSON_Delete(expect(&rig, "analysed"));
    rig_stop(&rig);
}

/* A plugin that works until it hears that nobody wants the result any more. */
static void a_plugin_hears_of_a_cancel(void **state) {
    (void)state;
    struct rig rig;
    rig_start(&rig, "analyse",
              "\"libraries\":[{\"path\":\"%s\",\"only\":[\"mode\"],\"params\":{\"mode\":{\"mode\":"
              "\"until_cancelled\"}}}]",
              library("SONDE_SDK_PLUGINS"));
    cJSON_Delete(rig_receive(&rig, "hello"));
    to_ready(&rig);
    for (int job = 1; job < 3; job++) {
        send_job(&rig, job, "\"mode\"", "");
        send_pcm(&rig, job, job, 4000, FRAMES, true);
        rig_send(&rig, "{\"type\":\"cancel\",\"job\":%d,\"nonce\":7}", job);
        take_consumed(&rig, job);
        cJSON_Delete(expect(&rig, "analysed"));
    }
    rig_stop(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_probe_tells_what_is_declared),
        cmocka_unit_test(a_library_that_is_none_is_reported),
        cmocka_unit_test(a_region_goes_through),
        cmocka_unit_test(a_cancelled_job_ends),
        cmocka_unit_test(broken_protocol_ends_the_worker),
        cmocka_unit_test(pcm_out_of_place_ends_the_worker),
        cmocka_unit_test(arrays_cross),
        cmocka_unit_test(many_regions),
        cmocka_unit_test(an_impossible_region_is_unsupported),
        cmocka_unit_test(a_plugin_hears_of_a_cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
