#include "workers/decode/decoder.h"

#include "engine/base/json.h"
#include "engine/ipc/message.h"
#include "workers/decode/chunks.h"
#include "workers/decode/libav.h"
#include "workers/decode/scan.h"

#include <errno.h>
#include <sndfile.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CLOSE_ENOUGH 0.01 /* of a promised length: encoders pad, headers round */

/* A file that is open. */
struct opened {
    int fd; /* -1: none */
    struct input input;
    struct source *source;
    struct stat identity; /* st_ino 0: could not be had */
};

struct decoder {
    struct worker *worker;
    struct libav *libav; /* NULL: not there, or not asked for */
    bool without_ffmpeg; /* not asked for: a decoder with it may read more */
    struct scan scan;
    struct opened kept; /* of the last read */
};

struct job {
    struct decoder *decoder;
    const cJSON *message;
    int64_t id, nonce;
    bool unreadable; /* the system couldn't read the file, which says nothing about what is in it */
    struct chunks chunks;
};

/* What a job comes to: its answer has been sent, or the worker has to end. */
enum end { END_SENT, END_LEAVE, END_BROKEN };

/* ---------------------------------------------------------------------------------------------------- opened files */

static void close_opened(struct opened *opened) {
    source_close(opened->source);
    input_close(&opened->input);
    if (opened->fd >= 0) close(opened->fd);
    *opened = (struct opened){.fd = -1};
}

/* The C library's fstat is a call by name underneath, which a locked-down worker may not make; the kernel's own is fine
 * and fills the same struct on 64-bit systems. */
static void identify_file(int fd, struct stat *identity) {
    if (syscall(SYS_fstat, fd, identity) != 0) memset(identity, 0, sizeof *identity);
}

