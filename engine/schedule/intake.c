/* Paths into the catalogue's queue: walked on an errand thread, compared and recorded on the writer's. */
#include "engine/base/text.h"
#include "engine/schedule/state.h"
#include "engine/schedule/walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STEP_DEADLINE 30.0 /* s for a batch of directory entries */
#define ROOTS_AT_ONCE 64   /* paths walked together, when they came one by one */

/* A path that was named and that waits for its walk. */
struct root {
    struct root *next;
    struct intent intent;
    bool single; /* it is walked by itself: its neighbours might hang */
    char path[];
};

struct walk {
    struct root *first, **end;
    struct root *under_way; /* those of the walker, for when it hangs */
    struct intent intent;   /* theirs */
    bool stepping, recording;
    struct walker *walker; /* ours between steps */
    struct sweep *sweep;   /* of the walker */
};

/* One step of a walk, on its way through the errand thread. */
struct step {
    struct engine *engine;
    struct walker *walker;
    bool first;
};

enum verdict { VERDICT_QUEUED, VERDICT_QUEUED_BEFORE, VERDICT_KNOWN, VERDICT_FAILED, VERDICT_MISSING };

struct sighting {
    char *path;
    struct opened seen;
    enum verdict verdict;
    enum file_status status;
    int64_t file;
    char reason[300];
};

