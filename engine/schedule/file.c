/* The way of one file, from the queue to its end (schedule/state.h), but for what is said to workers. */
#include "engine/base/json.h"
#include "engine/base/path.h"
#include "engine/base/text.h"
#include "engine/schedule/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define SETTLE_SECONDS 1.0 /* a file that changed while it was analysed is begun again after so long */

/* What the writer does at a file's end, or at a turning of its way. */
struct record {
    struct engine *engine;
    struct file *file;
    int64_t row;
    enum file_status status;
    char *reason;
    struct store_stat stat;
    char profile[HASH_TEXT];
    char bytes_hash[HASH_TEXT];
    int64_t content;
    double delay;
    bool known;
    bool gone; /* while it was analysed */
};

static struct record *record_new(struct file *file) {
    struct record *record = calloc(1, sizeof *record);
    if (!record) return NULL;
    *record = (struct record){.engine = file->engine, .file = file, .row = file->entry.file, .stat = file->stat};
    return record;
}

static void record_free(struct record *record) {
    free(record->reason);
    free(record);
}

/* Posts `function`; on failure (`record` NULL included) the engine can't go on. */
static void post(struct engine *engine, struct record *record, writer_function function, writer_done done) {
    if (record && writer_post(engine->writer, function, record, done)) return;
    engine_fail_memory(engine);
    if (record) record_free(record);
}

/* ------------------------------------------------------------------------------------------------------ coming, going */

static void append(struct file *file) {
    struct engine *engine = file->engine;
    file->next = NULL;
    *engine->files_end = file;
    engine->files_end = &file->next;
    engine->files_count++;
}

static void take_out(struct file *file) {
    struct engine *engine = file->engine;
    struct file **at = &engine->files;
    while (*at && *at != file) at = &(*at)->next;
    if (!*at) return;
    *at = file->next;
    if (!*at) engine->files_end = at;
    engine->files_count--;
}

void file_let_others_first(struct file *file) {
    take_out(file);
    append(file);
}

/* Whether its name says that libsndfile won't know it. Only a hint: with another name it is tried there first. */
static bool is_ffmpegs_by_name(const char *name) {
    static const char *const endings[] = {"m4a",  "m4b", "mp4", "mov", "aac", "wma", "mkv", "mka",
                                          "webm", "avi", "ac3", "ape", "wv",  "amr", "3gp"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++)
        if (strcasecmp(dot + 1, endings[i]) == 0) return true;
    return false;
}

struct file *file_new(struct engine *engine, struct store_job *entry) {
    struct file *file = calloc(1, sizeof *file);
    const char *name = path_name(entry->path);
    if (file) {
        file->display = text_display(entry->path, entry->length);
        file->name = text_display(name, strlen(name));
        if (file->display) file->path_hex = text_hex(entry->path, entry->length, file->display);
    }
    if (!file || !file->display || !file->name) {
        if (file) free(file->display);
        if (file) free(file->path_hex);
        if (file) free(file->name);
        free(file);
        engine_fail_memory(engine);
        return NULL;
    }
    file->engine = engine;
    file->entry = *entry;
    file->fd = -1;
    file->alone = entry->interrupted >= OUTSIDE_KILLS_MAX;
    file->by_ffmpeg = is_ffmpegs_by_name(name);
    file->force = engine->options.force || (entry->options && strstr(entry->options, "\"force\":true"));
    append(file);
    return file;
}

static void clear_regions(struct file *file) {
    for (size_t i = 0; i < file->regions_count; i++) {
        struct region *region = &file->regions[i];
        for (size_t k = 0; region->results && k < file->engine->registry->plugins_count; k++)
            result_clear(&region->results[k]);
        free(region->results);
        free(region->alone);
    }
    free(file->regions);
    file->regions = NULL;
    file->regions_count = file->regions_done = file->first_open = file->regions_heard = 0;
}

static void clear_scan(struct file *file) {
    for (size_t i = 0; i < file->chunks_count; i++) chunk_unref(file->chunks[i]);
    free(file->chunks);
    file->chunks = NULL;
    file->chunks_count = 0;
    file->kept = false;
    cJSON_Delete(file->facts);
    file->facts = NULL;
    free(file->decoder_name);
    free(file->decoder_version);
    free(file->segmenter);
    file->decoder_name = file->decoder_version = file->segmenter = NULL;
    file->bytes_hash[0] = '\0';
    clear_regions(file);
}

