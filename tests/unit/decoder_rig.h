/* For tests: a decoder in a real, locked-down worker (worker_rig.h), asked as the engine asks it, and sounds for it in a folder. */
#ifndef SONDE_TESTS_DECODER_RIG_H
#define SONDE_TESTS_DECODER_RIG_H

#include "tests/unit/worker_rig.h"

#include <stdbool.h>

/* What came of a job: the last message, and the PCM put together, planar and of the length `frames`. */
struct decoded {
    cJSON *message;
    float *planes;
    int64_t start, frames;
    int channels, chunks;
    int64_t sample_bytes; /* of the last chunk */
};

/* A worker that is ready, with FFmpeg or without; rig_stop ends it. */
void decoder_start_with(struct rig *rig, bool ffmpeg);
void decoder_start(struct rig *rig);

void decoder_send_descriptor(struct rig *rig, uint32_t kind, int64_t job, int64_t serial, int fd);

/* The file at `path`, to be closed by the caller, and its size. */
int decoder_open_input(const char *path, int64_t *size);

/* From now on, what is read through this open file into memory that malloc gave fails, in other processes too. False: not on this
 * file system, or in a build with a sanitizer. */
bool decoder_break_reads(int input);

/* Answers `fill` until the job ends. At most `fills` are granted, then `full`. Reads of `breaking` (-1: none) fail from
 * the second `fill` on.
 * `fd`: memory that has been sent already, or -1. */
struct decoded decoder_serve(struct rig *rig, int64_t job, int channels, int fills, int fd, int breaking);

/* A whole scan; `unasked`: with memory that the decoder did not ask for. */
struct decoded decoder_scan(struct rig *rig, int job, const char *path, int channels, int64_t keep, int fills,
                            bool unasked);

/* A whole read of `frames` frames from `start`. */
struct decoded decoder_read(struct rig *rig, int job, const char *path, int channels, int64_t start, int64_t frames);

void decoder_free(struct decoded *result);

/* Fails the test unless the job ended with a message of this type. */
void decoder_expect(const struct decoded *result, const char *type);

/* The file `name` in the tests' folder; valid until the next call. */
const char *decoder_path(const char *name);

/* Tones with silences: 0.5 s silence, then 2 s sound and 3 s silence in turn. Different in each channel. */
float decoder_sample(int64_t frame, int channel, int rate);
void decoder_write_audio(const char *name, int format, int rate, int channels, double seconds);

/* A file of these bytes. */
void decoder_write_bytes(const char *name, const void *bytes, size_t n);

/* Makes and removes the folder. */
int decoder_set_up(void **state);
int decoder_tear_down(void **state);

#endif
