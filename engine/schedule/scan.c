/* The conversation with a decoder about a whole file: identified -> proceed -> chunks -> scanned. */
#include "engine/base/json.h"
#include "engine/base/text.h"
#include "engine/ipc/message.h"
#include "engine/schedule/identity.h"
#include "engine/schedule/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REGIONS_MAX 100000
#define CHUNKS_MAX  100000
#define FRAMES_MAX  ((int64_t)1 << 50)
#define SMALL_FILE  (512 << 10) /* bytes: its first FILL goes along with the scan */
#define SMALL_FILL  ((uint64_t)1 << 20)

static uint64_t keep_bytes(const struct engine *engine) {
    return engine->chunks.limit / 3;
}

static void drop_chunks(struct job *job) {
    struct file *file = job->file;
    job->gave_up_keeping = true;
    for (size_t i = 0; i < file->chunks_count; i++) chunk_unref(file->chunks[i]);
    file->chunks_count = 0;
}

static void set_deadline(struct job *job, const char *what) {
    const struct engine_deadlines *deadlines = &job->engine->options.deadlines;
    double size = (double)job->file->stat.size;
    if (job->identified)
        worker_set_deadline(job->reader->worker, 10 * deadlines->decode + size / (2 << 20), deadlines->decode, what);
    else
        worker_set_deadline(job->reader->worker, deadlines->identify + size / (4 << 20), 0, what);
}

/* ------------------------------------------------------------------------------------------------------------ begin, end */

static bool send_scan(struct job *job) {
    struct file *file = job->file;
    struct engine *engine = job->engine;
    struct worker *worker = job->reader->worker;
    struct descriptor_packet packet = {.kind = DESCRIPTOR_FILE, .job = (uint64_t)job->id};
    cJSON *segment = cJSON_Duplicate(engine->segment, true);
    cJSON *message = message_new_job("scan", job->id, job->nonce);
    bool ok = message && segment && cJSON_AddStringToObject(message, "name", file->name) &&
              cJSON_AddNumberToObject(message, "size", (double)file->stat.size) &&
              cJSON_AddNumberToObject(message, "keep_bytes", (double)keep_bytes(engine));
    if (ok && cJSON_AddItemToObject(message, "segment", segment)) {
        segment = NULL;
        struct error error;
        (void)(worker_send_descriptor(worker, &packet, file->fd) && worker_send(worker, message));
        if (file->stat.size <= SMALL_FILE && chunks_fit(&engine->chunks, SMALL_FILL, keep_bytes(engine)))
            job->unasked = reading_give(job, 0, SMALL_FILL, &error) != NULL;
    }
    cJSON_Delete(segment);
    cJSON_Delete(message);
    return ok;
}

bool scan_start(struct file *file, struct seat *seat) {
    struct engine *engine = file->engine;
    struct job *job = calloc(1, sizeof *job);
    if (!job) return false;
    *job = (struct job){
        .kind = JOB_SCAN,
        .engine = engine,
        .file = file,
        .id = ++engine->job_numbers,
        .nonce = ++engine->nonces,
        .reader = seat,
        .wanted_serial = -1,
    };
    seat->job = job;
    file->scan = job;
    file->decoder = seat;
    file->stage = STAGE_SCANNING;
    set_deadline(job, "hash the file");
    return send_scan(job);
}

/* The conversation is over; the decoder is free, or dead (released false). */
static void end_scan(struct job *job, bool released) {
    struct file *file = job->file;
    chunk_unref(job->filling);
    file->scan = NULL;
    file->decoder = NULL;
    if (released) pool_release(job->reader, file->alone || file->fell_back);
    engine_wake(job->engine);
    free(job);
}

static void give_up(struct file *file, const char *reason) {
    struct job *job = file->scan;
    drop_chunks(job);
    end_scan(job, true);
    file_scan_failed(file, reason);
}

/* It can't be read without FFmpeg's libraries, so from the start again with them. */
static void try_ffmpeg(struct job *job) {
    struct file *file = job->file;
    drop_chunks(job);
    end_scan(job, true);
    file->by_ffmpeg = true;
    file_again(file);
}