void file_free(struct file *file) {
    struct engine *engine = file->engine;
    take_out(file);
    clear_scan(file);
    if (file->fd >= 0) close(file->fd);
    store_job_free(&file->entry);
    free(file->display);
    free(file->path_hex);
    free(file->name);
    free(file);
    engine_wake(engine);
}

/* ------------------------------------------------------------------------------------------------------------ the end */

static void tell_end(const struct file *file, const char *status, const char *reason, bool known) {
    struct engine *engine = file->engine;
    struct engine_file event = {
        .path = file->entry.path,
        .display = file->display,
        .path_hex = file->path_hex,
        .status = status,
        .reason = reason,
        .duration = file->duration,
        .regions = (uint32_t)file->regions_count,
        .results_failed = file->results_failed,
        .results_unrun = file->results_unrun,
        .known = known,
    };
    engine->progress.files_done++;
    engine->progress.files_known += known;
    engine->progress.files_failed += strcmp(status, "failed") == 0 || strcmp(status, "missing") == 0;
    hold_note_file(engine, file);
    engine_changed(engine);
    if (engine->events.file_finished) engine->events.file_finished(engine->user, &event);
    task_file_over(engine, file->entry.file, &event);
}

/* What was found out about a file that is gone by now is kept, and it is missing; unless it was only moved. */
static bool store_gone(struct catalogue *catalogue, const struct record *record, struct error *error) {
    bool here = false;
    return store_file_is_at(catalogue, record->row, record->file->entry.path, &here, error) &&
           (!here || store_file_missing(catalogue, record->row, error));
}

static bool store_end(struct catalogue *catalogue, void *argument, struct error *error) {
    const struct record *record = argument;
    if (record->status == FILE_MISSING) {
        bool here = true; /* or it was moved since it was taken from the queue */
        if (!store_file_is_at(catalogue, record->row, record->file->entry.path, &here, error)) return false;
        return here ? store_file_missing(catalogue, record->row, error)
                    : store_queue_return(catalogue, record->row, 0.2, error);
    }
    if (record->gone && !store_gone(catalogue, record, error)) return false;
    if (record->content != 0 && !store_file_content(catalogue, record->row, record->content, error)) return false;
    return store_file_finish(catalogue, record->row, record->status, record->reason, &record->stat, record->profile,
                             error);
}

static void on_end(void *argument, const struct error *error) {
    struct record *record = argument;
    struct file *file = record->file;
    if (error)
        engine_fail(record->engine, error);
    else
        tell_end(file, file_status_name(record->status), record->reason, record->known);
    record->engine->queue_empty = false; /* it waits again when it changed meanwhile, or was asked for with options */
    record_free(record);
    file_free(file);
}

static void finish(struct file *file, enum file_status status, const char *reason, bool known) {
    struct record *record = record_new(file);
    if (record && reason && !(record->reason = strdup(reason))) {
        record_free(record); /* without its reason a failure would be none that anybody can mend */
        record = NULL;
    }
    file->stage = STAGE_FINISHING;
    if (record) {
        const char *profile = status == FILE_FAILED ? file->engine->failed_profile : file->engine->profile;
        record->status = status;
        record->known = known;
        record->content = file->content;
        record->gone = file->gone;
        if (!file->incomplete) memcpy(record->profile, profile, sizeof record->profile);
    }
    post(file->engine, record, store_end, on_end);
}

void file_known(struct file *file, bool has_regions) {
    finish(file, has_regions ? FILE_DONE : FILE_EMPTY, NULL, true);
}

bool file_is_twin(const struct file *file) {
    for (const struct file *other = file->engine->files; other && other != file; other = other->next)
        if (other->stage != STAGE_WAITING && strcmp(other->bytes_hash, file->bytes_hash) == 0) return true;
    return false;
}

static bool store_return(struct catalogue *catalogue, void *argument, struct error *error) {
    const struct record *record = argument;
    return store_queue_return(catalogue, record->row, record->delay, error);
}

