/* An opened audio source: facts, and frames of float PCM from the first to the last.
 *
 * libsndfile is asked first. What it refuses, or cannot read a single frame of, goes to FFmpeg's libraries, where there
 * are any. Both see the file through struct input only. Header fields are promises: frames are counted as they decode,
 * and nothing is allocated by what a header says.
 * One thread at a time. */
#ifndef SONDE_DECODE_SOURCE_H
#define SONDE_DECODE_SOURCE_H

#include "workers/decode/facts.h"
#include "workers/decode/input.h"

#define SOURCE_RATE_MIN     1000
#define SOURCE_RATE_MAX     768000
#define SOURCE_CHANNELS_MAX 1024

/* One decoding library. `reader` is the table itself, `state` is what open returned. */
struct source_reader {
    const char *name;

    /* Fills in `facts`. NULL with a sentence when the library can't read the file; error->code is ENOTSUP when the library
     * doesn't know the format at all. */
    void *(*open)(const struct source_reader *reader, struct input *input, struct facts *facts, struct error *error);

    /* Up to `frames` frames, interleaved; 0 at the end, also after an error in the middle of the file, which then is in
     * `error` (whose text is empty otherwise). */
    int64_t (*read)(void *state, float *to, int64_t frames, struct error *error);

    /* Moves so that the next frame read is `frame`, with exactly the samples that reading from the start would give. 1:
     * done. 0: that can't be done, nothing has changed. -1: it failed, and where the next frame comes from is unknown. */
    int (*seek)(void *state, int64_t frame);

    void (*close)(void *state);
};

extern const struct source_reader source_sndfile;

struct source;

/* Opens the file behind `input`, which stays the caller's and must outlive the source. `libav` is the FFmpeg reader, or
 * NULL when there is none. On NULL, error->code is ENOTSUP when this isn't audio in a known format. */
struct source *source_open(struct input *input, const struct source_reader *libav, struct error *error);

/* Valid until source_close; `frames` grows to the truth once source_read has reached the end. */
const struct facts *source_facts(const struct source *source);

/* Fills `to` with up to `frames` interleaved frames. Returns fewer only at the end, 0 after it. What ended it early, if
 * anything, is then in source_trouble. */
int64_t source_read(struct source *source, float *to, int64_t frames);

/* A sentence on why decoding stopped before the file's end, or an empty text. */
const char *source_trouble(const struct source *source);

/* Moves to `frame`, by decoding up to it where the format can't be entered exactly. False with a sentence when the file
 * ends before; the source can then only be closed. */
bool source_seek(struct source *source, int64_t frame, struct error *error);

void source_close(struct source *source); /* NULL is fine */

#endif