/* Somebody kills decoders: other files first. When that always meets this file, then perhaps because of it: it is tried with
 * nothing else running. */
static void killed_outside(struct file *file, const struct blame *blame) {
    char reason[512];
    if (++file->outside_kills < OUTSIDE_KILLS_GIVE_UP) {
        file->alone = file->alone || file->outside_kills >= OUTSIDE_KILLS_MAX;
        file_again(file);
        file_let_others_first(file);
        return;
    }
    (void)snprintf(reason, sizeof reason, "cannot be decoded: the decoder %.400s, for the %uth time", blame->reason,
                   file->outside_kills);
    file->incomplete = true; /* it proves little: the next run tries again */
    file_scan_failed(file, reason);
}

void scan_died(struct job *job, const struct worker_death *death, const struct blame *blame) {
    struct file *file = job->file;
    struct engine *engine = job->engine;
    char reason[512];
    /* Until then all it does is to read: the disk's doing. */
    bool unread = death->kill == WORKER_KILL_DEADLINE && !job->identified;
    drop_chunks(job);
    end_scan(job, false);
    if (engine->stopping || engine->failed || blame->asked) {
        file_again(file);
        return;
    }
    if (blame->starved) {
        file_again(file);
        file_starved(file, blame->reason);
        return;
    }
    record_incident(engine, death, blame, NULL, file, NULL, NULL, false);
    if (blame->from_outside) {
        killed_outside(file, blame);
    } else if (!file->fell_back) {
        file->fell_back = true;
        file_again(file);
    } else {
        (void)snprintf(reason, sizeof reason, "cannot be decoded: the decoder %.400s, twice", blame->reason);
        file->incomplete = unread;
        file_scan_failed(file, reason);
    }
}

/* ----------------------------------------------------------------------------------------------------------- identified */

/* Asks the catalogue whether these bytes are known, with all the results they should have. The file that they are known from may
 * be missing by now: most likely it was moved here. */
struct question {
    struct engine *engine;
    struct file *file;
    int64_t job;
    char bytes_hash[HASH_TEXT], profile[HASH_TEXT];
    bool known;
    int64_t content, regions;
    double duration;
};

