/* The decoder role in a real, locked-down worker: scan and read jobs as the engine gives them. */
#include "engine/base/hash.h"
#include "engine/base/json.h"
#include "engine/ipc/descriptors.h"
#include "engine/ipc/memfd.h"
#include "tests/unit/worker_rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <sndfile.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define RATE 44100

/* What came of a job: the last message, and the PCM put together, planar and of the length `frames`. */
struct result {
    cJSON *message;
    float *planes;
    int64_t start, frames;
    int channels, chunks;
    int64_t sample_bytes; /* of the last chunk */
};

static void start_with(struct rig *rig, bool ffmpeg) {
    rig_start(rig, "decode", "\"memory_limit\":%d,\"ffmpeg\":%s", 512 << 20, ffmpeg ? "true" : "false");
    cJSON *hello = rig_receive(rig, "hello");
    if (!hello) fail_msg("no hello: %s", rig->text);
    cJSON_Delete(hello);
    cJSON *ready = rig_receive(rig, "ready");
    if (!ready) fail_msg("no ready: signal %d, %s", rig->signal, rig->text);
    cJSON_Delete(ready);
}

static void start_decoder(struct rig *rig) {
    start_with(rig, true);
}

static void send_descriptor(struct rig *rig, uint32_t kind, int64_t job, int64_t serial, int fd) {
    struct descriptor_packet packet = {.kind = kind, .job = (uint64_t)job, .serial = (uint64_t)serial};
    struct error error;
    if (!descriptors_send(rig->descriptors, &packet, fd, &error)) fail_msg("%s", error.text);
}

static void take_chunk(struct result *result, const cJSON *message, int fd) {
    int64_t start = json_integer(message, "start", -1), frames = json_integer(message, "frames", -1);
    size_t samples = (size_t)frames * (size_t)result->channels;
    struct error error;
    assert_true(frames > 0);
    result->sample_bytes = json_integer(message, "sample_bytes", 0);
    assert_true(result->sample_bytes == 2 || result->sample_bytes == 4);
    size_t bytes = samples * (size_t)result->sample_bytes;
    if (!memfd_seal(fd, bytes, &error)) fail_msg("%s", error.text); /* fails while the decoder maps it */
    float *chunk = malloc(samples * sizeof *chunk);
    assert_non_null(chunk);
    assert_true(memfd_read(fd, chunk, bytes, 0, &error));
    const int16_t *shorts = (const int16_t *)(const void *)chunk;
    for (size_t i = samples; result->sample_bytes == 2 && i > 0; i--) chunk[i - 1] = (float)shorts[i - 1] / 32768;
    if (result->frames == 0) result->start = start;
    assert_int_equal(start, result->start + result->frames);
    int64_t total = result->frames + frames;
    float *planes = malloc((size_t)total * (size_t)result->channels * sizeof *planes);
    assert_non_null(planes);
    for (int c = 0; c < result->channels; c++) {
        if (result->frames > 0)
            memcpy(planes + c * total, result->planes + c * result->frames, (size_t)result->frames * sizeof *planes);
        memcpy(planes + c * total + result->frames, chunk + c * frames, (size_t)frames * sizeof *planes);
    }
    free(result->planes);
    free(chunk);
    result->planes = planes;
    result->frames = total;
    result->chunks++;
}

/* From now on, what is read through this open file at a place of no sector fails, in other processes too. */
static bool break_reads(int input) {
    char byte;
    return fcntl(input, F_SETFL, O_DIRECT) == 0 && pread(input, &byte, 1, 1) < 0;
}