static void on_returned(void *argument, const struct error *error) {
    struct record *record = argument;
    if (error) engine_fail(record->engine, error);
    record->engine->queue_empty = false; /* whoever takes will hear when it is due */
    engine_wake(record->engine);
    record_free(record);
}

void file_put_back(struct file *file, double delay) {
    struct record *record = record_new(file);
    if (record) record->delay = delay;
    post(file->engine, record, store_return, on_returned);
    file_free(file);
}

/* Neither the file's fault nor a plugin's. A new worker takes a moment to start, in which there may be room again; when there is
 * none for long, the file waits. */
void file_starved(struct file *file, const char *reason) {
    if (++file->starvations < STARVATIONS_MAX || file->stage == STAGE_LEAVING) return;
    engine_warn(file->engine, "%s waits, for the system has no room now: a worker %s", file->display, reason);
    file->stage = STAGE_LEAVING;
}

void file_scan_failed(struct file *file, const char *reason) {
    finish(file, FILE_FAILED, reason, false);
}

void file_again(struct file *file) {
    clear_scan(file);
    file->stage = file->fd >= 0 ? STAGE_OPENED : STAGE_TAKEN;
    engine_wake(file->engine);
}

/* ---------------------------------------------------------------------------------------------------- opening, looking */

/* Whether to try again in a while, rather than to say that it failed: nobody waits for an answer, and there will be somebody to
 * try. */
static bool may_wait(const struct file *file) {
    return file->engine->options.stay && file->entry.priority < PRIORITY_ASKED && file->entry.attempts < AWAY_MAX;
}

static void on_opened(void *context, struct opened *opened) {
    struct file *file = context;
    if (file->engine->stopping || file->engine->failed) {
        if (opened->fd >= 0) close(opened->fd);
        file->stage = STAGE_TAKEN;
    } else if (opened->away && file->entry.attempts < AWAY_MAX) {
        engine_warn(file->engine, "%s is on a disk that isn't there now: it waits", file->display);
        file_put_back(file, AWAY_SECONDS);
        return;
    } else if (opened->passing && may_wait(file)) {
        if (!opened->refused) /* else thousands would be told of, and the cause has been */
            engine_warn(file->engine, "%s %s: it waits", file->display, opened->reason);
        file_put_back(file, AWAY_SECONDS);
        return;
    } else if (opened->missing) {
        finish(file, FILE_MISSING, opened->reason, false);
    } else if (!opened->ok) {
        file->stat = file->entry.stat;
        file->incomplete = opened->passing; /* the next look tries again */
        finish(file, FILE_FAILED, opened->reason, false);
    } else if (opened->stat.size == 0) {
        close(opened->fd);
        file->stat = opened->stat;
        finish(file, FILE_FAILED, "is an empty file (0 bytes)", false);
    } else {
        file->fd = opened->fd;
        file->stat = opened->stat;
        file->stage = STAGE_OPENED;
    }
    engine_wake(file->engine);
}

static void on_looked(void *context, struct opened *opened) {
    struct file *file = context;
    const struct store_stat *then = &file->stat, *now = &opened->stat;
    bool same = opened->ok && now->size == then->size && now->mtime_ns == then->mtime_ns && now->inode == then->inode;
    if (file->engine->stopping || file->engine->failed) {
        file->stage = STAGE_TAKEN;
    } else if (opened->ok && !same) {
        engine_warn(file->engine, "%s has changed while it was analysed: it will be analysed again", file->display);
        file_put_back(file, SETTLE_SECONDS);
        return;
    } else { /* gone meanwhile, or not to be asked: what was found out stays true of these bytes */
        file->gone = opened->missing && !opened->away;
        finish(file, file->regions_count > 0 ? FILE_DONE : FILE_EMPTY, NULL, false);
    }
    engine_wake(file->engine);
}

static bool open_file(struct file *file) {
    file->stage = STAGE_OPENING;
    file->engine->looks.opened++;
    return opener_open(file->engine->opener, file->entry.path, file->entry.stat.device, OPENER_OPEN, on_opened, file);
}

static bool look_again(struct file *file) {
    file->stage = STAGE_LOOKING;
    file->engine->looks.files++;
    return opener_open(file->engine->opener, file->entry.path, file->stat.device, OPENER_LOOK, on_looked, file);
}

