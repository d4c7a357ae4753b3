/* The decoder role in a real, locked-down worker: scan and read jobs as the engine gives them. */
#include "engine/base/hash.h"
#include "engine/base/json.h"
#include "engine/ipc/descriptors.h"
#include "engine/ipc/memfd.h"
#include "tests/unit/decoder_rig.h"

#include <math.h>
#include <setjmp.h>
#include <sndfile.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define RATE 44100

/* ------------------------------------------------------------------------------------------------------------ tests */

static void test_scan(void **state) {
    (void)state;
    struct rig rig;
    decoder_write_audio("a.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, RATE, 2, 32);
    decoder_start(&rig);
    struct decoded r = decoder_scan(&rig, 1, decoder_path("a.wav"), 2, 1 << 30, 1000, false);
    decoder_expect(&r, "scanned");
    assert_true(json_bool(r.message, "complete", false));
    assert_int_equal(r.frames, 32 * RATE);
    for (int64_t i = 0; i < r.frames; i += 97) {
        assert_true(r.planes[i] == decoder_sample(i, 0, RATE));
        assert_true(r.planes[r.frames + i] == decoder_sample(i, 1, RATE));
    }
    const cJSON *facts = json_member(r.message, "facts");
    assert_string_equal(json_string(facts, "container", ""), "wav");
    assert_string_equal(json_string(facts, "sample_format", ""), "float");
    assert_int_equal(json_integer(facts, "frames", 0), 32 * RATE);
    assert_int_equal(cJSON_GetArraySize(json_member(r.message, "regions")), 7);
    const cJSON *zoom = json_member(json_member(r.message, "waveform"), "zoom");
    int64_t count = json_integer(zoom, "points", 0);
    assert_int_equal(count, 32 * RATE / 256 < 8000 ? (32 * RATE + 255) / 256 : 8000);
    int64_t offset = json_integer(zoom, "offset", -1);
    assert_true(offset > 0 && offset % 64 == 0);
    int16_t *points = memfd_map(rig.out_fd, OUT_BYTES, false, NULL);
    assert_non_null(points);
    const int16_t *point = points + offset / 2 + (count + 31) / 32 * 6; /* at 1 s */
    assert_in_range(point[1], 9500, 9840);                              /* 0.3 of full scale */
    assert_in_range(-point[0], 9500, 9840);
    memfd_unmap(points, OUT_BYTES);
    decoder_free(&r);
    rig_stop(&rig);
}

/* The picture of a short sound is smaller than the sound. */
static void test_short_waveform(void **state) {
    (void)state;
    struct rig rig;
    decoder_write_audio("second.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 8000, 1, 1);
    decoder_start(&rig);
    struct decoded r = decoder_scan(&rig, 1, decoder_path("second.wav"), 1, 1 << 30, 1000, false);
    decoder_expect(&r, "scanned");
    const cJSON *waveform = json_member(r.message, "waveform");
    assert_int_equal(json_integer(json_member(waveform, "overview"), "points", -1), 8000 / 32);
    assert_int_equal(json_integer(json_member(waveform, "zoom"), "points", -1), 0);
    decoder_free(&r);
    rig_stop(&rig);
}

static void test_budget(void **state) {
    (void)state;
    struct rig rig;
    decoder_write_audio("long.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_24, 96000, 4, 40); /* 58 MB of float: four chunks */
    decoder_start(&rig);
    struct decoded r = decoder_scan(&rig, 1, decoder_path("long.wav"), 4, 1 << 30, 1000, false);
    decoder_expect(&r, "scanned");
    assert_true(json_bool(r.message, "complete", false));
    assert_int_equal(r.chunks, 4);
    char hash[HASH_TEXT];
    snprintf(hash, sizeof hash, "%s", json_string(r.message, "audio_hash", ""));
    decoder_free(&r);
    r = decoder_scan(&rig, 2, decoder_path("long.wav"), 4, 1 << 30, 2, false); /* full in the middle */
    decoder_expect(&r, "scanned");
    assert_false(json_bool(r.message, "complete", true));
    assert_string_equal(json_string(r.message, "audio_hash", ""), hash);
    decoder_free(&r);
    r = decoder_scan(&rig, 3, decoder_path("long.wav"), 4, 0, 0, false); /* no budget: not asked for */
    decoder_expect(&r, "scanned");
    assert_int_equal(r.chunks, 0);
    assert_string_equal(json_string(r.message, "audio_hash", ""), hash);
    decoder_free(&r);
    rig_stop(&rig);
}

static void test_unasked_memory(void **state) {
    (void)state;
    struct rig rig;
    decoder_write_audio("short.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, RATE, 1, 0.8);
    decoder_start(&rig);
    for (int job = 1; job <= 20; job++) {
        struct decoded r = decoder_scan(&rig, job, decoder_path("short.wav"), 1, 1 << 30, 1000, true);
        decoder_expect(&r, "scanned");
        assert_true(json_bool(r.message, "complete", false));
        assert_int_equal(r.frames, (int)(0.8 * RATE));
        decoder_free(&r);
    }
    decoder_write_audio("wide.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, RATE, 2, 0.8);
    struct decoded r = decoder_scan(&rig, 21, decoder_path("wide.wav"), 2, 1 << 30, 1000,
                                    true); /* fills a third of it */
    decoder_expect(&r, "scanned");
    assert_int_equal(r.frames, (int)(0.8 * RATE));
    for (int64_t i = 0; i < r.frames; i++) {
        assert_true(r.planes[i] == decoder_sample(i, 0, RATE));
        assert_true(r.planes[r.frames + i] == decoder_sample(i, 1, RATE));
    }
    decoder_free(&r);
    rig_stop(&rig);
}

/* A read gives exactly the samples of the scan, whatever the format and the order. */
static void check_reads(struct rig *rig, const char *name, int format, int rate) {
    if (format) decoder_write_audio(name, format, rate, 2, 45);
    struct decoded all = decoder_scan(rig, 1, decoder_path(name), 2, 1 << 30, 1000, false);
    decoder_expect(&all, "scanned");
    assert_true(all.frames > 44 * rate);
    static const int64_t places[][2] = {{40000, 9000},   {100000, 20000}, {900000, 1000},  {50, 5000},
                                        {1800000, 9000}, {0, 1},          {700000, 30000}, {1500000, 200}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        int64_t start = places[i][0] * rate / 44100, frames = places[i][1];
        struct decoded part = decoder_read(rig, 10 + (int)i, decoder_path(name), 2, start, frames);
        decoder_expect(&part, "read_done");
        assert_int_equal(part.frames, frames);
        assert_int_equal(part.start, start);
        assert_int_equal(json_integer(part.message, "frames", 0), frames);
        for (int c = 0; c < 2; c++)
            if (memcmp(part.planes + c * frames, all.planes + c * all.frames + start, (size_t)frames * sizeof(float)) !=
                0)
                fail_msg("%s: frames %d and on differ from those of the scan", name, (int)start);
        decoder_free(&part);
    }
    decoder_free(&all);
}

static void test_reads(void **state) {
    (void)state;
    struct rig rig;
    decoder_start(&rig);
    check_reads(&rig, "r.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_24, RATE);
    check_reads(&rig, "r.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, RATE);
    check_reads(&rig, "r.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS, RATE);
    check_reads(&rig, "r.opus", SF_FORMAT_OGG | SF_FORMAT_OPUS, 48000);
    check_reads(&rig, "r.mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, RATE);
    char command[600];
    char wav[300];
    snprintf(wav, sizeof wav, "%s", decoder_path("r.wav"));
    snprintf(command, sizeof command, "ffmpeg -v quiet -y -i %s -c:a aac %s < /dev/null", wav, decoder_path("r.m4a"));
    if (system(command) == 0)
        check_reads(&rig, "r.m4a", 0, RATE);
    else
        print_message("# no ffmpeg command: M4A is not tested\n");
    struct decoded r = decoder_read(&rig, 99, decoder_path("r.wav"), 2, 50 * RATE, 100);
    decoder_expect(&r, "failed");
    decoder_free(&r);
    rig_stop(&rig);
}

/* What has 16 bits goes in 16 bits, and is what libsndfile makes of it. */
static void test_shorts(void **state) {
    (void)state;
    static const int formats[] = {SF_FORMAT_WAV, SF_FORMAT_AIFF, SF_FORMAT_FLAC, SF_FORMAT_CAF};
    struct rig rig;
    decoder_start(&rig);
    for (int channels = 1; channels <= 3; channels++)
        for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
            decoder_write_audio("shorts", formats[i] | SF_FORMAT_PCM_16, RATE, channels, 3);
            struct decoded r = decoder_scan(&rig, channels * 10 + (int)i, decoder_path("shorts"), channels, 1 << 30,
                                            1000, i % 2);
            decoder_expect(&r, "scanned");
            assert_int_equal(r.sample_bytes, 2);
            SF_INFO info = {0};
            SNDFILE *file = sf_open(decoder_path("shorts"), SFM_READ, &info);
            assert_int_equal(r.frames, info.frames);
            float frame[3];
            for (int64_t k = 0; k < r.frames; k++) {
                assert_int_equal(sf_readf_float(file, frame, 1), 1);
                for (int c = 0; c < channels; c++) assert_true(r.planes[c * r.frames + k] == frame[c]);
            }
            sf_close(file);
            decoder_free(&r);
        }
    decoder_write_audio("more.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_24, RATE, 1, 1);
    struct decoded r = decoder_scan(&rig, 50, decoder_path("more.wav"), 1, 1 << 30, 1000, false);
    decoder_expect(&r, "scanned");
    assert_int_equal(r.sample_bytes, 4);
    decoder_free(&r);
    rig_stop(&rig);
}

/* Job after job takes no more memory. */
static void test_many_jobs(void **state) {
    (void)state;
    struct rig rig;
    decoder_write_audio("16.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, RATE, 2, 1);
    decoder_write_audio("24.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_24, RATE, 2, 1);
    decoder_start(&rig);
    long before = 0;
    for (int job = 1; job <= 200; job++) {
        struct decoded r = decoder_scan(&rig, job, decoder_path(job % 2 ? "16.wav" : "24.wav"), 2, 1 << 30, 1000, true);
        decoder_expect(&r, "scanned");
        decoder_free(&r);
        if (job == 20) before = rig_data(&rig);
    }
    rig_expect_flat(&rig, before);
    rig_stop(&rig);
}

/* Without FFmpeg's libraries it says when they might help. */
static void test_without_ffmpeg(void **state) {
    (void)state;
    struct rig rig;
    decoder_write_bytes("words", "To be, or not to be", 19);
    decoder_write_audio("tones.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, RATE, 1, 1);
    for (int ffmpeg = 0; ffmpeg < 2; ffmpeg++) {
        decoder_start_with(&rig, ffmpeg);
        struct decoded r = decoder_scan(&rig, 1, decoder_path("words"), 1, 1 << 30, 1000, false);
        decoder_expect(&r, "failed");
        assert_int_equal(json_bool(r.message, "try_ffmpeg", false), !ffmpeg);
        decoder_free(&r);
        r = decoder_scan(&rig, 2, decoder_path("tones.wav"), 1, 1 << 30, 1000, false);
        decoder_expect(&r, "scanned");
        decoder_free(&r);
        rig_stop(&rig);
    }
}

static void test_refusals(void **state) {
    (void)state;
    struct rig rig;
    decoder_start(&rig);
    static const struct {
        const char *name, *bytes, *outcome, *words;
        size_t n;
    } cases[] = {
        {"empty", "", "failed", "empty", 0},
        {"text", "To be, or not to be, that is the question:\nWhether 'tis nobler", "unsupported", "not audio", 60},
        {"m4a", "\0\0\0\030ftypM4A \0\0\0\0M4A mp42\0\0\020\0mdat!\020", "failed", "never completely", 34},
        {"zeros", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "failed", "zero bytes", 16},
        {"riff",
         "RIFF\xff\xff\xff\xff"
         "WAVE",
         "failed", "", 12},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        decoder_write_bytes(cases[i].name, cases[i].bytes, cases[i].n);
        struct decoded r = decoder_scan(&rig, 1 + (int)i, decoder_path(cases[i].name), 1, 1 << 30, 1000, i % 2);
        decoder_expect(&r, "failed");
        if (!strstr(json_string(r.message, "reason", ""), cases[i].words) ||
            strcmp(json_string(r.message, "outcome", ""), cases[i].outcome) != 0)
            fail_msg("%s: %s, %s", cases[i].name, json_string(r.message, "outcome", ""),
                     json_string(r.message, "reason", ""));
        decoder_free(&r);
    }
    decoder_write_audio("after.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, RATE, 1, 1); /* and it goes on */
    struct decoded r = decoder_scan(&rig, 50, decoder_path("after.wav"), 1, 1 << 30, 1000, false);
    decoder_expect(&r, "scanned");
    decoder_free(&r);
    rig_stop(&rig);
}

static void test_unwanted(void **state) {
    (void)state;
    struct rig rig;
    int64_t size;
    decoder_write_audio("known.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, RATE, 1, 1);
    decoder_start(&rig);
    int fd = decoder_open_input(decoder_path("known.wav"), &size), fill = memfd_new("fill", 1 << 20, NULL);
    decoder_send_descriptor(&rig, DESCRIPTOR_FILE, 1, 0, fd);
    rig_send(&rig, "{\"type\":\"scan\",\"job\":1,\"nonce\":1,\"name\":\"x\",\"size\":1,\"keep_bytes\":999999}");
    decoder_send_descriptor(&rig, DESCRIPTOR_FILL, 1, 0, fill); /* sent in vain */
    cJSON_Delete(rig_receive(&rig, "identified"));
    rig_send(&rig, "{\"type\":\"proceed\",\"job\":1,\"nonce\":1,\"wanted\":false}");
    close(fd);
    close(fill);
    struct decoded r = decoder_scan(&rig, 2, decoder_path("known.wav"), 1, 1 << 30, 1000, false);
    decoder_expect(&r, "scanned");
    assert_true(json_bool(r.message, "complete", false));
    decoder_free(&r);
    rig_send(&rig, "{\"type\":\"quit\"}");
    rig_wait_exit(&rig);
    assert_int_equal(rig.exit_code, 0);
    assert_int_equal(rig.signal, 0);
    rig_stop(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scan),           cmocka_unit_test(test_short_waveform),
        cmocka_unit_test(test_budget),         cmocka_unit_test(test_unasked_memory),
        cmocka_unit_test(test_reads),          cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_unwanted),       cmocka_unit_test(test_shorts),
        cmocka_unit_test(test_without_ffmpeg), cmocka_unit_test(test_many_jobs),
    };
    return cmocka_run_group_tests(tests, decoder_set_up, decoder_tear_down);
}