static bool ask(struct catalogue *catalogue, void *argument, struct error *error) {
    struct question *question = argument;
    static const char sql[] =
        "SELECT c.content_id, a.duration, (SELECT count(*) FROM regions r WHERE r.audio_id = a.audio_id AND r.current = 1)"
        " FROM contents c JOIN audio a USING (audio_id)"
        " WHERE c.bytes_hash = ?1 AND EXISTS (SELECT 1 FROM files f WHERE f.content_id = c.content_id AND f.profile = ?2"
        " AND iif(f.status = 'missing', f.status_before, f.status) IN ('done', 'empty') AND f.analysed_size = c.size)";
    sqlite3_stmt *statement = catalogue_statement(catalogue, sql, error);
    if (!statement) return false;
    (void)sqlite3_bind_text(statement, 1, question->bytes_hash, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(statement, 2, question->profile, -1, SQLITE_STATIC);
    int status = sqlite3_step(statement);
    question->known = status == SQLITE_ROW;
    question->content = question->known ? sqlite3_column_int64(statement, 0) : 0;
    question->duration = question->known ? sqlite3_column_double(statement, 1) : 0;
    question->regions = question->known ? sqlite3_column_int64(statement, 2) : 0;
    (void)sqlite3_reset(statement);
    return status == SQLITE_ROW || status == SQLITE_DONE || catalogue_failed(catalogue, error, "looking up a content");
}

static void proceed(struct file *file, bool wanted) {
    struct job *job = file->scan;
    cJSON *message = message_new_job("proceed", job->id, job->nonce);
    if (!message || !cJSON_AddBoolToObject(message, "wanted", wanted)) engine_fail_memory(job->engine);
    if (message) (void)worker_send(job->reader->worker, message);
    cJSON_Delete(message);
    if (wanted) {
        set_deadline(job, "decode the file");
    } else {
        drop_chunks(job);
        end_scan(job, true);
    }
}

static void on_answer(void *argument, const struct error *error) {
    struct question *question = argument;
    struct engine *engine = question->engine;
    struct file *file = NULL;
    for (file = engine->files; file; file = file->next) /* the decoder may have died meanwhile, and the file with it */
        if (file == question->file && file->scan && file->scan->id == question->job) break;
    if (error) {
        engine_fail(engine, error);
    } else if (file) {
        bool wanted = !question->known || file->force || engine->options.retry;
        if (!wanted) {
            file->content = question->content;
            file->duration = question->duration;
        }
        proceed(file, wanted);
        if (!wanted) file_known(file, question->regions > 0);
    }
    free(question);
    engine_wake(engine);
}

static void take_identified(struct job *job, const cJSON *message) {
    struct file *file = job->file;
    const char *hash = json_string(message, "bytes_hash", "");
    if (job->identified || !hash_is_text(hash)) {
        worker_break_protocol(job->reader->worker, "identified at the wrong time, or without a hash");
        return;
    }
    job->identified = true;
    worker_clear_deadline(job->reader->worker); /* it waits for us */
    memcpy(file->bytes_hash, hash, HASH_TEXT);
    if (file_is_twin(file)) {
        proceed(file, false);
        file->stage = STAGE_WAITING;
        return;
    }
    struct question *question = calloc(1, sizeof *question);
    if (question) {
        *question = (struct question){.engine = job->engine, .file = file, .job = job->id};
        memcpy(question->bytes_hash, hash, HASH_TEXT);
        memcpy(question->profile, job->engine->profile, HASH_TEXT);
        if (writer_post(job->engine->writer, ask, question, on_answer)) return;
        free(question);
    }
    engine_fail_memory(job->engine);
}

/* --------------------------------------------------------------------------------------------------------------- chunks */

static void send_full(struct job *job, int64_t serial) {
    cJSON *message = message_new_job("full", job->id, job->nonce);
    if (message && cJSON_AddNumberToObject(message, "serial", (double)serial))
        (void)worker_send(job->reader->worker, message);
    else
        engine_fail_memory(job->engine);
    cJSON_Delete(message);
}

static void take_fill(struct job *job, const cJSON *message) {
    struct engine *engine = job->engine;
    int64_t serial = json_integer(message, "serial", -1), bytes = json_integer(message, "bytes", 0);
    struct error error;
    bool on_its_way = job->unasked && job->filling && serial == job->filling_serial;
    job->unasked = false;
    if (on_its_way) return;
    /* Once it is told that there is no more, there is no more to ask. */
    if (serial < 0 || bytes < 1 || bytes > (int64_t)CHUNK_MAX || job->filling || job->gave_up_keeping) {
        worker_break_protocol(job->reader->worker, "it asks for memory that it cannot have");
        return;
    }
    uint64_t kept = 0;
    for (size_t i = 0; i < job->file->chunks_count; i++) kept += job->file->chunks[i]->bytes;
    /* A third of the budget stays free for those who read a second time. */
    bool room = kept + (uint64_t)bytes <= keep_bytes(engine) &&
                chunks_fit(&engine->chunks, (uint64_t)bytes, engine->chunks.limit / 3);
    if (room && reading_give(job, serial, (uint64_t)bytes, &error)) return;
    drop_chunks(job);
    send_full(job, serial);
}

static void take_chunk(struct job *job, const cJSON *message) {
    struct file *file = job->file;
    struct chunk *chunk = NULL;
    int64_t start = 0;
    uint64_t frames = 0;
    if (!reading_take(job, message, &chunk, &start, &frames)) {
        worker_break_protocol(job->reader->worker, "a chunk that nobody asked for");
        return;
    }
    const struct chunk *last = file->chunks_count > 0 ? file->chunks[file->chunks_count - 1] : NULL;
    int64_t expected = last ? last->start + (int64_t)last->frames : 0;
    void *grown = realloc(file->chunks, (file->chunks_count + 1) * sizeof(struct chunk *));
    if (start != expected || file->chunks_count >= CHUNKS_MAX || frames > CHUNK_MAX || !grown) {
        if (grown) file->chunks = grown;
        chunk_unref(chunk);
        worker_break_protocol(job->reader->worker, "a chunk that does not follow the last one");
        return;
    }
    file->chunks = grown;
    chunk->start = start; /* sealed when the number of channels is known */
    chunk->frames = frames;
    file->chunks[file->chunks_count++] = chunk;
}

/* ------------------------------------------------------------------------------------------------------------- scanned */

/* What goes to the writer: the scan, and what comes back with it. */
struct report {
    struct engine *engine;
    struct file *file;
    int64_t row;
    struct store_scan scan;
    struct store_region *regions;
    char *facts, *warnings;
    struct store_waveform waveforms[2];
    size_t waveforms_count;
    int64_t content, audio;
    struct store_known_list known;
    int64_t *strikes; /* one for each of `known` */
    double duration, work;
};

static void report_free(struct report *report) {
    store_known_free(&report->known);
    for (size_t i = 0; i < report->waveforms_count; i++) free((void *)(uintptr_t)report->waveforms[i].peaks);
    free(report->strikes);
    free(report->regions);
    cJSON_free(report->facts);
    cJSON_free(report->warnings);
    free(report);
}

static bool read_regions(struct report *report, const cJSON *list, int64_t frames, struct error *error) {
    int count = cJSON_GetArraySize(list);
    const cJSON *item = NULL;
    if (!cJSON_IsArray(list) || count > REGIONS_MAX) return error_set(error, "no list of regions, or too long a one");
    report->regions = calloc(count > 0 ? (size_t)count : 1, sizeof *report->regions);
    if (!report->regions) return error_memory(error);
    int64_t before = 0;
    size_t n = 0;
    cJSON_ArrayForEach(item, list) {
        struct store_region region = {
            .start = json_integer(item, "start", -1),
            .end = json_integer(item, "end", -1),
            .sound_start = json_integer(item, "sound_start", -1),
            .sound_end = json_integer(item, "sound_end", -1),
            .part = (int32_t)json_integer(item, "part", 0),
            .parts = (int32_t)json_integer(item, "parts", 1),
        };
        if (region.start < before || region.start > region.sound_start || region.sound_start > region.sound_end ||
            region.sound_end > region.end || region.start >= region.end || region.end > frames || region.part < 0 ||
            region.part >= region.parts)
            return error_set(error, "region %zu makes no sense", n);
        before = region.end;
        report->regions[n++] = region;
    }
    report->scan.regions = report->regions;
    report->scan.regions_count = n;
    return true;
}

static bool read_waveform(struct report *report, const struct worker *worker, const cJSON *waveform,
                          struct error *error) {
    static const char *const kinds[] = {"overview", "zoom"};
    int64_t channels = json_integer(waveform, "channels", 0);
    for (size_t i = 0; i < 2; i++) {
        const cJSON *one = json_member(waveform, kinds[i]);
        int64_t points = json_integer(one, "points", 0), offset = json_integer(one, "offset", -1);
        if (points == 0) continue;
        if (channels < 1 || channels > 2 || points < 0 || points > 1 << 20 || offset < 0)
            return error_set(error, "its waveform makes no sense");
        int16_t *peaks = worker_read_out(worker, (uint64_t)offset, (uint64_t)(points * channels * 6));
        if (!peaks) return error_set(error, "its waveform lies outside of the shared memory");
        report->waveforms[report->waveforms_count++] = (struct store_waveform){
            .kind = kinds[i], .channels = (int32_t)channels, .points = (int32_t)points, .peaks = peaks};
    }
    report->scan.waveforms = report->waveforms;
    report->scan.waveforms_count = report->waveforms_count;
    return true;
}

static char *copy_text(const cJSON *object, const char *key) {
    return strdup(json_string(object, key, ""));
}

static bool read_facts(struct file *file, const cJSON *message, struct error *error) {
    const cJSON *facts = json_member(message, "facts");
    const char *audio_hash = json_string(message, "audio_hash", "");
    int64_t rate = json_integer(facts, "rate", 0), channels = json_integer(facts, "channels", 0);
    int64_t frames = json_integer(facts, "frames", -1);
    if (rate < 1 || rate > 10000000 || channels < 1 || channels > 4096 || frames < 0 || frames > FRAMES_MAX ||
        !hash_is_text(audio_hash))
        return error_set(error, "facts that make no sense");
    file->rate = (uint32_t)rate;
    file->channels = (uint32_t)channels;
    file->frames = frames;
    memcpy(file->audio_hash, audio_hash, HASH_TEXT);
    file->facts = cJSON_Duplicate(facts, true);
    file->decoder_name = copy_text(facts, "decoder");
    file->decoder_version = copy_text(facts, "decoder_version");
    file->segmenter = copy_text(message, "segmenter");
    if (!file->facts || !file->decoder_name || !file->decoder_version || !file->segmenter) return error_memory(error);
    file->duration = (double)frames / (double)rate;
    return true;
}

/* Keeps the chunks if they are the whole file, sealed; drops them otherwise. */
static bool keep_chunks(struct job *job, const cJSON *message, struct error *error) {
    struct file *file = job->file;
    const struct chunk *last = file->chunks_count > 0 ? file->chunks[file->chunks_count - 1] : NULL;
    bool whole = last && last->start + (int64_t)last->frames == file->frames;
    if (!json_bool(message, "complete", false) || !whole || job->gave_up_keeping) {
        drop_chunks(job);
        return true;
    }
    for (size_t i = 0; i < file->chunks_count; i++) {
        struct chunk *chunk = file->chunks[i];
        if (!chunk_seal(chunk, chunk->start, chunk->frames, file->channels, error)) return false;
    }
    file->kept = true;
    return true;
}

static bool store_report(struct catalogue *catalogue, void *argument, struct error *error) {
    struct report *report = argument;
    bool known = false;
    store_known_free(&report->known);
    free(report->strikes);
    report->known = (struct store_known_list){0};
    report->strikes = NULL;
    if (!store_scan(catalogue, report->row, &report->scan, &report->content, &report->audio, &known, error))
        return false;
    if (!known) return true;
    if (!store_known_audio(catalogue, report->audio, false, &report->known, error)) return false;
    report->strikes = calloc(report->known.n + 1, sizeof *report->strikes);
    if (!report->strikes) return error_memory(error);
    for (size_t i = 0; i < report->known.n; i++)
        if (!result_is_lasting(report->known.items[i].outcome) &&
            !store_strikes(catalogue, report->known.items[i].identity, &report->strikes[i], error))
            return false;
    return true;
}

/* What the catalogue has on a region, kept for when its turn comes. */
static bool note_known(struct file *file, const struct store_known *known, int64_t strikes) {
    size_t plugins = file->engine->registry->plugins_count;
    size_t plugin = registry_find(file->engine->registry, known->plugin);
    if (plugin == SIZE_MAX) return true;
    for (size_t i = 0; i < file->regions_count; i++) {
        struct region *region = &file->regions[i];
        if (region->frames.region != known->region) continue;
        if (!region->results) region->results = calloc(plugins, sizeof *region->results);
        if (!region->results) return false;
        struct result *result = &region->results[plugin];
        result->had = true;
        result->had_analysis = known->analysis;
        result->strikes = strikes;
        (void)snprintf(result->had_identity, sizeof result->had_identity, "%s", known->identity ? known->identity : "");
        (void)snprintf(result->had_outcome, sizeof result->had_outcome, "%s", known->outcome ? known->outcome : "");
        return true;
    }
    return true;
}

static bool make_regions(struct report *report) {
    struct file *file = report->file;
    struct identity_region about = {
        .audio_hash = file->audio_hash,
        .decoder = file->decoder_name,
        .decoder_version = file->decoder_version,
        .segmenter = file->segmenter,
        .host = file->engine->dsp,
        .regions = (uint32_t)report->scan.regions_count,
    };
    file->regions = calloc(report->scan.regions_count + 1, sizeof *file->regions);
    if (!file->regions) return false;
    file->regions_count = report->scan.regions_count;
    file->work = file->work_done = 0;
    for (size_t i = 0; i < file->regions_count; i++) {
        struct region *region = &file->regions[i];
        region->frames = report->regions[i];
        region->index = (uint32_t)i;
        about.start = region->frames.start;
        about.end = region->frames.end;
        about.sound_start = region->frames.sound_start;
        about.sound_end = region->frames.sound_end;
        about.index = region->index;
        about.part = (uint32_t)region->frames.part;
        about.parts = (uint32_t)region->frames.parts;
        if (!identity_of_region(&about, region->identity)) return false;
        file->work += (double)(region->frames.end - region->frames.start) / file->rate;
    }
    for (size_t i = 0; i < report->known.n; i++)
        if (!note_known(file, &report->known.items[i], report->strikes[i])) return false;
    return true;
}

static void on_stored(void *argument, const struct error *error) {
    struct report *report = argument;
    struct file *file = report->file;
    file->content = report->content;
    bool ok = !error && make_regions(report);
    if (ok)
        file_scanned(file);
    else
        file->stage = STAGE_TAKEN; /* nothing of it is elsewhere: the engine's end may free it */
    if (error)
        engine_fail(report->engine, error);
    else if (!ok)
        engine_fail_memory(report->engine);
    report_free(report);
}

static void fill_scan(struct report *report, const cJSON *message) {
    struct file *file = report->file;
    report->facts = json_print(file->facts);
    const cJSON *warnings = json_member(message, "warnings");
    if (cJSON_GetArraySize(warnings) > 0) report->warnings = json_print(warnings);
    report->scan.bytes_hash = file->bytes_hash;
    report->scan.audio_hash = file->audio_hash;
    report->scan.size = file->stat.size;
    report->scan.rate = file->rate;
    report->scan.channels = file->channels;
    report->scan.frames = file->frames;
    report->scan.facts = report->facts;
    report->scan.decoder = file->decoder_name;
    report->scan.decoder_version = file->decoder_version;
    report->scan.segmenter = file->segmenter;
    report->scan.nonfinite = json_integer(message, "nonfinite", 0);
    report->scan.warnings = report->warnings;
}

static void take_scanned(struct job *job, const cJSON *message) {
    struct file *file = job->file;
    struct engine *engine = job->engine;
    struct error error = {0};
    struct report *report = calloc(1, sizeof *report);
    if (!report) {
        engine_fail_memory(engine);
        return;
    }
    *report = (struct report){.engine = engine, .file = file, .row = file->entry.file};
    if (!job->identified || !read_facts(file, message, &error) || !keep_chunks(job, message, &error) ||
        !read_regions(report, json_member(message, "regions"), file->frames, &error) ||
        !read_waveform(report, job->reader->worker, json_member(message, "waveform"), &error)) {
        worker_break_protocol(job->reader->worker, error.text[0] ? error.text : "scanned at the wrong time");
        report_free(report);
        return;
    }
    fill_scan(report, message);
    end_scan(job, true);
    file->stage = STAGE_STORING;
    if (report->facts && writer_post(engine->writer, store_report, report, on_stored)) return;
    report_free(report);
    engine_fail_memory(engine);
}

void scan_message(struct job *job, const char *type, cJSON *message) {
    if (strcmp(type, "identified") == 0) {
        take_identified(job, message);
    } else if (strcmp(type, "failed") == 0) {
        const char *reason = json_string(message, "reason", "");
        if (json_bool(message, "try_ffmpeg", false) && !job->file->by_ffmpeg) {
            try_ffmpeg(job);
            return;
        }
        char *sentence = text_display(reason, strlen(reason)); /* a decoder that a file has taken over says anything */
        if (sentence) text_cut(sentence, 390);
        job->file->incomplete |= json_bool(message, "passing", false);
        give_up(job->file, sentence && sentence[0] ? sentence : "cannot be decoded");
        free(sentence);
    } else if (!job->identified) {
        worker_break_protocol(job->reader->worker, "the file was not identified first");
    } else if (strcmp(type, "fill") == 0) {
        take_fill(job, message);
    } else if (strcmp(type, "chunk") == 0) {
        take_chunk(job, message);
    } else if (strcmp(type, "scanned") == 0) {
        take_scanned(job, message);
    } else {
        worker_break_protocol(job->reader->worker, "an unknown message");
    }
}
