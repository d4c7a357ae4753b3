/* Paths into the catalogue's queue, and out of it again when a file can be worked on. */
#include "engine/base/text.h"
#include "engine/schedule/state.h"
#include "engine/schedule/walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STEP_DEADLINE 30.0 /* s for a batch of directory entries */

/* A path that the user named and that waits for its walk. */
struct root {
    struct root *next;
    char path[];
};

struct walk {
    struct root *first, **end;
    bool stepping, recording;
    struct walker *walker; /* ours between steps */
};

/* One step of a walk, on its way through the errand thread. */
struct step {
    struct engine *engine;
    struct walker *walker;
    char *root; /* as named, for when it hangs */
    bool first;
};

enum verdict { VERDICT_QUEUED, VERDICT_QUEUED_BEFORE, VERDICT_KNOWN, VERDICT_FAILED, VERDICT_MISSING };

struct sighting {
    char *path;
    struct opened seen;
    enum verdict verdict;
    enum file_status status;
    char reason[300];
};

/* A batch of sightings, on its way through the writer. */
struct batch {
    struct engine *engine;
    char profile[HASH_TEXT];
    bool force, retry;
    size_t n;
    struct sighting sightings[WALK_BATCH];
};

/* News of a path, on its way through the writer. */
struct path_news {
    struct engine *engine;
    bool folder;
    char *from, *to; /* `to` NULL: gone */
};

struct taking {
    struct engine *engine;
    struct store_job entries[TAKE_MAX];
    size_t max, n;
};

/* ---------------------------------------------------------------------------------------------------------- sightings */

/* Why the file failed the last time. */
static bool read_reason(struct catalogue *catalogue, int64_t file, char *reason, size_t size, struct error *error) {
    sqlite3_stmt *statement = catalogue_statement(catalogue, "SELECT status_reason FROM files WHERE file_id = ?1",
                                                  error);
    if (!statement) return false;
    (void)sqlite3_bind_int64(statement, 1, file);
    int status = sqlite3_step(statement);
    const char *text = status == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    (void)snprintf(reason, size, "%s", text ? text : "failed before");
    (void)sqlite3_reset(statement);
    return status == SQLITE_ROW || status == SQLITE_DONE ||
           catalogue_failed(catalogue, error, "reading a file's status");
}

/* Whether some plugin failed on the file, died of it or was not run. */
static bool has_failures(struct catalogue *catalogue, int64_t file, bool *has, struct error *error) {
    static const char sql[] =
        "SELECT EXISTS (SELECT 1 FROM files f JOIN contents c USING (content_id) JOIN regions r USING (audio_id) JOIN"
        " region_analysis x USING (region_id) WHERE f.file_id = ?1 AND r.current AND x.current AND"
        " x.outcome NOT IN ('ok', 'empty', 'unsupported'))";
    sqlite3_stmt *statement = catalogue_statement(catalogue, sql, error);
    if (!statement) return false;
    (void)sqlite3_bind_int64(statement, 1, file);
    bool ok = sqlite3_step(statement) == SQLITE_ROW;
    *has = ok && sqlite3_column_int(statement, 0) != 0;
    (void)sqlite3_reset(statement);
    return ok || catalogue_failed(catalogue, error, "looking for failed results");
}

static bool forget_missing(struct catalogue *catalogue, const char *path, struct error *error) {
    sqlite3_stmt *statement = catalogue_statement(catalogue, "SELECT file_id FROM files WHERE path = ?1", error);
    if (!statement) return false;
    (void)sqlite3_bind_blob(statement, 1, path, (int)strlen(path), SQLITE_STATIC);
    int64_t file = sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    (void)sqlite3_reset(statement);
    return file == 0 || store_file_missing(catalogue, file, error);
}

