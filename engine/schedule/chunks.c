#include "engine/schedule/chunks.h"

#include "engine/ipc/memfd.h"

#include <stdlib.h>
#include <unistd.h>

void chunks_init(struct chunks *chunks, uint64_t limit) {
    *chunks = (struct chunks){.limit = limit, .next_serial = 1};
}

bool chunks_fit(const struct chunks *chunks, uint64_t bytes, uint64_t reserve) {
    if (chunks->used > chunks->limit) return false;
    uint64_t left = chunks->limit - chunks->used;
    return bytes <= left && reserve <= left - bytes;
}

struct chunk *chunk_new(struct chunks *chunks, uint64_t bytes, struct error *error) {
    if (bytes == 0 || bytes > CHUNK_MAX) {
        error_set(error, "a chunk of %llu bytes is not allowed", (unsigned long long)bytes);
        return NULL;
    }
    struct chunk *chunk = calloc(1, sizeof *chunk);
    if (!chunk) {
        error_memory(error);
        return NULL;
    }
    chunk->fd = memfd_new("sonde-pcm", bytes, error);
    if (chunk->fd < 0) {
        free(chunk);
        return NULL;
    }
    chunk->budget = chunks;
    chunk->references = 1;
    chunk->serial = chunks->next_serial++;
    chunk->bytes = bytes;
    chunk->sample_bytes = sizeof(float);
    chunks->used += bytes;
    return chunk;
}

bool chunk_seal(struct chunk *chunk, int64_t start, uint64_t frames, uint32_t channels, struct error *error) {
    uint64_t frame_bytes = channels * chunk->sample_bytes;
    if (chunk->sealed || start < 0 || frames == 0 || frame_bytes == 0 || frames > chunk->bytes / frame_bytes)
        return error_set(error, "chunk %llu cannot hold %llu frames of %u channels", (unsigned long long)chunk->serial,
                         (unsigned long long)frames, channels);
    uint64_t bytes = frames * frame_bytes;
    if (!memfd_seal(chunk->fd, bytes, error)) return false;
    chunk->budget->used -= chunk->bytes - bytes;
    chunk->bytes = bytes;
    chunk->start = start;
    chunk->frames = frames;
    chunk->sealed = true;
    return true;
}

struct chunk *chunk_ref(struct chunk *chunk) {
    chunk->references++;
    return chunk;
}

void chunk_unref(struct chunk *chunk) {
    if (!chunk || --chunk->references > 0) return;
    chunk->budget->used -= chunk->bytes;
    close(chunk->fd);
    free(chunk);
}