/* Answers `fill` until the job ends. At most `fills` are granted, then `full`. Reads of `breaking` (-1: none) fail after a chunk. */
static struct result serve(struct rig *rig, int64_t job, int channels, int fills, int fd, int breaking) {
    struct result result = {.channels = channels};
    for (;;) {
        cJSON *message = rig_receive(rig, NULL);
        if (!message) fail_msg("the decoder died: signal %d, %s", rig->signal, rig->text);
        const char *type = json_string(message, "type", "");
        assert_int_equal(json_integer(message, "job", -1), job);
        if (strcmp(type, "fill") == 0) {
            int64_t bytes = json_integer(message, "bytes", 0), serial = json_integer(message, "serial", -1);
            assert_in_range(bytes, 4, 16 << 20);
            if (fills-- > 0) {
                if (fd >= 0) close(fd);
                fd = memfd_new("fill", (uint64_t)bytes, NULL);
                assert_true(fd >= 0);
                send_descriptor(rig, DESCRIPTOR_FILL, job, serial, fd);
            } else {
                rig_send(rig, "{\"type\":\"full\",\"job\":%d,\"nonce\":1,\"serial\":%d}", (int)job, (int)serial);
            }
            cJSON_Delete(message);
        } else if (strcmp(type, "chunk") == 0) {
            take_chunk(&result, message, fd);
            cJSON_Delete(message);
            if (breaking >= 0) assert_true(break_reads(breaking));
        } else {
            if (fd >= 0) close(fd);
            result.message = message;
            return result;
        }
    }
}

static int open_input(const char *path, int64_t *size) {
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0) fail_msg("no %s", path);
    *size = status.st_size;
    return fd;
}

static struct result scan(struct rig *rig, int job, const char *path, int channels, int64_t keep, int fills,
                          bool unasked) {
    int64_t size;
    int fd = open_input(path, &size), fill = -1;
    send_descriptor(rig, DESCRIPTOR_FILE, job, 0, fd);
    rig_send(
        rig,
        "{\"type\":\"scan\",\"job\":%d,\"nonce\":1,\"name\":\"x\",\"size\":%lld,\"keep_bytes\":%lld,\"segment\":{}}",
        job, (long long)size, (long long)keep);
    if (unasked) {
        fill = memfd_new("fill", 1 << 20, NULL);
        send_descriptor(rig, DESCRIPTOR_FILL, job, 0, fill);
    }
    cJSON *identified = rig_receive(rig, NULL);
    if (!identified) fail_msg("the decoder died: signal %d, %s", rig->signal, rig->text);
    close(fd);
    if (strcmp(json_string(identified, "type", ""), "failed") == 0) return (struct result){.message = identified};
    assert_string_equal(json_string(identified, "type", ""), "identified");
    assert_true(hash_is_text(json_string(identified, "bytes_hash", "")));
    cJSON_Delete(identified);
    rig_send(rig, "{\"type\":\"proceed\",\"job\":%d,\"nonce\":1,\"wanted\":true}", job);
    return serve(rig, job, channels, fills, fill, -1);
}

static struct result read_part(struct rig *rig, int job, const char *path, int channels, int64_t start,
                               int64_t frames) {
    int64_t size;
    int fd = open_input(path, &size);
    send_descriptor(rig, DESCRIPTOR_FILE, job, 0, fd);
    rig_send(rig, "{\"type\":\"read\",\"job\":%d,\"nonce\":1,\"name\":\"x\",\"start\":%lld,\"frames\":%lld}", job,
             (long long)start, (long long)frames);
    close(fd);
    return serve(rig, job, channels, 1000, -1, -1);
}

static void free_result(struct result *result) {
    cJSON_Delete(result->message);
    free(result->planes);
}

static void expect(const struct result *result, const char *type) {
    char *text = cJSON_PrintUnformatted(result->message);
    if (strcmp(json_string(result->message, "type", ""), type) != 0) fail_msg("not %s but %s", type, text);
    cJSON_free(text);
}

/* ------------------------------------------------------------------------------------------------------------ files */

static char folder[64];