static bool record_sighting(struct catalogue *catalogue, const struct batch *batch, struct sighting *sighting,
                            struct error *error) {
    struct store_file file;
    if (sighting->seen.missing) {
        sighting->verdict = VERDICT_MISSING;
        (void)snprintf(sighting->reason, sizeof sighting->reason, "%s", sighting->seen.reason);
        return forget_missing(catalogue, sighting->path, error);
    }
    if (!store_file_seen(catalogue, sighting->path, strlen(sighting->path), &sighting->seen.stat, &file, error))
        return false;
    if (!sighting->seen.ok) {
        sighting->verdict = VERDICT_FAILED;
        sighting->status = FILE_FAILED;
        (void)snprintf(sighting->reason, sizeof sighting->reason, "%s", sighting->seen.reason);
        return store_file_finish(catalogue, file.file, FILE_FAILED, sighting->reason, &sighting->seen.stat, "", error);
    }
    bool same = !batch->force && file.unchanged && strcmp(file.profile, batch->profile) == 0, failures = false;
    if (same && batch->retry && !has_failures(catalogue, file.file, &failures, error)) return false;
    same = same && !failures;
    sighting->status = file.status;
    if (same && (file.status == FILE_DONE || file.status == FILE_EMPTY)) {
        sighting->verdict = VERDICT_KNOWN;
        return true;
    }
    if (same && file.status == FILE_FAILED && !batch->retry) {
        sighting->verdict = VERDICT_FAILED;
        return read_reason(catalogue, file.file, sighting->reason, sizeof sighting->reason, error);
    }
    sighting->verdict = !file.created && file.status == FILE_QUEUED ? VERDICT_QUEUED_BEFORE : VERDICT_QUEUED;
    return store_queue_add(catalogue, file.file, 0, batch->force ? "{\"force\":true}" : NULL, error);
}

static bool record_batch(struct catalogue *catalogue, void *argument, struct error *error) {
    struct batch *batch = argument;
    for (size_t i = 0; i < batch->n; i++)
        if (!record_sighting(catalogue, batch, &batch->sightings[i], error)) return false;
    return true;
}

static void tell_sighting(struct engine *engine, const struct sighting *sighting) {
    engine->progress.files_total++;
    engine->progress.files_done++;
    bool known = sighting->verdict == VERDICT_KNOWN;
    if (known)
        engine->progress.files_known++;
    else
        engine->progress.files_failed++;
    char *display = text_display(sighting->path, strlen(sighting->path));
    struct engine_file event = {
        .path = sighting->path,
        .display = display ? display : "",
        .status = sighting->verdict == VERDICT_MISSING ? "missing" : file_status_name(sighting->status),
        .reason = known ? NULL : sighting->reason,
        .known = known,
    };
    if (engine->events.file_finished) engine->events.file_finished(engine->user, &event);
    free(display);
}

static void on_batch_recorded(void *argument, const struct error *error) {
    struct batch *batch = argument;
    struct engine *engine = batch->engine;
    engine->walk->recording = false;
    if (error) engine_fail(engine, error);
    for (size_t i = 0; i < batch->n; i++) {
        const struct sighting *sighting = &batch->sightings[i];
        if (!error && sighting->verdict == VERDICT_QUEUED) engine->progress.files_total++;
        if (!error && sighting->verdict <= VERDICT_QUEUED_BEFORE) engine->queue_empty = false;
        if (!error && sighting->verdict > VERDICT_QUEUED_BEFORE) tell_sighting(engine, sighting);
        free(sighting->path);
    }
    free(batch);
    engine_changed(engine);
    engine_wake(engine);
}

static struct batch *batch_new(struct engine *engine, size_t n) {
    struct batch *batch = calloc(1, sizeof *batch);
    if (!batch) return NULL;
    *batch = (struct batch){.engine = engine, .n = n, .force = engine->options.force, .retry = engine->options.retry};
    memcpy(batch->profile, engine->profile, sizeof batch->profile);
    return batch;
}

/* A path whose file system doesn't answer fails; what it is, nobody can say. */
static void post_hanging(struct engine *engine, const char *path) {
    struct batch *batch = batch_new(engine, 1);
    char *copy = strdup(path);
    if (batch && copy) {
        struct opened *seen = &batch->sightings[0].seen;
        batch->sightings[0].path = copy;
        seen->fd = -1;
        (void)snprintf(seen->reason, sizeof seen->reason, "could not be looked at: its file system does not answer");
        engine->walk->recording = writer_post(engine->writer, record_batch, batch, on_batch_recorded);
        if (engine->walk->recording) return;
    }
    free(copy);
    free(batch);
    struct error error;
    error_memory(&error);
    engine_fail(engine, &error);
}