/* ------------------------------------------------------------------------------------------------- between the stages */

void file_region_done(struct file *file, struct region *region) {
    struct engine *engine = file->engine;
    region->done = true;
    file->regions_done++;
    engine->progress.regions_done++;
    double seconds = (double)(region->frames.end - region->frames.start) / file->rate;
    file->work_done += seconds;
    engine->progress.audio_done += seconds;
    engine_changed(engine);
}

bool file_is_under_way(const struct file *file) {
    return file->stage >= STAGE_ANALYSING;
}

void file_scanned(struct file *file) {
    file->stage = STAGE_ANALYSING;
    file->engine->progress.audio_total += file->work;
    if (file->regions_count == 0) clear_scan(file);
    engine_changed(file->engine);
    engine_wake(file->engine);
}

/* Files that have been scanned and are being analysed or wait for it. */
static size_t count_stage(const struct engine *engine, enum file_stage first, enum file_stage last) {
    size_t n = 0;
    for (const struct file *file = engine->files; file; file = file->next)
        n += file->stage >= first && file->stage <= last;
    return n;
}

size_t file_count_guests(const struct engine *engine) {
    size_t n = 0;
    for (const struct file *file = engine->files; file && n < GUESTS_MAX; file = file->next)
        n += file->stage == STAGE_ANALYSING && file->regions_done < file->regions_count &&
             file->regions_heard == file->regions_count;
    return n;
}

/* A file on which engines have died is alone in the house, and so is one whose decoders were killed from outside too often. */
static bool may_scan(const struct engine *engine, const struct file *file) {
    size_t busy = count_stage(engine, STAGE_SCANNING, STAGE_ANALYSING) -
                  count_stage(engine, STAGE_WAITING, STAGE_WAITING);
    if (file->alone) return busy == 0;
    bool before = true;
    for (const struct file *other = engine->files; other; other = other->next) {
        if (other == file) before = false;
        if (other->alone && other->stage >= (before ? STAGE_OPENED : STAGE_SCANNING)) return false;
    }
    busy -= file_count_guests(engine);
    if (busy >= 2 + 4 * (size_t)engine->options.jobs) return false;
    /* Beyond half of what scans may keep, another scan would only push its audio out again. */
    return busy < 2 || engine->chunks.used < engine->chunks.limit / 3;
}

/* False: no decoder is to be had now. */
static bool give_decoder(struct file *file) {
    struct pool *decoders = file->engine->decoders[file->by_ffmpeg];
    if (!may_scan(file->engine, file)) return false;
    if (pool_is_closed(decoders)) return false;
    struct seat *seat = pool_take(decoders, file->alone || file->fell_back);
    if (!seat) return false;
    if (!scan_start(file, seat)) {
        engine_fail_memory(file->engine);
        return false;
    }
    if (file->engine->events.file_started) file->engine->events.file_started(file->engine->user, file->display);
    return true;
}

void file_pump(struct engine *engine) {
    bool decoders[2] = {true, true};
    bool held = engine_held(engine) != NULL;
    struct file *next = NULL;
    for (struct file *file = engine->files; file && !engine->failed && !engine->stopping; file = next) {
        next = file->next;
        bool ok = true;
        if (engine->draining && (file->stage == STAGE_TAKEN || file->stage == STAGE_OPENED))
            file_put_back(file, 0); /* it hasn't been begun */
        else if (held && (file->stage == STAGE_TAKEN || file->stage == STAGE_OPENED))
            continue;
        else if (file->stage == STAGE_TAKEN)
            ok = open_file(file);
        else if (file->stage == STAGE_OPENED && decoders[file->by_ffmpeg])
            decoders[file->by_ffmpeg] = give_decoder(file);
        else if (file->stage == STAGE_WAITING && !file_is_twin(file))
            file_again(file);
        else if (file->stage == STAGE_LEAVING && file->jobs == 0)
            file_put_back(file, STARVED_SECONDS);
        else if (file->stage == STAGE_ANALYSING && file->regions_done == file->regions_count && file->jobs == 0)
            ok = look_again(file);
        if (ok) continue;
        engine_fail_memory(engine);
    }
}