static const char *path_of(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* Tones with silences: 0.5 s silence, then 2 s sound and 3 s silence in turn. Different in each channel. */
static float sample_at(int64_t frame, int channel, int rate) {
    double t = (double)frame / rate, phase = fmod(t - 0.5 + 5, 5);
    if (t < 0.5 || phase >= 2) return 0;
    return (float)(0.3 * sin(2 * 3.14159265358979 * (220 + 110 * channel) * t));
}

static void write_audio(const char *name, int format, int rate, int channels, double seconds) {
    SF_INFO info = {.samplerate = rate, .channels = channels, .format = format};
    SNDFILE *file = sf_open(path_of(name), SFM_WRITE, &info);
    if (!file) fail_msg("%s: %s", name, sf_strerror(NULL));
    float *frame = calloc((size_t)channels, sizeof *frame);
    assert_non_null(frame);
    for (int64_t i = 0; i < (int64_t)(seconds * rate); i++) {
        for (int c = 0; c < channels; c++) frame[c] = sample_at(i, c, rate);
        assert_int_equal(sf_writef_float(file, frame, 1), 1);
    }
    free(frame);
    sf_close(file);
}

/* ------------------------------------------------------------------------------------------------------------ tests */

static void test_scan(void **state) {
    (void)state;
    struct rig rig;
    write_audio("a.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, RATE, 2, 32);
    start_decoder(&rig);
    struct result r = scan(&rig, 1, path_of("a.wav"), 2, 1 << 30, 1000, false);
    expect(&r, "scanned");
    assert_true(json_bool(r.message, "complete", false));
    assert_int_equal(r.frames, 32 * RATE);
    for (int64_t i = 0; i < r.frames; i += 97) {
        assert_true(r.planes[i] == sample_at(i, 0, RATE));
        assert_true(r.planes[r.frames + i] == sample_at(i, 1, RATE));
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
    free_result(&r);
    rig_stop(&rig);
}

/* The picture of a short sound is smaller than the sound. */
static void test_short_waveform(void **state) {
    (void)state;
    struct rig rig;
    write_audio("second.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 8000, 1, 1);
    start_decoder(&rig);
    struct result r = scan(&rig, 1, path_of("second.wav"), 1, 1 << 30, 1000, false);
    expect(&r, "scanned");
    const cJSON *waveform = json_member(r.message, "waveform");
    assert_int_equal(json_integer(json_member(waveform, "overview"), "points", -1), 8000 / 32);
    assert_int_equal(json_integer(json_member(waveform, "zoom"), "points", -1), 0);
    free_result(&r);
    rig_stop(&rig);
}

static void test_budget(void **state) {
    (void)state;
    struct rig rig;
    write_audio("long.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_24, 96000, 4, 40); /* 58 MB of float: four chunks */
    start_decoder(&rig);
    struct result r = scan(&rig, 1, path_of("long.wav"), 4, 1 << 30, 1000, false);
    expect(&r, "scanned");
    assert_true(json_bool(r.message, "complete", false));
    assert_int_equal(r.chunks, 4);
    char hash[HASH_TEXT];
    snprintf(hash, sizeof hash, "%s", json_string(r.message, "audio_hash", ""));
    free_result(&r);
    r = scan(&rig, 2, path_of("long.wav"), 4, 1 << 30, 2, false); /* full in the middle */
    expect(&r, "scanned");
    assert_false(json_bool(r.message, "complete", true));
    assert_string_equal(json_string(r.message, "audio_hash", ""), hash);
    free_result(&r);
    r = scan(&rig, 3, path_of("long.wav"), 4, 0, 0, false); /* no budget: not asked for */
    expect(&r, "scanned");
    assert_int_equal(r.chunks, 0);
    assert_string_equal(json_string(r.message, "audio_hash", ""), hash);
    free_result(&r);
    rig_stop(&rig);
}

/* What couldn't be read is no end of the file. */
static void test_failing_reads(void **state) {
    (void)state;
    struct rig rig;
    int64_t size;
    write_audio("fails.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_24, 96000, 4, 20);
    int fd = open_input(path_of("fails.wav"), &size);
    bool possible = break_reads(fd);
    close(fd);
    if (!possible) print_message("# this file system reads anything directly: skipped\n");
    start_decoder(&rig);
    for (int job = 1; job <= 2 && possible; job++) {
        fd = open_input(path_of("fails.wav"), &size);
        send_descriptor(&rig, DESCRIPTOR_FILE, job, 0, fd);
        rig_send(&rig,
                 "{\"type\":\"%s\",\"job\":%d,\"nonce\":1,\"start\":0,\"frames\":1800000,\"keep_bytes\":999999999}",
                 job == 1 ? "scan" : "read", job);
        if (job == 1) cJSON_Delete(rig_receive(&rig, "identified"));
        if (job == 1) rig_send(&rig, "{\"type\":\"proceed\",\"job\":1,\"nonce\":1,\"wanted\":true}");
        struct result r = serve(&rig, job, 4, 1000, -1, fd);
        expect(&r, "failed");
        assert_non_null(strstr(json_string(r.message, "reason", ""), "cannot read the file"));
        assert_true(json_bool(r.message, "passing", false));
        free_result(&r);
        close(fd);
    }
    struct result r = read_part(&rig, 3, path_of("fails.wav"), 4, 0, 1800000); /* now it can be read again */
    expect(&r, "read_done");
    assert_int_equal(r.frames, 1800000);
    free_result(&r);
    rig_stop(&rig);
}

static void test_unasked_memory(void **state) {
    (void)state;
    struct rig rig;
    write_audio("short.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, RATE, 1, 0.8);
    start_decoder(&rig);
    for (int job = 1; job <= 20; job++) {
        struct result r = scan(&rig, job, path_of("short.wav"), 1, 1 << 30, 1000, true);
        expect(&r, "scanned");
        assert_true(json_bool(r.message, "complete", false));
        assert_int_equal(r.frames, (int)(0.8 * RATE));
        free_result(&r);
    }
    write_audio("wide.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, RATE, 2, 0.8);
    struct result r = scan(&rig, 21, path_of("wide.wav"), 2, 1 << 30, 1000, true); /* fills a third of it */
    expect(&r, "scanned");
    assert_int_equal(r.frames, (int)(0.8 * RATE));
    for (int64_t i = 0; i < r.frames; i++) {
        assert_true(r.planes[i] == sample_at(i, 0, RATE));
        assert_true(r.planes[r.frames + i] == sample_at(i, 1, RATE));
    }
    free_result(&r);
    rig_stop(&rig);
}

/* A read gives exactly the samples of the scan, whatever the format and the order. */
static void check_reads(struct rig *rig, const char *name, int format, int rate) {
    if (format) write_audio(name, format, rate, 2, 45);
    struct result all = scan(rig, 1, path_of(name), 2, 1 << 30, 1000, false);
    expect(&all, "scanned");
    assert_true(all.frames > 44 * rate);
    static const int64_t places[][2] = {{40000, 9000},   {100000, 20000}, {900000, 1000},  {50, 5000},
                                        {1800000, 9000}, {0, 1},          {700000, 30000}, {1500000, 200}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        int64_t start = places[i][0] * rate / 44100, frames = places[i][1];
        struct result part = read_part(rig, 10 + (int)i, path_of(name), 2, start, frames);
        expect(&part, "read_done");
        assert_int_equal(part.frames, frames);
        assert_int_equal(part.start, start);
        assert_int_equal(json_integer(part.message, "frames", 0), frames);
        for (int c = 0; c < 2; c++)
            if (memcmp(part.planes + c * frames, all.planes + c * all.frames + start, (size_t)frames * sizeof(float)) !=
                0)
                fail_msg("%s: frames %d and on differ from those of the scan", name, (int)start);
        free_result(&part);
    }
    free_result(&all);
}

static void test_reads(void **state) {
    (void)state;
    struct rig rig;
    start_decoder(&rig);
    check_reads(&rig, "r.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_24, RATE);
    check_reads(&rig, "r.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, RATE);
    check_reads(&rig, "r.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS, RATE);
    check_reads(&rig, "r.opus", SF_FORMAT_OGG | SF_FORMAT_OPUS, 48000);
    check_reads(&rig, "r.mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, RATE);
    char command[600];
    char wav[300];
    snprintf(wav, sizeof wav, "%s", path_of("r.wav"));
    snprintf(command, sizeof command, "ffmpeg -v quiet -y -i %s -c:a aac %s < /dev/null", wav, path_of("r.m4a"));
    if (system(command) == 0)
        check_reads(&rig, "r.m4a", 0, RATE);
    else
        print_message("# no ffmpeg command: M4A is not tested\n");
    struct result r = read_part(&rig, 99, path_of("r.wav"), 2, 50 * RATE, 100);
    expect(&r, "failed");
    free_result(&r);
    rig_stop(&rig);
}

static void write_bytes(const char *name, const void *bytes, size_t n) {
    FILE *file = fopen(path_of(name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    fclose(file);
}

/* What has 16 bits goes in 16 bits, and is what libsndfile makes of it. */
static void test_shorts(void **state) {
    (void)state;
    static const int formats[] = {SF_FORMAT_WAV, SF_FORMAT_AIFF, SF_FORMAT_FLAC, SF_FORMAT_CAF};
    struct rig rig;
    start_decoder(&rig);
    for (int channels = 1; channels <= 3; channels++)
        for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
            write_audio("shorts", formats[i] | SF_FORMAT_PCM_16, RATE, channels, 3);
            struct result r = scan(&rig, channels * 10 + (int)i, path_of("shorts"), channels, 1 << 30, 1000, i % 2);
            expect(&r, "scanned");
            assert_int_equal(r.sample_bytes, 2);
            SF_INFO info = {0};
            SNDFILE *file = sf_open(path_of("shorts"), SFM_READ, &info);
            assert_int_equal(r.frames, info.frames);
            float frame[3];
            for (int64_t k = 0; k < r.frames; k++) {
                assert_int_equal(sf_readf_float(file, frame, 1), 1);
                for (int c = 0; c < channels; c++) assert_true(r.planes[c * r.frames + k] == frame[c]);
            }
            sf_close(file);
            free_result(&r);
        }
    write_audio("more.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_24, RATE, 1, 1);
    struct result r = scan(&rig, 50, path_of("more.wav"), 1, 1 << 30, 1000, false);
    expect(&r, "scanned");
    assert_int_equal(r.sample_bytes, 4);
    free_result(&r);
    rig_stop(&rig);
}

/* Job after job takes no more memory. */
static void test_many_jobs(void **state) {
    (void)state;
    struct rig rig;
    write_audio("16.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, RATE, 2, 1);
    write_audio("24.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_24, RATE, 2, 1);
    start_decoder(&rig);
    long before = 0;
    for (int job = 1; job <= 200; job++) {
        struct result r = scan(&rig, job, path_of(job % 2 ? "16.wav" : "24.wav"), 2, 1 << 30, 1000, true);
        expect(&r, "scanned");
        free_result(&r);
        if (job == 20) before = rig_data(&rig);
    }
    rig_expect_flat(&rig, before);
    rig_stop(&rig);
}

/* Without FFmpeg's libraries it says when they might help. */
static void test_without_ffmpeg(void **state) {
    (void)state;
    struct rig rig;
    write_bytes("words", "To be, or not to be", 19);
    write_audio("tones.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, RATE, 1, 1);
    for (int ffmpeg = 0; ffmpeg < 2; ffmpeg++) {
        start_with(&rig, ffmpeg);
        struct result r = scan(&rig, 1, path_of("words"), 1, 1 << 30, 1000, false);
        expect(&r, "failed");
        assert_int_equal(json_bool(r.message, "try_ffmpeg", false), !ffmpeg);
        free_result(&r);
        r = scan(&rig, 2, path_of("tones.wav"), 1, 1 << 30, 1000, false);
        expect(&r, "scanned");
        free_result(&r);
        rig_stop(&rig);
    }
}

static void test_refusals(void **state) {
    (void)state;
    struct rig rig;
    start_decoder(&rig);
    static const struct {
        const char *name, *bytes, *outcome, *words;
        size_t n;
    } cases[] = {
        {"empty", "", "failed", "empty", 0},
        {"text", "To be, or not to be, that is the question:\nWhether 'tis nobler", "unsupported", "not audio", 60},
        {"zeros", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "failed", "zero bytes", 16},
        {"riff",
         "RIFF\xff\xff\xff\xff"
         "WAVE",
         "failed", "", 12},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_bytes(cases[i].name, cases[i].bytes, cases[i].n);
        struct result r = scan(&rig, 1 + (int)i, path_of(cases[i].name), 1, 1 << 30, 1000, i % 2);
        expect(&r, "failed");
        if (!strstr(json_string(r.message, "reason", ""), cases[i].words) ||
            strcmp(json_string(r.message, "outcome", ""), cases[i].outcome) != 0)
            fail_msg("%s: %s, %s", cases[i].name, json_string(r.message, "outcome", ""),
                     json_string(r.message, "reason", ""));
        free_result(&r);
    }
    write_audio("after.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, RATE, 1, 1); /* and it goes on */
    struct result r = scan(&rig, 50, path_of("after.wav"), 1, 1 << 30, 1000, false);
    expect(&r, "scanned");
    free_result(&r);
    rig_stop(&rig);
}

static void test_unwanted(void **state) {
    (void)state;
    struct rig rig;
    int64_t size;
    write_audio("known.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, RATE, 1, 1);
    start_decoder(&rig);
    int fd = open_input(path_of("known.wav"), &size), fill = memfd_new("fill", 1 << 20, NULL);
    send_descriptor(&rig, DESCRIPTOR_FILE, 1, 0, fd);
    rig_send(&rig, "{\"type\":\"scan\",\"job\":1,\"nonce\":1,\"name\":\"x\",\"size\":1,\"keep_bytes\":999999}");
    send_descriptor(&rig, DESCRIPTOR_FILL, 1, 0, fill); /* sent in vain */
    cJSON_Delete(rig_receive(&rig, "identified"));
    rig_send(&rig, "{\"type\":\"proceed\",\"job\":1,\"nonce\":1,\"wanted\":false}");
    close(fd);
    close(fill);
    struct result r = scan(&rig, 2, path_of("known.wav"), 1, 1 << 30, 1000, false);
    expect(&r, "scanned");
    assert_true(json_bool(r.message, "complete", false));
    free_result(&r);
    rig_send(&rig, "{\"type\":\"quit\"}");
    rig_wait_exit(&rig);
    assert_int_equal(rig.exit_code, 0);
    assert_int_equal(rig.signal, 0);
    rig_stop(&rig);
}

/* ----------------------------------------------------------------------------------------------------- strangers' files */

static int survey_folder(struct rig *rig, const char *path, int job) {
    DIR *dir = opendir(path);
    struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        char name[1024];
        struct stat status;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] == '.' || stat(name, &status) != 0) continue;
        if (S_ISDIR(status.st_mode)) job = survey_folder(rig, name, job);
        if (!S_ISREG(status.st_mode)) continue;
        struct result r = {0};
        int64_t size;
        int fd = open_input(name, &size);
        send_descriptor(rig, DESCRIPTOR_FILE, ++job, 0, fd);
        rig_send(rig, "{\"type\":\"scan\",\"job\":%d,\"nonce\":1,\"name\":\"x\",\"keep_bytes\":0}", job);
        close(fd);
        cJSON *answer = rig_receive(rig, "identified");
        if (!answer) fail_msg("%s: the decoder died of signal %d: %s", name, rig->signal, rig->text);
        cJSON_Delete(answer);
        rig_send(rig, "{\"type\":\"proceed\",\"job\":%d,\"nonce\":1,\"wanted\":true}", job);
        r.message = rig_receive(rig, NULL);
        if (!r.message) {
            struct note_copy note;
            char call[64];
            note_read(&rig->note, &note);
            note_system_call_name(&note, call, sizeof call);
            fail_msg("%s: the decoder died of signal %d (system call %s): %s", name, rig->signal, call, rig->text);
        }
        if (strcmp(json_string(r.message, "type", ""), "failed") == 0)
            assert_true(strlen(json_string(r.message, "reason", "")) > 10);
        else
            expect(&r, "scanned");
        free_result(&r);
    }
    if (dir) closedir(dir);
    return job;
}

/* No library needs a system call that a locked-down decoder doesn't have. */
static void test_strange_files(void **state) {
    (void)state;
    char path[512];
    const char *audio = getenv("SONDE_AUDIO");
    if (!audio) audio = getenv("SONDE_AUDIO_BESIDE");
    if (!audio || access(audio, R_OK) != 0) {
        print_message("# no folder of real audio (SONDE_AUDIO): skipped\n");
        return;
    }
    struct rig rig;
    start_decoder(&rig);
    snprintf(path, sizeof path, "%s/robustness", audio);
    int files = survey_folder(&rig, path, 0);
    snprintf(path, sizeof path, "%s/mixed", audio);
    print_message("# %d files\n", survey_folder(&rig, path, files));
    rig_stop(&rig);
}

static int set_up(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/sonde-decoder-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scan),   cmocka_unit_test(test_short_waveform), cmocka_unit_test(test_unasked_memory),
        cmocka_unit_test(test_budget), cmocka_unit_test(test_failing_reads),  cmocka_unit_test(test_strange_files),
        cmocka_unit_test(test_reads),  cmocka_unit_test(test_refusals),       cmocka_unit_test(test_without_ffmpeg),
        cmocka_unit_test(test_shorts), cmocka_unit_test(test_unwanted),       cmocka_unit_test(test_many_jobs),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