/* Drops what the caller doesn't want; the rest moves up. Returns how many are left. */
static size_t sift(const struct engine *engine, struct walk_entry *entries, size_t n) {
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (engine->events.wanted && !engine->events.wanted(engine->user, entries[i].path)) continue;
        struct walk_entry entry = entries[i];
        entries[i] = entries[kept]; /* which stays the walker's to free */
        entries[kept++] = entry;
    }
    return kept;
}

/* Hands the walker's last batch to the writer. */
static void post_batch(struct engine *engine, struct walker *walker) {
    size_t n = 0;
    struct walk_entry *entries = walker_entries(walker, &n);
    n = sift(engine, entries, n);
    if (n == 0) return;
    struct batch *batch = batch_new(engine, n);
    if (batch) {
        for (size_t i = 0; i < n; i++) {
            batch->sightings[i] = (struct sighting){.path = entries[i].path, .seen = entries[i].seen};
            entries[i].path = NULL;
        }
        engine->walk->recording = writer_post(engine->writer, record_batch, batch, on_batch_recorded);
        if (engine->walk->recording) return;
        for (size_t i = 0; i < n; i++) free(batch->sightings[i].path);
        free(batch);
    }
    struct error error;
    error_memory(&error);
    engine_fail(engine, &error);
}

/* ----------------------------------------------------------------------------------------------------------- walking */

static void step_work(void *errand) {
    struct step *step = errand;
    walker_step(step->walker);
}

static void step_drop(void *errand) {
    struct step *step = errand;
    walker_free(step->walker);
    free(step->root);
    free(step);
}

static void step_done(void *errand, bool returned) {
    struct step *step = errand;
    struct engine *engine = step->engine;
    struct walk *walk = engine->walk;
    walk->stepping = false;
    if (!returned) {
        opener_note_hanging(engine->opener, step->root);
        if (step->first)
            post_hanging(engine, step->root);
        else
            engine_warn(engine, "%s does not answer: what is below it and was not found yet is left out", step->root);
    } else {
        const char *problem = walker_problem(step->walker);
        if (problem) engine_warn(engine, "%s", problem);
        post_batch(engine, step->walker);
        if (!walker_is_over(step->walker)) {
            walk->walker = step->walker;
            step->walker = NULL;
        }
        step_drop(step);
    }
    engine_wake(engine);
}

static const struct errand_calls step_calls = {step_work, step_done, step_drop};

static void take_next_root(struct engine *engine) {
    struct walk *walk = engine->walk;
    struct root *root = walk->first;
    if (!root) return;
    walk->first = root->next;
    if (!walk->first) walk->end = &walk->first;
    if (opener_is_hanging(engine->opener, root->path))
        post_hanging(engine, root->path);
    else
        walk->walker = walker_new(root->path);
    free(root);
}

static void pump_walk(struct engine *engine) {
    struct walk *walk = engine->walk;
    if (walk->stepping || walk->recording || engine->stopping) return;
    if (!walk->walker) take_next_root(engine);
    if (!walk->walker) return;
    struct step *step = calloc(1, sizeof *step);
    char *root = step ? strdup(walker_root(walk->walker)) : NULL;
    if (root) {
        bool first = !walker_has_started(walk->walker);
        *step = (struct step){.engine = engine, .walker = walk->walker, .root = root, .first = first};
        walk->stepping = errands_post(engine->errands, &step_calls, step,
                                      first ? engine->options.deadlines.open : STEP_DEADLINE);
    }
    if (walk->stepping) {
        walk->walker = NULL;
        return;
    }
    free(root);
    free(step);
    struct error error;
    error_memory(&error);
    engine_fail(engine, &error);
}

/* Takes "." and empty parts out of an absolute path, in place: one file has one path. ("..", which symbolic links make
 * ambiguous, is left to whoever knows the file system.) */
static void tidy(char *path) {
    char *out = path;
    for (const char *in = path; *in;) {
        size_t part = strcspn(in + 1, "/");
        bool skip = part == 0 || (part == 1 && in[1] == '.');
        if (!skip) {
            memmove(out, in, part + 1);
            out += part + 1;
        }
        in += part + 1;
    }
    if (out == path) *out++ = '/';
    *out = '\0';
}

