#include "workers/decode/chunks.h"

#include "engine/base/json.h"
#include "engine/base/shorts.h"
#include "engine/ipc/message.h"
#include "plugins/sdk/kernels/clones.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAIT_MS       5                  /* between two looks for messages while waiting for memory */
#define STAGE_SAMPLES ((size_t)32 << 10) /* at least a frame of SOURCE_CHANNELS_MAX */

static size_t frame_bytes_of(const struct chunks *chunks) {
    return chunks->channels * chunks->sample_bytes;
}

void chunks_begin(struct chunks *chunks, struct worker *worker, int64_t job, int64_t nonce, const struct facts *facts,
                  int64_t start, int64_t expected, int64_t allowed) {
    *chunks = (struct chunks){.worker = worker,
                              .job = job,
                              .nonce = nonce,
                              .channels = (size_t)facts->channels,
                              .sample_bytes = facts->shorts ? sizeof(int16_t) : sizeof(float),
                              .next = start,
                              .expected = expected,
                              .allowed = allowed,
                              .fd = -1};
    int64_t frame_bytes = (int64_t)frame_bytes_of(chunks);
    if (expected > allowed / frame_bytes || allowed < frame_bytes) chunks->state = CHUNKS_DROPPED;
}

/* Takes the memory that has come; whatever belongs to an earlier job is closed. False with EAGAIN when there is none. */
static bool take_memory(struct chunks *chunks, int wait_ms, struct error *error) {
    for (;;) {
        struct descriptor descriptor;
        struct error local;
        if (!descriptors_receive(chunks->worker->descriptor_socket, wait_ms, &descriptor, &local)) {
            if (local.code == ETIMEDOUT) local.code = EAGAIN;
            *error = local;
            return false;
        }
        const struct descriptor_packet *packet = &descriptor.packet;
        if (packet->kind == DESCRIPTOR_FILL && packet->job == (uint64_t)chunks->job &&
            packet->serial == chunks->serial) {
            size_t bytes = descriptor.bytes < CHUNKS_BYTES ? (size_t)descriptor.bytes : CHUNKS_BYTES;
            chunks->capacity = (int64_t)(bytes / frame_bytes_of(chunks));
            chunks->fd = descriptor.fd;
            chunks->filled = 0;
            if (chunks->capacity > 0) return true;
            return error_set(error, "the engine handed over memory for less than one frame");
        }
        close(descriptor.fd);
        if (packet->job == (uint64_t)chunks->job) return error_set(error, "the engine handed over memory out of order");
    }
}

static bool send_request(struct chunks *chunks, struct error *error) {
    size_t frame_bytes = frame_bytes_of(chunks), bytes = CHUNKS_BYTES / frame_bytes * frame_bytes;
    if (chunks->expected > 0 && (uint64_t)chunks->expected < bytes / frame_bytes)
        bytes = (size_t)chunks->expected * frame_bytes;
    cJSON *message = message_new_job("fill", chunks->job, chunks->nonce);
    if (!message || !cJSON_AddNumberToObject(message, "serial", (double)chunks->serial) ||
        !cJSON_AddNumberToObject(message, "bytes", (double)bytes)) {
        cJSON_Delete(message);
        return error_memory(error);
    }
    return worker_send(chunks->worker, message, error);
}

/* A message while waiting for memory can only be `full`. */
static bool look_for_full(struct chunks *chunks, struct error *error) {
    bool leave = false;
    cJSON *message = worker_poll(chunks->worker, &leave);
    if (leave) {
        chunks->state = CHUNKS_LEAVE;
        return error_set(error, "told to quit");
    }
    if (!message) return true;
    bool full = strcmp(json_string(message, "type", ""), "full") == 0 &&
                json_integer(message, "job", -1) == chunks->job && json_integer(message, "nonce", -1) == chunks->nonce;
    cJSON_Delete(message);
    if (!full) return error_set(error, "broken protocol: a message that isn't `full` while waiting for memory");
    chunks->state = CHUNKS_DROPPED;
    return true;
}

/* Memory for the next chunk: the engine may have sent it unasked. On a true return there is a chunk, or the state is no
 * longer open. */
static bool open_chunk(struct chunks *chunks, struct error *error) {
    struct error local = {0};
    if (take_memory(chunks, 0, &local)) return true;
    if (local.code == EAGAIN && !send_request(chunks, error)) return false;
    while (local.code == EAGAIN) {
        if (take_memory(chunks, WAIT_MS, &local)) return true;
        if (local.code != EAGAIN) break;
        if (!look_for_full(chunks, error)) return false;
        if (chunks->state != CHUNKS_OPEN) return true;
    }
    if (local.code == EPIPE) chunks->state = CHUNKS_LEAVE;
    *error = local;
    return false;
}

SONDE_CLONES static void split_stereo(const float *samples, size_t n, float *restrict left, float *restrict right) {
    for (size_t i = 0; i < n; i++) {
        left[i] = samples[2 * i];
        right[i] = samples[2 * i + 1];
    }
}

