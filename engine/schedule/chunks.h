/* PCM between the processes: sealed memory files, and the one byte budget over all of them.
 *
 * A chunk's life: the engine creates and sizes it (chunk_new); a decoder fills it; the engine shrinks it to what was filled
 * and seals it against every change (chunk_seal), which fails while anyone maps it to write; analysers read it. The last reference closes it. Loop thread only. */
#ifndef SONDE_SCHEDULE_CHUNKS_H
#define SONDE_SCHEDULE_CHUNKS_H

#include "engine/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHUNK_MAX ((uint64_t)16 << 20) /* bytes */

/* The budget. `used` counts bytes of chunks that exist; `limit` is what chunks_fit goes by, `used` may exceed it. */
struct chunks {
    uint64_t limit, used;
    uint64_t next_serial;
};

struct chunk {
    struct chunks *budget;
    int fd;
    unsigned references;
    uint64_t serial; /* unique in this engine, from 1 */
    uint64_t bytes;  /* of the memory file */
    int64_t start;   /* first frame, counted from the start of the file; set by chunk_seal, as the next */
    uint64_t frames;
    uint64_t sample_bytes; /* 4: float32; 2: int16, full scale 32768 */
    bool sealed;
};

void chunks_init(struct chunks *chunks, uint64_t limit);

/* Whether `bytes` more would leave at least `reserve` bytes of the budget. */
bool chunks_fit(const struct chunks *chunks, uint64_t bytes, uint64_t reserve);

/* An empty chunk of `bytes` (1 to CHUNK_MAX), with one reference; it may exceed the budget, so ask chunks_fit first. NULL:
 * no memory or descriptors. */
struct chunk *chunk_new(struct chunks *chunks, uint64_t bytes, struct error *error);

/* Shrinks the chunk to `frames` x `channels` samples and seals it. False when these don't fit in it or when it is still mapped
 * writable somewhere: then whoever filled it broke the rules. */
bool chunk_seal(struct chunk *chunk, int64_t start, uint64_t frames, uint32_t channels, struct error *error);

struct chunk *chunk_ref(struct chunk *chunk);
void chunk_unref(struct chunk *chunk); /* NULL is fine */

#endif
