/* Audio out of a decoder: giving it memory to fill within the budget, and taking it back sealed. Both for scans and for the
 * second reading of a region whose audio was not kept. */
#include "engine/base/json.h"
#include "engine/ipc/message.h"
#include "engine/schedule/state.h"

#include <stdio.h>
#include <string.h>

struct chunk *reading_give(struct job *job, int64_t serial, uint64_t bytes, struct error *error) {
    struct chunk *chunk = chunk_new(&job->engine->chunks, bytes, error);
    if (!chunk) return NULL;
    struct descriptor_packet packet = {.kind = DESCRIPTOR_FILL, .job = (uint64_t)job->id, .serial = (uint64_t)serial};
    if (!worker_send_descriptor(job->reader->worker, &packet, chunk->fd)) {
        chunk_unref(chunk);
        error_set(error, "the decoder does not take descriptors");
        return NULL;
    }
    job->filling = chunk;
    job->filling_serial = serial;
    job->wanted_serial = -1;
    return chunk;
}

bool reading_take(struct job *job, const cJSON *message, struct chunk **chunk, int64_t *start, uint64_t *frames) {
    int64_t first = json_integer(message, "start", -1), count = json_integer(message, "frames", 0);
    int64_t sample_bytes = json_integer(message, "sample_bytes", 0);
    if (sample_bytes != sizeof(float) && sample_bytes != sizeof(int16_t)) return false;
    if (!job->filling || json_integer(message, "serial", -1) != job->filling_serial || first < 0 || count < 1)
        return false;
    *chunk = job->filling;
    (*chunk)->sample_bytes = (uint64_t)sample_bytes;
    *start = first;
    *frames = (uint64_t)count;
    job->filling = NULL;
    return true;
}

bool reading_start(struct job *job, struct seat *seat) {
    struct file *file = job->file;
    const struct store_region *region = &job->region->frames;
    job->reader = seat;
    job->wanted_serial = -1;
    job->read_position = region->start;
    seat->job = job;
    struct descriptor_packet packet = {.kind = DESCRIPTOR_FILE, .job = (uint64_t)job->id};
    cJSON *message = message_new_job("read", job->id, job->nonce);
    bool ok = message && cJSON_AddStringToObject(message, "name", file->name) &&
              cJSON_AddNumberToObject(message, "size", (double)file->stat.size) &&
              cJSON_AddNumberToObject(message, "start", (double)region->start) &&
              cJSON_AddNumberToObject(message, "frames", (double)(region->end - region->start));
    if (ok) {
        const struct engine_deadlines *deadlines = &job->engine->options.deadlines;
        (void)(worker_send_descriptor(seat->worker, &packet, file->fd) && worker_send(seat->worker, message));
        worker_set_deadline(seat->worker, 10 * deadlines->decode + (double)file->stat.size / (2 << 20),
                            deadlines->decode, "decode a region");
    }
    cJSON_Delete(message);
    return ok;
}

/* How much of the audio is on its way: read and not consumed. */
static size_t window_used(const struct job *job) {
    size_t n = job->queued;
    for (size_t i = 0; i < WINDOW; i++) n += job->sent[i] != NULL;
    return n;
}

/* Grants a waiting request when the window has room and the budget too. The oldest reading is never refused for the
 * budget's sake: so there is always one that goes on, and frees what others wait for. */
static void grant(struct job *job, bool oldest) {
    if (job->wanted_serial < 0 || job->filling || window_used(job) >= WINDOW || !worker_is_usable(job->reader->worker))
        return;
    if (!oldest && !chunks_fit(&job->engine->chunks, job->wanted_bytes, 0)) return;
    struct error error;
    const struct engine_deadlines *deadlines = &job->engine->options.deadlines;
    if (!reading_give(job, job->wanted_serial, job->wanted_bytes, &error)) {
        if (worker_is_usable(job->reader->worker)) job_fail_reading(job, error.text);
        return;
    }
    worker_set_deadline(job->reader->worker, 10 * deadlines->decode + (double)job->file->stat.size / (2 << 20),
                        deadlines->decode, "decode a region");
}

void reading_pump(struct engine *engine) {
    bool oldest = true;
    for (struct job *job = engine->jobs, *next = NULL; job; job = next) {
        next = job->next;
        if (!job->reader) continue;
        grant(job, oldest);
        oldest = false;
    }
}

static void take_chunk(struct job *job, const cJSON *message) {
    struct chunk *chunk = NULL;
    int64_t start = 0;
    uint64_t frames = 0;
    struct error error;
    if (!reading_take(job, message, &chunk, &start, &frames)) {
        worker_break_protocol(job->reader->worker, "a chunk that nobody asked for");
        return;
    }
    if (start != job->read_position || job->queued >= WINDOW || frames > (uint64_t)(job->region->frames.end - start)) {
        chunk_unref(chunk);
        worker_break_protocol(job->reader->worker, "a chunk that does not follow the last one");
        return;
    }
    if (!chunk_seal(chunk, start, frames, job->file->channels, &error)) {
        chunk_unref(chunk);
        worker_break_protocol(job->reader->worker, error.text);
        return;
    }
    job->read_position = start + (int64_t)frames;
    job->queue[job->queued++] = chunk;
    job_send_chunks(job);
}

static void end_reading(struct job *job) {
    struct seat *seat = job->reader;
    job->reader = NULL;
    job->wanted_serial = -1;
    chunk_unref(job->filling);
    job->filling = NULL;
    pool_release(seat, false);
    engine_wake(job->engine);
}

void reading_message(struct job *job, const char *type, cJSON *message) {
    if (strcmp(type, "fill") == 0) {
        int64_t bytes = json_integer(message, "bytes", 0);
        if (job->filling || job->wanted_serial >= 0 || bytes < 1 || bytes > (int64_t)CHUNK_MAX) {
            worker_break_protocol(job->reader->worker, "it asks for memory that it cannot have");
            return;
        }
        job->wanted_serial = json_integer(message, "serial", 0);
        job->wanted_bytes = (uint64_t)bytes;
        worker_clear_deadline(job->reader->worker); /* now it waits for us */
        if (job->wanted_serial < 0)
            worker_break_protocol(job->reader->worker, "a serial number below zero");
        else
            engine_wake(job->engine);
    } else if (strcmp(type, "chunk") == 0) {
        take_chunk(job, message);
    } else if (strcmp(type, "read_done") == 0) {
        end_reading(job);
        if (job->read_position < job->region->frames.end)
            job_fail_reading(job, "the file is shorter now than when it was scanned");
        else
            job_end_when_done(job);
    } else if (strcmp(type, "failed") == 0) {
        char reason[300];
        (void)snprintf(reason, sizeof reason, "the region could not be read again: %.240s",
                       json_string(message, "reason", ""));
        end_reading(job);
        job_fail_reading(job, reason);
    } else {
        worker_break_protocol(job->reader->worker, "an unknown message");
    }
}

void reading_died(struct job *job, const struct worker_death *death, const struct blame *blame) {
    char reason[512];
    job->reader = NULL;
    if (blame->starved)
        file_starved(job->file, blame->reason);
    else if (!blame->asked)
        record_incident(job->engine, death, blame, NULL, job->file, job->region, NULL, false);
    if (job->analysed) {
        job_end_when_done(job);
        return;
    }
    (void)snprintf(reason, sizeof reason, "the decoder %.400s", blame->reason);
    job_fail_reading(job, blame->from_outside || blame->asked ? NULL : reason);
}
