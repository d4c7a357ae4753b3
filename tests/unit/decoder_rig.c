#include "tests/unit/decoder_rig.h"

#include "engine/base/hash.h"
#include "engine/base/json.h"
#include "engine/base/sanitizer.h"
#include "engine/ipc/descriptors.h"
#include "engine/ipc/memfd.h"

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

void decoder_start_with(struct rig *rig, bool ffmpeg) {
    rig_start(rig, "decode", "\"memory_limit\":%d,\"ffmpeg\":%s", 512 << 20, ffmpeg ? "true" : "false");
    cJSON *hello = rig_receive(rig, "hello");
    if (!hello) fail_msg("no hello: %s", rig->text);
    cJSON_Delete(hello);
    cJSON *ready = rig_receive(rig, "ready");
    if (!ready) fail_msg("no ready: signal %d, %s", rig->signal, rig->text);
    cJSON_Delete(ready);
}

void decoder_start(struct rig *rig) {
    decoder_start_with(rig, true);
}

void decoder_send_descriptor(struct rig *rig, uint32_t kind, int64_t job, int64_t serial, int fd) {
    struct descriptor_packet packet = {.kind = kind, .job = (uint64_t)job, .serial = (uint64_t)serial};
    struct error error;
    if (!descriptors_send(rig->descriptors, &packet, fd, &error)) fail_msg("%s", error.text);
}

static void take_chunk(struct decoded *result, const cJSON *message, int fd) {
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

bool decoder_break_reads(int input) {
    _Alignas(4096) static char page[2 * 4096];
    if (SANITIZED || fcntl(input, F_SETFL, O_DIRECT) != 0) return false; /* its buffers begin on pages */
    return pread(input, page + 16, 4096, 0) < 0;                         /* malloc's begin like this one */
}

struct decoded decoder_serve(struct rig *rig, int64_t job, int channels, int fills, int fd, int breaking) {
    struct decoded result = {.channels = channels};
    int asked = 0;
    for (;;) {
        cJSON *message = rig_receive(rig, NULL);
        if (!message) fail_msg("the decoder died: signal %d, %s", rig->signal, rig->text);
        const char *type = json_string(message, "type", "");
        assert_int_equal(json_integer(message, "job", -1), job);
        if (strcmp(type, "fill") == 0) {
            int64_t bytes = json_integer(message, "bytes", 0), serial = json_integer(message, "serial", -1);
            assert_in_range(bytes, 4, 16 << 20);
            if (asked++ == 1 && breaking >= 0) assert_true(decoder_break_reads(breaking));
            if (fills-- > 0) {
                if (fd >= 0) close(fd);
                fd = memfd_new("fill", (uint64_t)bytes, NULL);
                assert_true(fd >= 0);
                decoder_send_descriptor(rig, DESCRIPTOR_FILL, job, serial, fd);
            } else {
                rig_send(rig, "{\"type\":\"full\",\"job\":%d,\"nonce\":1,\"serial\":%d}", (int)job, (int)serial);
            }
            cJSON_Delete(message);
        } else if (strcmp(type, "chunk") == 0) {
            take_chunk(&result, message, fd);
            cJSON_Delete(message);
        } else {
            if (fd >= 0) close(fd);
            result.message = message;
            return result;
        }
    }
}

int decoder_open_input(const char *path, int64_t *size) {
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0) fail_msg("no %s", path);
    *size = status.st_size;
    return fd;
}

struct decoded decoder_scan(struct rig *rig, int job, const char *path, int channels, int64_t keep, int fills,
                            bool unasked) {
    int64_t size;
    int fd = decoder_open_input(path, &size), fill = -1;
    decoder_send_descriptor(rig, DESCRIPTOR_FILE, job, 0, fd);
    rig_send(
        rig,
        "{\"type\":\"scan\",\"job\":%d,\"nonce\":1,\"name\":\"x\",\"size\":%lld,\"keep_bytes\":%lld,\"segment\":{}}",
        job, (long long)size, (long long)keep);
    if (unasked) {
        fill = memfd_new("fill", 1 << 20, NULL);
        decoder_send_descriptor(rig, DESCRIPTOR_FILL, job, 0, fill);
    }
    cJSON *identified = rig_receive(rig, NULL);
    if (!identified) fail_msg("the decoder died: signal %d, %s", rig->signal, rig->text);
    close(fd);
    if (strcmp(json_string(identified, "type", ""), "failed") == 0) return (struct decoded){.message = identified};
    assert_string_equal(json_string(identified, "type", ""), "identified");
    assert_true(hash_is_text(json_string(identified, "bytes_hash", "")));
    cJSON_Delete(identified);
    rig_send(rig, "{\"type\":\"proceed\",\"job\":%d,\"nonce\":1,\"wanted\":true}", job);
    return decoder_serve(rig, job, channels, fills, fill, -1);
}

struct decoded decoder_read(struct rig *rig, int job, const char *path, int channels, int64_t start, int64_t frames) {
    int64_t size;
    int fd = decoder_open_input(path, &size);
    decoder_send_descriptor(rig, DESCRIPTOR_FILE, job, 0, fd);
    rig_send(rig, "{\"type\":\"read\",\"job\":%d,\"nonce\":1,\"name\":\"x\",\"start\":%lld,\"frames\":%lld}", job,
             (long long)start, (long long)frames);
    close(fd);
    return decoder_serve(rig, job, channels, 1000, -1, -1);
}

void decoder_free(struct decoded *result) {
    cJSON_Delete(result->message);
    free(result->planes);
}

void decoder_expect(const struct decoded *result, const char *type) {
    char *text = cJSON_PrintUnformatted(result->message);
    if (strcmp(json_string(result->message, "type", ""), type) != 0) fail_msg("not %s but %s", type, text);
    cJSON_free(text);
}

/* ------------------------------------------------------------------------------------------------------------ files */

static char folder[64];

const char *decoder_path(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

float decoder_sample(int64_t frame, int channel, int rate) {
    double t = (double)frame / rate, phase = fmod(t - 0.5 + 5, 5);
    if (t < 0.5 || phase >= 2) return 0;
    return (float)(0.3 * sin(2 * 3.14159265358979 * (220 + 110 * channel) * t));
}

void decoder_write_audio(const char *name, int format, int rate, int channels, double seconds) {
    SF_INFO info = {.samplerate = rate, .channels = channels, .format = format};
    SNDFILE *file = sf_open(decoder_path(name), SFM_WRITE, &info);
    if (!file) fail_msg("%s: %s", name, sf_strerror(NULL));
    float *frame = calloc((size_t)channels, sizeof *frame);
    assert_non_null(frame);
    for (int64_t i = 0; i < (int64_t)(seconds * rate); i++) {
        for (int c = 0; c < channels; c++) frame[c] = decoder_sample(i, c, rate);
        assert_int_equal(sf_writef_float(file, frame, 1), 1);
    }
    free(frame);
    sf_close(file);
}

void decoder_write_bytes(const char *name, const void *bytes, size_t n) {
    FILE *file = fopen(decoder_path(name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    fclose(file);
}

int decoder_set_up(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/sonde-decoder-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

int decoder_tear_down(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}