static bool is_same_file(const struct stat *a, const struct stat *b) {
    return a->st_ino != 0 && a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* The FILE of this job; descriptors left over from an earlier job are closed. */
static bool receive_file(struct job *job, struct descriptor *file, struct error *error) {
    for (;;) {
        if (!worker_receive_descriptor(job->decoder->worker, file, error)) return false;
        if (file->packet.kind == DESCRIPTOR_FILE && file->packet.job == (uint64_t)job->id) return true;
        close(file->fd);
    }
}

/* Takes over the descriptor. `opened` stays where it is from now on: the source points into it. */
static bool take_file(struct opened *opened, const struct descriptor *file, struct error *error) {
    opened->fd = file->fd;
    identify_file(file->fd, &opened->identity);
    return input_open(&opened->input, file->fd, (int64_t)file->bytes, error);
}

/* To a library a read that fails looks like the end of the file, at which it stops content. */
static bool was_read(struct job *job, const struct opened *opened, struct error *error) {
    int code = opened->input.error_code;
    job->unreadable = code != 0;
    return code == 0 || error_system(error, code, "cannot read the file");
}

static bool open_source(struct job *job, struct opened *opened, struct error *error) {
    worker_note_phase(job->decoder->worker, (uint64_t)job->id, NULL, NOTE_OPEN);
    opened->source = source_open(&opened->input, libav_reader(job->decoder->libav), error);
    job->unreadable = !opened->source && opened->input.error_code;
    return opened->source;
}

/* --------------------------------------------------------------------------------------------------------- answers */

static enum end send_answer(struct job *job, cJSON *message) {
    struct error error = {0};
    worker_note_phase(job->decoder->worker, 0, NULL, NOTE_NONE);
    if (worker_send(job->decoder->worker, message, &error)) return END_SENT;
    if (error.code == EPIPE) return END_LEAVE;
    fprintf(stderr, "sonde-worker: %s\n", error.text);
    return END_BROKEN;
}

static enum end send_refusal(struct job *job, const struct error *error, bool try_ffmpeg) {
    cJSON *message = message_new_job("failed", job->id, job->nonce);
    if (message && cJSON_AddStringToObject(message, "outcome", error->code == ENOTSUP ? "unsupported" : "failed") &&
        cJSON_AddStringToObject(message, "reason", error->text) &&
        (!job->unreadable || cJSON_AddTrueToObject(message, "passing")) &&
        (!try_ffmpeg || cJSON_AddTrueToObject(message, "try_ffmpeg")))
        return send_answer(job, message);
    cJSON_Delete(message);
    return END_BROKEN;
}

static enum end send_failed(struct job *job, const struct error *error) {
    return send_refusal(job, error, false);
}

/* The end of a job that a chunk couldn't be delivered in. */
static enum end end_chunks(struct job *job, const struct error *error) {
    chunks_close(&job->chunks);
    if (job->chunks.state == CHUNKS_LEAVE || error->code == EPIPE) return END_LEAVE;
    return send_failed(job, error);
}

static bool add_regions(cJSON *message, const struct regions *regions) {
    cJSON *array = cJSON_AddArrayToObject(message, "regions");
    for (size_t i = 0; array && i < regions->count; i++) {
        const struct region *r = &regions->region[i];
        cJSON *object = cJSON_CreateObject();
        if (!object) return false;
        cJSON_AddItemToArray(array, object);
        if (!cJSON_AddNumberToObject(object, "start", (double)r->start) ||
            !cJSON_AddNumberToObject(object, "end", (double)r->end) ||
            !cJSON_AddNumberToObject(object, "sound_start", (double)r->sound_start) ||
            !cJSON_AddNumberToObject(object, "sound_end", (double)r->sound_end) ||
            !cJSON_AddNumberToObject(object, "part", r->part) || !cJSON_AddNumberToObject(object, "parts", r->parts))
            return false;
    }
    return array;
}

/* Writes one resolution into the out area at `*offset` and says where it is. */
static bool add_points(cJSON *waveform, const char *name, const struct peaks *peaks, size_t points, uint8_t *out,
                       size_t *offset) {
    points = peaks_points(peaks, points);
    peaks_write(peaks, points, (int16_t *)(void *)(out + *offset));
    cJSON *object = cJSON_AddObjectToObject(waveform, name);
    bool ok = object && cJSON_AddNumberToObject(object, "points", (double)points) &&
              cJSON_AddNumberToObject(object, "offset", (double)*offset);
    *offset += (points * (size_t)peaks->channels * 3 * sizeof(int16_t) + 63) & ~(size_t)63;
    return ok;
}

/* A point stands for at least so many frames: a short sound needs no picture that is larger than itself. */
#define OVERVIEW_FRAMES 32
#define ZOOM_FRAMES     256

static size_t points_of(const struct peaks *peaks, size_t most, int64_t frames_each) {
    int64_t points = (peaks->frames + frames_each - 1) / frames_each;
    return points < (int64_t)most ? (size_t)points : most;
}

/* The zoom is left out (0 points) where it would show no more than the overview. */
static bool add_waveform(cJSON *message, const struct peaks *peaks, uint8_t *out) {
    cJSON *waveform = cJSON_AddObjectToObject(message, "waveform");
    size_t offset = 0, overview = points_of(peaks, PEAKS_OVERVIEW, OVERVIEW_FRAMES),
           zoom = points_of(peaks, PEAKS_ZOOM, ZOOM_FRAMES);
    return waveform && cJSON_AddNumberToObject(waveform, "channels", peaks->channels) &&
           add_points(waveform, "overview", peaks, overview, out, &offset) &&
           add_points(waveform, "zoom", peaks, zoom > overview ? zoom : 0, out, &offset);
}

static bool add_warning(cJSON *warnings, const char *text) {
    cJSON *item = cJSON_CreateString(text);
    return item && cJSON_AddItemToArray(warnings, item);
}

static bool add_warnings(cJSON *message, const struct source *source, int64_t promised) {
    cJSON *warnings = cJSON_AddArrayToObject(message, "warnings");
    const struct facts *facts = source_facts(source);
    const char *trouble = source_trouble(source);
    char text[FACTS_TEXT + 200];
    double wanted = (double)promised / facts->rate, got = (double)facts->frames / facts->rate;
    if (!warnings) return false;
    if (trouble[0]) {
        snprintf(text, sizeof text, "decoding stopped at %.3f s: %s", got, trouble);
        if (!add_warning(warnings, text)) return false;
    }
    if (promised > 0 && (got < wanted * (1 - CLOSE_ENOUGH) - 0.1 || got > wanted * (1 + CLOSE_ENOUGH) + 0.1)) {
        snprintf(text, sizeof text, "the header promises %.3f s, %.3f s could be decoded", wanted, got);
        if (!add_warning(warnings, text)) return false;
    }
    return true;
}

static cJSON *make_scanned(struct job *job, const struct source *source, const struct segment_parameters *parameters,
                           int64_t promised) {
    const struct scan *scan = &job->decoder->scan;
    cJSON *message = message_new_job("scanned", job->id, job->nonce), *facts = facts_to_json(source_facts(source));
    char segmenter[SEGMENT_IDENTITY];
    segment_identity(parameters, segmenter);
    bool complete = job->chunks.state == CHUNKS_OPEN && job->chunks.next == scan->frames;
    if (message && facts && cJSON_AddItemToObject(message, "facts", facts)) {
        facts = NULL;
        if (cJSON_AddStringToObject(message, "audio_hash", scan->audio_hash) &&
            cJSON_AddBoolToObject(message, "complete", complete) && add_regions(message, &scan->regions) &&
            cJSON_AddStringToObject(message, "segmenter", segmenter) &&
            add_waveform(message, &scan->peaks, job->decoder->worker->out) &&
            cJSON_AddNumberToObject(message, "nonfinite", (double)scan->nonfinite) &&
            add_warnings(message, source, promised))
            return message;
    }
    cJSON_Delete(facts);
    cJSON_Delete(message);
    return NULL;
}

/* ------------------------------------------------------------------------------------------------------------ scan */

/* Sends `identified` and waits for `proceed`. END_SENT: `*wanted` says whether to go on. */
static enum end ask_whether_wanted(struct job *job, const char *bytes_hash, bool *wanted) {
    struct worker *worker = job->decoder->worker;
    cJSON *identified = message_new_job("identified", job->id, job->nonce);
    if (identified && !cJSON_AddStringToObject(identified, "bytes_hash", bytes_hash)) {
        cJSON_Delete(identified);
        identified = NULL;
    }
    enum end end = send_answer(job, identified);
    if (end != END_SENT) return end;
    cJSON *proceed = worker_receive(worker);
    if (!proceed) return END_LEAVE;
    bool ours = strcmp(json_string(proceed, "type", ""), "proceed") == 0 &&
                json_integer(proceed, "job", -1) == job->id && json_integer(proceed, "nonce", -1) == job->nonce;
    *wanted = json_bool(proceed, "wanted", false);
    cJSON_Delete(proceed);
    if (ours) return END_SENT;
    fprintf(stderr, "sonde-worker: broken protocol: `proceed` was due\n");
    return END_BROKEN;
}

static bool keep_block(void *context, const float *samples, int64_t frames, struct error *error) {
    struct job *job = context;
    worker_note_phase(job->decoder->worker, (uint64_t)job->id, NULL, NOTE_DECODE);
    return chunks_add(&job->chunks, samples, frames, error);
}

/* Frames. libsndfile takes from a chunk's size what a file that was cut doesn't have, and says nothing of it. */
static int64_t promised_by(const struct facts *facts) {
    bool clamped = facts->cut > 0 && strcmp(facts->decoder, "libsndfile") == 0;
    return clamped ? (int64_t)((double)facts->frames * facts->cut) : facts->frames;
}

static enum end scan_opened(struct job *job, struct opened *opened, const struct segment_parameters *parameters) {
    struct decoder *decoder = job->decoder;
    struct error error = {0};
    if (!open_source(job, opened, &error)) return send_refusal(job, &error, job->decoder->without_ffmpeg);
    const struct facts *facts = source_facts(opened->source);
    int64_t promised = promised_by(facts);
    chunks_begin(&job->chunks, decoder->worker, job->id, job->nonce, facts, 0, facts->frames,
                 json_integer(job->message, "keep_bytes", 0));
    if (!scan_run(&decoder->scan, opened->source, parameters, keep_block, job, &error) ||
        !was_read(job, opened, &error) || !chunks_end(&job->chunks, &error))
        return end_chunks(job, &error);
    worker_note_phase(decoder->worker, (uint64_t)job->id, NULL, NOTE_SEGMENT);
    return send_answer(job, make_scanned(job, opened->source, parameters, promised));
}

static enum end run_scan(struct job *job) {
    struct decoder *decoder = job->decoder;
    struct error error = {0};
    struct descriptor file;
    struct opened opened = {.fd = -1};
    struct segment_parameters parameters = segment_defaults();
    char bytes_hash[HASH_TEXT];
    bool wanted = false;
    enum end end;
    close_opened(&decoder->kept);
    worker_note_phase(decoder->worker, (uint64_t)job->id, NULL, NOTE_IDENTIFY);
    if (!receive_file(job, &file, &error) || !take_file(&opened, &file, &error) ||
        !segment_parse(&parameters, json_member(job->message, "segment"), &error) ||
        !input_hash(&opened.input, bytes_hash, &error)) {
        job->unreadable = opened.input.error_code != 0;
        end = send_failed(job, &error);
    } else {
        end = ask_whether_wanted(job, bytes_hash, &wanted);
        if (end == END_SENT && wanted) end = scan_opened(job, &opened, &parameters);
    }
    close_opened(&opened);
    return end;
}

/* ------------------------------------------------------------------------------------------------------------ read */

/* The file of this job: the one kept open if it is the same and nothing has gone wrong with it. */
static bool open_or_reuse(struct job *job, struct error *error) {
    struct opened *kept = &job->decoder->kept;
    struct descriptor file;
    struct stat identity;
    if (!receive_file(job, &file, error)) return false;
    identify_file(file.fd, &identity);
    if (kept->source && is_same_file(&identity, &kept->identity)) {
        close(file.fd);
        input_renew(&kept->input);
        return true;
    }
    close_opened(kept);
    if (take_file(kept, &file, error) && open_source(job, kept, error)) return true;
    close_opened(kept);
    return false;
}

/* Decodes the stretch into chunks; `*done` is how many frames there were. */
static bool read_stretch(struct job *job, int64_t frames, int64_t *done, struct error *error) {
    struct decoder *decoder = job->decoder;
    struct source *source = decoder->kept.source;
    size_t channels = (size_t)source_facts(source)->channels;
    int64_t step = SCAN_FLOATS / (int64_t)channels;
    float *block = malloc(SCAN_FLOATS * sizeof *block);
    bool ok = block || error_memory(error);
    *done = 0;
    while (ok && *done < frames) {
        int64_t n = source_read(source, block, frames - *done < step ? frames - *done : step);
        if (n <= 0) break;
        *done += n;
        ok = keep_block(job, block, n, error);
    }
    free(block);
    return ok && was_read(job, &decoder->kept, error) && chunks_end(&job->chunks, error);
}

static enum end run_read(struct job *job) {
    struct decoder *decoder = job->decoder;
    struct error error = {0};
    int64_t start = json_integer(job->message, "start", -1), frames = json_integer(job->message, "frames", -1),
            done = 0;
    if (!open_or_reuse(job, &error)) return send_failed(job, &error);
    struct source *source = decoder->kept.source;
    worker_note_phase(decoder->worker, (uint64_t)job->id, NULL, NOTE_DECODE);
    chunks_begin(&job->chunks, decoder->worker, job->id, job->nonce, source_facts(source), start, frames, INT64_MAX);
    if (start < 0 || frames < 1) {
        error_set(&error, "a read needs a start and a length");
        return send_failed(job, &error);
    }
    if (!source_seek(source, start, &error)) {
        close_opened(&decoder->kept);
        return send_failed(job, &error);
    }
    if (!read_stretch(job, frames, &done, &error)) {
        if (job->unreadable) close_opened(&decoder->kept); /* its source has gone astray */
        return end_chunks(job, &error);
    }
    cJSON *message = message_new_job("read_done", job->id, job->nonce);
    if (message && !cJSON_AddNumberToObject(message, "frames", (double)done)) {
        cJSON_Delete(message);
        message = NULL;
    }
    return send_answer(job, message);
}

/* ------------------------------------------------------------------------------------------------------------ serve */

static enum end serve(struct decoder *decoder, const cJSON *message) {
    struct job job = {.decoder = decoder,
                      .message = message,
                      .id = json_integer(message, "job", -1),
                      .nonce = json_integer(message, "nonce", -1),
                      .chunks = {.fd = -1}};
    const char *type = json_string(message, "type", "");
    if (job.id >= 0 && strcmp(type, "scan") == 0) return run_scan(&job);
    if (job.id >= 0 && strcmp(type, "read") == 0) return run_read(&job);
    if (strcmp(type, "full") == 0) return END_SENT; /* came too late for the job it was for */
    fprintf(stderr, "sonde-worker: broken protocol: %.40s\n", type);
    return END_BROKEN;
}

/* The decoding libraries there are, for `sonde doctor`; the last says why FFmpeg's are missing, if they are. NULL: no memory. */
static cJSON *decoders_of(const struct decoder *decoder, const struct error *without) {
    char version[64], text[sizeof without->text + 80];
    const char *const names[] = {sf_version_string(), text};
    if (decoder->libav) {
        libav_version(decoder->libav, version, sizeof version);
        snprintf(text, sizeof text, "FFmpeg's libavcodec %s", version);
    } else {
        snprintf(text, sizeof text, "no M4A/AAC and the like (%s)",
                 decoder->without_ffmpeg ? "not asked for" : without->text);
    }
    return cJSON_CreateStringArray(names, 2);
}

int decoder_run(struct worker *worker) {
    struct decoder decoder = {.worker = worker, .kept = {.fd = -1}};
    struct error error = {0}, without = {0};
    decoder.without_ffmpeg = !json_bool(worker->settings, "ffmpeg", true);
    if (!decoder.without_ffmpeg)
        decoder.libav = libav_load(&without); /* files are refused with a sentence when it isn't there */
    enum end end = END_SENT;
    int code = 0;
    if (!worker_lock_down(worker, &error)) {
        fprintf(stderr, "sonde-worker: %s\n", error.text);
        code = WORKER_EXIT_NO_RESPAWN;
    } else if (worker_send_ready(worker, decoders_of(&decoder, &without), &error)) {
        cJSON *message;
        while (end == END_SENT && (message = worker_receive(worker))) {
            end = serve(&decoder, message);
            cJSON_Delete(message);
        }
        code = end == END_BROKEN;
    }
    close_opened(&decoder.kept);
    scan_free(&decoder.scan);
    libav_free(decoder.libav);
    return code;
}
