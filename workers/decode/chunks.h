/* PCM on its way to the engine: chunks of planar float32, or int16 where that loses nothing, in memory that the engine hands
 * over and takes back filled.
 *
 * One `struct chunks` serves one stretch of audio, a whole file or a part. It asks for memory when there is something to
 * put there, so it holds at most one chunk. It is written, not mapped (memfd_write says why). One thread at a time. */
#ifndef SONDE_DECODE_CHUNKS_H
#define SONDE_DECODE_CHUNKS_H

#include "workers/decode/facts.h"
#include "workers/worker.h"

#define CHUNKS_BYTES ((size_t)16 << 20) /* of a chunk, at most */

enum chunks_state {
    CHUNKS_OPEN,
    CHUNKS_DROPPED, /* the budget is used up: what was kept is worth nothing, nothing more is kept */
    CHUNKS_LEAVE    /* the engine is gone or said quit */
};

struct chunks {
    struct worker *worker;
    int64_t job, nonce;
    size_t channels;
    size_t sample_bytes; /* 4: float32; 2: int16, full scale 32768 */
    int64_t next;        /* frame of the file that comes next */
    int64_t expected;    /* frames still to come, as far as anyone knows; 0: unknown */
    int64_t allowed;     /* bytes that may still be kept */
    uint64_t serial;     /* of the next chunk */
    enum chunks_state state;

    int fd;                   /* of the chunk at hand, -1: none */
    int64_t capacity, filled; /* frames */
    float *stage;             /* what is written next, planar; NULL until something has been */
    int16_t *shorts;          /* the same in 16 bits; NULL where chunks are floats */
};

/* Begins a stretch at frame `start` of a file with those facts, of which `shorts` decides on the samples. `expected` and
 * `allowed` as above; nothing is kept if they don't fit together. */
void chunks_begin(struct chunks *chunks, struct worker *worker, int64_t job, int64_t nonce, const struct facts *facts,
                  int64_t start, int64_t expected, int64_t allowed);

/* Appends interleaved frames. False with a sentence when the engine doesn't keep to the protocol, or must be left (see
 * `state`); a budget that is used up is no failure. */
bool chunks_add(struct chunks *chunks, const float *samples, int64_t frames, struct error *error);

/* Sends the last chunk and lets go of everything. False as above: then chunks_close is still to be called. */
bool chunks_end(struct chunks *chunks, struct error *error);

/* Lets go of everything: after a failure. */
void chunks_close(struct chunks *chunks);

#endif