static bool record_news(struct catalogue *catalogue, void *argument, struct error *error) {
    const struct path_news *news = argument;
    return news->to ? store_path_moved(catalogue, news->from, news->to, news->folder, error)
                    : store_path_gone(catalogue, news->from, news->folder, error);
}

static void free_news(struct path_news *news) {
    free(news->from);
    free(news->to);
    free(news);
}

static void on_news_recorded(void *argument, const struct error *error) {
    struct path_news *news = argument;
    if (error) engine_fail(news->engine, error);
    free_news(news);
}

bool intake_tell(struct engine *engine, const char *from, const char *to, bool folder) {
    struct path_news *news = calloc(1, sizeof *news);
    if (!news) return false;
    *news = (struct path_news){engine, folder, strdup(from), to ? strdup(to) : NULL};
    if (news->from && (!to || news->to) && writer_post(engine->writer, record_news, news, on_news_recorded))
        return true;
    free_news(news);
    return false;
}

bool intake_add(struct engine *engine, const char *path, size_t n) {
    struct walk *walk = engine->walk;
    char folder[4096] = "";
    if (!walk) {
        walk = engine->walk = calloc(1, sizeof *walk);
        if (!walk) return false;
        walk->end = &walk->first;
    }
    if (n == 0 || path[0] != '/') {
        if (!getcwd(folder, sizeof folder - 1)) (void)snprintf(folder, sizeof folder, "/");
        (void)strcat(folder, "/");
    }
    size_t prefix = strlen(folder);
    struct root *root = calloc(1, sizeof *root + prefix + n + 1);
    if (!root) return false;
    memcpy(root->path, folder, prefix);
    memcpy(root->path + prefix, path, n);
    tidy(root->path);
    *walk->end = root;
    walk->end = &root->next;
    engine_wake(engine);
    return true;
}

/* ------------------------------------------------------------------------------------------------------------- taking */

static bool take_entries(struct catalogue *catalogue, void *argument, struct error *error) {
    struct taking *taking = argument;
    for (size_t i = 0; i < taking->n; i++) store_job_free(&taking->entries[i]); /* of a run that was rolled back */
    taking->n = 0;
    return store_queue_take(catalogue, QUEUE_ARRIVAL, taking->entries, taking->max, &taking->n, error);
}

static void on_taken(void *argument, const struct error *error) {
    struct taking *taking = argument;
    struct engine *engine = taking->engine;
    engine->taking = false;
    if (error) engine_fail(engine, error);
    if (taking->n == 0) engine->queue_empty = true;
    for (size_t i = 0; i < taking->n; i++) {
        if (!error && file_new(engine, &taking->entries[i])) continue;
        store_job_free(&taking->entries[i]);
    }
    free(taking);
    engine_wake(engine);
}

static size_t files_wanted(const struct engine *engine) {
    return FILES_AHEAD + 4 * (size_t)engine->options.jobs;
}

static void pump_take(struct engine *engine) {
    size_t wanted = files_wanted(engine);
    if (engine->taking || engine->queue_empty || engine->stopping || engine->files_count > wanted / 2 + 1) return;
    struct taking *taking = calloc(1, sizeof *taking);
    if (taking) {
        taking->engine = engine;
        taking->max = wanted - engine->files_count < TAKE_MAX ? wanted - engine->files_count : TAKE_MAX;
        engine->taking = writer_post(engine->writer, take_entries, taking, on_taken);
        if (engine->taking) return;
        free(taking);
    }
    struct error error;
    error_memory(&error);
    engine_fail(engine, &error);
}

void intake_pump(struct engine *engine) {
    if (engine->walk) pump_walk(engine);
    pump_take(engine);
}

static bool walk_is_over(const struct walk *walk) {
    return !walk || (!walk->first && !walk->walker && !walk->stepping && !walk->recording);
}

bool intake_is_over(const struct engine *engine) {
    return walk_is_over(engine->walk) && !engine->taking && engine->queue_empty;
}

void intake_free(struct engine *engine) {
    struct walk *walk = engine->walk;
    if (!walk) return;
    for (struct root *root = walk->first; root;) {
        struct root *next = root->next;
        free(root);
        root = next;
    }
    walker_free(walk->walker);
    free(walk);
    engine->walk = NULL;
}