/* A batch of sightings, on its way through the writer. */
struct batch {
    struct engine *engine;
    struct intent intent;
    struct sweep *sweep;
    char profile[HASH_TEXT], failed_profile[HASH_TEXT];
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

/* `file`: its row, or 0. */
static bool find_row(struct catalogue *catalogue, const char *path, int64_t *file, struct error *error) {
    sqlite3_stmt *statement = catalogue_statement(catalogue, "SELECT file_id FROM files WHERE path = ?1", error);
    if (!statement) return false;
    (void)sqlite3_bind_blob(statement, 1, path, (int)strlen(path), SQLITE_STATIC);
    int status = sqlite3_step(statement);
    *file = status == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    (void)sqlite3_reset(statement);
    return status == SQLITE_ROW || status == SQLITE_DONE || catalogue_failed(catalogue, error, "looking for a file");
}

static bool record_missing(struct catalogue *catalogue, struct sighting *sighting, struct error *error) {
    sighting->verdict = VERDICT_MISSING;
    (void)snprintf(sighting->reason, sizeof sighting->reason, "%s", sighting->seen.reason);
    return find_row(catalogue, sighting->path, &sighting->file, error) &&
           (sighting->file == 0 || store_file_missing(catalogue, sighting->file, error));
}

/* What is no file that can be read, or could not be looked at: then what is known of it stays true. For what doesn't answer no
 * row is made, unless its folder says that it is a file: it may be a folder, and would be a file that failed for ever. */
static bool record_unreadable(struct catalogue *catalogue, struct sighting *sighting, struct error *error) {
    const struct opened *seen = &sighting->seen;
    const struct store_stat *stat = seen->looked ? &seen->stat : NULL;
    struct store_file file = {0};
    sighting->verdict = VERDICT_FAILED;
    sighting->status = FILE_FAILED;
    (void)snprintf(sighting->reason, sizeof sighting->reason, "%s", seen->reason);
    if (!(seen->passing && !seen->listed
              ? find_row(catalogue, sighting->path, &file.file, error)
              : store_file_seen(catalogue, sighting->path, strlen(sighting->path), stat, &file, error)))
        return false;
    sighting->file = file.file;
    return file.file == 0 || store_file_finish(catalogue, file.file, FILE_FAILED, sighting->reason, stat, "", error);
}

static bool record_sighting(struct catalogue *catalogue, const struct batch *batch, struct sighting *sighting,
                            struct error *error) {
    struct store_file file;
    if (sighting->seen.missing) return record_missing(catalogue, sighting, error);
    if (!sighting->seen.ok) return record_unreadable(catalogue, sighting, error);
    if (!store_file_seen(catalogue, sighting->path, strlen(sighting->path), &sighting->seen.stat, &file, error))
        return false;
    sighting->file = file.file;
    const char *profile = file.status == FILE_FAILED ? batch->failed_profile : batch->profile;
    bool same = !batch->force && file.unchanged && strcmp(file.profile, profile) == 0, failures = false;
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
    /* What has results already, though of other plugins, comes behind what has none. */
    bool again = !file.created && file.unchanged && (file.status == FILE_DONE || file.status == FILE_EMPTY);
    int64_t priority = batch->intent.priority;
    if (again && priority == PRIORITY_NEW) priority = PRIORITY_AGAIN;
    return store_queue_add(catalogue, file.file, priority, batch->force ? "{\"force\":true}" : NULL, error);
}

static bool record_batch(struct catalogue *catalogue, void *argument, struct error *error) {
    struct batch *batch = argument;
    for (size_t i = 0; i < batch->n; i++)
        if (!record_sighting(catalogue, batch, &batch->sightings[i], error)) return false;
    return true;
}

static void tell_sighting(struct engine *engine, const struct batch *batch, const struct sighting *sighting) {
    engine->progress.files_total++;
    engine->progress.files_done++;
    bool known = sighting->verdict == VERDICT_KNOWN;
    if (known)
        engine->progress.files_known++;
    else
        engine->progress.files_failed++;
    char *display = text_display(sighting->path, strlen(sighting->path));
    char *hex = display ? text_hex(sighting->path, strlen(sighting->path), display) : NULL;
    struct engine_file event = {
        .path = sighting->path,
        .display = display ? display : "",
        .path_hex = hex,
        .status = sighting->verdict == VERDICT_MISSING ? "missing" : file_status_name(sighting->status),
        .reason = known ? NULL : sighting->reason,
        .known = known,
    };
    if (engine->events.file_finished) engine->events.file_finished(engine->user, &event);
    if (batch->intent.task) task_file_known(batch->intent.task, &event);
    free(display);
    free(hex);
}

/* What a sweep finds gone, a renamed folder say, is no file that failed. */
void intake_tell_vanished(const struct engine *engine, const char *path) {
    char *display = text_display(path, strlen(path));
    char *hex = display ? text_hex(path, strlen(path), display) : NULL;
    if (display && engine->events.vanished) engine->events.vanished(engine->user, display, hex);
    free(display);
    free(hex);
}

static void on_sighting_recorded(struct engine *engine, const struct batch *batch, const struct sighting *sighting) {
    struct engine_task *task = batch->intent.task;
    if (batch->sweep && sighting->file != 0) sweep_saw(batch->sweep, sighting->file);
    if (batch->intent.sweep && !task && sighting->verdict == VERDICT_MISSING) {
        if (sighting->file != 0) intake_tell_vanished(engine, sighting->path);
        return;
    }
    if (sighting->verdict > VERDICT_QUEUED_BEFORE) {
        tell_sighting(engine, batch, sighting);
        return;
    }
    if (sighting->verdict == VERDICT_QUEUED) engine->progress.files_total++;
    engine->queue_empty = false;
    if (task) task_file_queued(task, sighting->file);
}

static void on_batch_recorded(void *argument, const struct error *error) {
    struct batch *batch = argument;
    struct engine *engine = batch->engine;
    engine->walk->recording = false;
    if (error) engine_fail(engine, error);
    for (size_t i = 0; i < batch->n; i++) {
        if (!error) on_sighting_recorded(engine, batch, &batch->sightings[i]);
        free(batch->sightings[i].path);
    }
    if (batch->intent.task) task_unref(batch->intent.task);
    free(batch);
    engine_changed(engine);
    engine_wake(engine);
}

static struct batch *batch_new(struct engine *engine, size_t n) {
    struct batch *batch = calloc(1, sizeof *batch);
    if (!batch) return NULL;
    const struct intent *intent = &engine->walk->intent;
    *batch = (struct batch){.engine = engine,
                            .intent = *intent,
                            .sweep = engine->walk->sweep,
                            .n = n,
                            .force = engine->options.force || intent->force,
                            .retry = engine->options.retry || intent->retry};
    memcpy(batch->profile, engine->profile, sizeof batch->profile);
    memcpy(batch->failed_profile, engine->failed_profile, sizeof batch->failed_profile);
    return batch;
}

/* The batch goes to the writer; on failure the engine can't go on. */
static void post(struct engine *engine, struct batch *batch) {
    if (batch) {
        if (batch->intent.task) task_ref(batch->intent.task);
        engine->walk->recording = writer_post(engine->writer, record_batch, batch, on_batch_recorded);
        if (engine->walk->recording) return;
        if (batch->intent.task) task_unref(batch->intent.task);
        for (size_t i = 0; i < batch->n; i++) free(batch->sightings[i].path);
        free(batch);
    }
    engine_fail_memory(engine);
}

/* A path whose file system doesn't answer fails; what it is, nobody can say. */
static void post_hanging(struct engine *engine, const char *path) {
    struct batch *batch = batch_new(engine, 1);
    if (batch) {
        struct opened *seen = &batch->sightings[0].seen;
        batch->sightings[0].path = strdup(path);
        seen->fd = -1;
        seen->passing = true;
        (void)snprintf(seen->reason, sizeof seen->reason, "could not be looked at: its file system does not answer");
        if (!batch->sightings[0].path) {
            free(batch);
            batch = NULL;
        }
    }
    post(engine, batch);
}

static bool add_root(struct engine *engine, const char *path, size_t n, const struct intent *intent, bool single);

/* A share below a folder is walked by itself, so that it costs no others when it hangs. */
static void add_share(struct engine *engine, const char *path) {
    sweep_leave_out(engine->walk->sweep, path);
    if (!add_root(engine, path, strlen(path), &engine->walk->intent, true)) engine_fail_memory(engine);
}

/* Drops what the caller doesn't want, after telling it the rules on the way; the rest moves up. Returns how many are left. */
static size_t sift(struct engine *engine, struct walk_entry *entries, size_t n) {
    size_t kept = 0;
    const struct intent *intent = &engine->walk->intent;
    for (size_t i = 0; i < n; i++) {
        if (entries[i].rules) {
            if (engine->events.rules) engine->events.rules(engine->user, entries[i].path, entries[i].rules);
            continue;
        }
        /* What somebody names for a task is looked at; and who asks for a sweep knows that the files are whole. */
        int64_t mtime = intent->sweep && !intent->task ? entries[i].seen.stat.mtime_ns : 0;
        bool asked = (intent->sweep || !intent->task) && engine->events.wanted;
        if (asked && !engine->events.wanted(engine->user, entries[i].path, mtime)) continue;
        if (entries[i].share) {
            add_share(engine, entries[i].path);
            continue;
        }
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
    engine->looks.files += n;
    n = sift(engine, entries, n);
    if (n == 0) return;
    struct batch *batch = batch_new(engine, n);
    for (size_t i = 0; batch && i < n; i++) {
        batch->sightings[i] = (struct sighting){.path = entries[i].path, .seen = entries[i].seen};
        entries[i].path = NULL;
    }
    post(engine, batch);
}

/* ----------------------------------------------------------------------------------------------------------- walking */

static void free_roots(struct root *root) {
    while (root) {
        struct root *next = root->next;
        if (root->intent.task) task_unref(root->intent.task);
        free(root);
        root = next;
    }
}

/* The walker has come to its end, or has been given up. */
static void end_walk(struct engine *engine, bool whole) {
    struct walk *walk = engine->walk;
    struct sweep *sweep = walk->sweep;
    walk->sweep = NULL;
    if (sweep && whole)
        sweep_compare(sweep);
    else
        sweep_free(sweep);
    free_roots(walk->under_way);
    walk->under_way = NULL;
}

/* Those behind a path that hangs get another chance, each by itself. */
static void split_roots(struct walk *walk) {
    struct root **end = &walk->under_way;
    for (; *end; end = &(*end)->next) (*end)->single = true;
    *end = walk->first;
    if (!walk->first) walk->end = end;
    walk->first = walk->under_way;
    walk->under_way = NULL;
}

static void step_work(void *errand) {
    struct step *step = errand;
    walker_step(step->walker);
}

static void step_drop(void *errand) {
    struct step *step = errand;
    walker_free(step->walker);
    free(step);
}

static void step_done(void *errand, bool returned) {
    struct step *step = errand;
    struct engine *engine = step->engine;
    struct walk *walk = engine->walk;
    walk->stepping = false;
    if (!returned) {
        struct root *root = walk->under_way;
        sweep_free(walk->sweep); /* nothing is compared with what isn't whole, and the batch to come mustn't know it */
        walk->sweep = NULL;
        if (root->next) {
            split_roots(walk);
        } else {
            opener_note_hanging(engine->opener, root->path);
            if (step->first)
                post_hanging(engine, root->path);
            else
                engine_warn(engine, "%s does not answer: what is below it and was not found yet is left out",
                            root->path);
            end_walk(engine, false);
        }
    } else {
        const char *problem = walker_problem(step->walker);
        if (problem) engine_warn(engine, "%s", problem);
        post_batch(engine, step->walker);
        walk->walker = step->walker;
        step->walker = NULL;
        step_drop(step);
    }
    engine_wake(engine);
}

static const struct errand_calls step_calls = {step_work, step_done, step_drop};

static bool same_intent(const struct intent *a, const struct intent *b) {
    return a->task == b->task && a->force == b->force && a->retry == b->retry && a->sweep == b->sweep &&
           a->priority == b->priority;
}

/* Takes the next root off the list, and those behind it that can go with it: files of a watched folder come one by one. */
static struct root *take_roots(struct walk *walk, const char *paths[ROOTS_AT_ONCE], size_t *n) {
    struct root *first = walk->first, *last = first;
    *n = 0;
    paths[(*n)++] = first->path;
    while (last->next && *n < ROOTS_AT_ONCE && !first->intent.sweep && !first->single && !last->next->single &&
           same_intent(&first->intent, &last->next->intent)) {
        last = last->next;
        paths[(*n)++] = last->path;
    }
    walk->first = last->next;
    if (!walk->first) walk->end = &walk->first;
    last->next = NULL;
    return first;
}

static bool begin_walk(struct engine *engine) {
    struct walk *walk = engine->walk;
    const char *paths[ROOTS_AT_ONCE];
    size_t n = 0;
    if (!walk->first) return true;
    walk->under_way = take_roots(walk, paths, &n);
    walk->intent = walk->under_way->intent;
    if (n == 1 && opener_is_hanging(engine->opener, paths[0])) {
        post_hanging(engine, paths[0]);
        end_walk(engine, false);
        return true;
    }
    const struct walk_options options = {
        .hidden = engine->options.hidden, .rules = walk->intent.sweep, .own = engine->catalogue_path};
    walk->walker = walker_new(paths, n, &options);
    if (walk->walker) walk->sweep = sweep_new(engine, walk->intent.task);
    return walk->walker && walk->sweep;
}

static bool step_walk(struct engine *engine) {
    struct walk *walk = engine->walk;
    struct step *step = calloc(1, sizeof *step);
    if (!step) return false;
    bool first = !walker_has_started(walk->walker);
    *step = (struct step){.engine = engine, .walker = walk->walker, .first = first};
    bool one = first && !walk->under_way->next;
    walk->stepping = errands_post(engine->errands, &step_calls, step,
                                  one ? engine->options.deadlines.open : STEP_DEADLINE);
    if (walk->stepping)
        walk->walker = NULL;
    else
        free(step);
    return walk->stepping;
}

static void pump_walk(struct engine *engine) {
    struct walk *walk = engine->walk;
    if (walk->stepping || walk->recording || engine->stopping || engine->draining) return;
    if (walk->walker && walker_is_over(walk->walker)) {
        for (size_t i = 0; i < walker_roots(walk->walker); i++)
            if (walk->intent.sweep || walker_root_is_folder(walk->walker, i))
                sweep_add_folder(walk->sweep, walker_root(walk->walker, i));
        walker_free(walk->walker);
        walk->walker = NULL;
        end_walk(engine, true);
    }
    bool ok = walk->walker || begin_walk(engine);
    if (ok && walk->walker) ok = step_walk(engine);
    if (ok) return;
    engine_fail_memory(engine);
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

static bool add_root(struct engine *engine, const char *path, size_t n, const struct intent *intent, bool single) {
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
    root->intent = *intent;
    root->single = single;
    if (intent->task) task_ref(intent->task);
    if (intent->task && walk->first) { /* somebody waits for it */
        root->next = walk->first;
        walk->first = root;
    } else {
        *walk->end = root;
        walk->end = &root->next;
    }
    engine_wake(engine);
    return true;
}

bool intake_add(struct engine *engine, const char *path, size_t n, const struct intent *intent) {
    return add_root(engine, path, n, intent, false);
}

void intake_pump(struct engine *engine) {
    if (engine->walk) pump_walk(engine);
    take_pump(engine);
}

static bool walk_is_over(const struct walk *walk) {
    return !walk || (!walk->first && !walk->walker && !walk->stepping && !walk->recording);
}

bool intake_is_over(const struct engine *engine) {
    return walk_is_over(engine->walk) && engine->sweeps == 0 && !engine->taking && engine->queue_empty;
}

void intake_free(struct engine *engine) {
    struct walk *walk = engine->walk;
    if (!walk) return;
    free_roots(walk->first);
    free_roots(walk->under_way);
    sweep_free(walk->sweep);
    walker_free(walk->walker);
    free(walk);
    engine->walk = NULL;
}