static void split(const float *samples, size_t n, size_t channels, float *planes) {
    if (channels == 1)
        memcpy(planes, samples, n * sizeof *planes);
    else if (channels == 2)
        split_stereo(samples, n, planes, planes + n);
    else
        for (size_t c = 0; c < channels; c++)
            for (size_t i = 0; i < n; i++) planes[c * n + i] = samples[i * channels + c];
}

/* Where frame `i` of a plane lies in a chunk of `frames` frames, in bytes. */
static uint64_t place_of(const struct chunks *chunks, size_t plane, int64_t frames, int64_t i) {
    return ((uint64_t)plane * (uint64_t)frames + (uint64_t)i) * chunks->sample_bytes;
}

static bool make_stage(struct chunks *chunks, struct error *error) {
    bool shorts = chunks->sample_bytes == sizeof *chunks->shorts;
    if (!chunks->stage) chunks->stage = malloc(STAGE_SAMPLES * sizeof *chunks->stage);
    if (!chunks->shorts && shorts) chunks->shorts = malloc(STAGE_SAMPLES * sizeof *chunks->shorts);
    return (chunks->stage && (chunks->shorts || !shorts)) || error_memory(error);
}

/* Appends frames for which there is room. */
static bool append(struct chunks *chunks, const float *samples, size_t frames, struct error *error) {
    size_t channels = chunks->channels, most = STAGE_SAMPLES / channels;
    if (!make_stage(chunks, error)) return false;
    while (frames > 0) {
        size_t n = frames < most ? frames : most, bytes = n * chunks->sample_bytes;
        split(samples, n, channels, chunks->stage);
        if (chunks->shorts) shorts_from_floats(chunks->stage, n * channels, chunks->shorts);
        const char *planes = chunks->shorts ? (const char *)chunks->shorts : (const char *)chunks->stage;
        for (size_t c = 0; c < channels; c++)
            if (!memfd_write(chunks->fd, planes + c * bytes, bytes,
                             place_of(chunks, c, chunks->capacity, chunks->filled), error))
                return false;
        chunks->filled += (int64_t)n;
        samples += n * channels;
        frames -= n;
    }
    return true;
}

/* Moves the planes of a chunk that isn't full together, front first. */
static bool compact(struct chunks *chunks, struct error *error) {
    int64_t most = (int64_t)STAGE_SAMPLES, filled = chunks->filled;
    for (size_t c = 1; filled < chunks->capacity && c < chunks->channels; c++)
        for (int64_t done = 0, n; done < filled; done += n) {
            n = filled - done < most ? filled - done : most;
            size_t bytes = (size_t)n * chunks->sample_bytes;
            if (!memfd_read(chunks->fd, chunks->stage, bytes, place_of(chunks, c, chunks->capacity, done), error) ||
                !memfd_write(chunks->fd, chunks->stage, bytes, place_of(chunks, c, filled, done), error))
                return false;
        }
    return true;
}

static void let_go(struct chunks *chunks) {
    if (chunks->fd >= 0) close(chunks->fd);
    chunks->fd = -1;
}

/* The engine gets the chunk. */
static bool close_chunk(struct chunks *chunks, struct error *error) {
    if (!compact(chunks, error)) return false;
    let_go(chunks);
    cJSON *message = message_new_job("chunk", chunks->job, chunks->nonce);
    if (!message || !cJSON_AddNumberToObject(message, "serial", (double)chunks->serial) ||
        !cJSON_AddNumberToObject(message, "start", (double)(chunks->next - chunks->filled)) ||
        !cJSON_AddNumberToObject(message, "frames", (double)chunks->filled) ||
        !cJSON_AddNumberToObject(message, "sample_bytes", (double)chunks->sample_bytes)) {
        cJSON_Delete(message);
        return error_memory(error);
    }
    chunks->serial++;
    return worker_send(chunks->worker, message, error);
}

bool chunks_add(struct chunks *chunks, const float *samples, int64_t frames, struct error *error) {
    while (frames > 0 && chunks->state == CHUNKS_OPEN) {
        if (chunks->fd < 0) {
            if (!open_chunk(chunks, error)) return false;
            continue;
        }
        int64_t room = chunks->capacity - chunks->filled, n = frames < room ? frames : room;
        if (!append(chunks, samples, (size_t)n, error)) return false;
        chunks->next += n;
        chunks->expected = chunks->expected > n ? chunks->expected - n : 0;
        chunks->allowed -= n * (int64_t)frame_bytes_of(chunks);
        samples += (size_t)n * chunks->channels;
        frames -= n;
        if (chunks->filled == chunks->capacity && !close_chunk(chunks, error)) return false;
        if (chunks->allowed < 0) chunks->state = CHUNKS_DROPPED;
    }
    return true;
}

bool chunks_end(struct chunks *chunks, struct error *error) {
    if (chunks->fd >= 0 && chunks->state == CHUNKS_OPEN && !close_chunk(chunks, error)) return false;
    chunks_close(chunks);
    return true;
}

void chunks_close(struct chunks *chunks) {
    let_go(chunks);
    free(chunks->stage);
    free(chunks->shorts);
    chunks->stage = NULL;
    chunks->shorts = NULL;
}
