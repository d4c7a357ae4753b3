/* Files and their queue. */
#include "engine/base/text.h"
#include "engine/catalogue/search.h"
#include "engine/catalogue/sql.h"
#include "engine/catalogue/store.h"
#include "engine/catalogue/summary.h"

#include <stdlib.h>
#include <string.h>

static const char *const status_names[] = {"queued", "working", "done", "empty", "failed", "missing"};

const char *file_status_name(enum file_status status) {
    return status_names[status];
}

static enum file_status status_of(const char *name) {
    for (size_t i = 0; name && i < sizeof status_names / sizeof *status_names; i++)
        if (strcmp(name, status_names[i]) == 0) return (enum file_status)i;
    return FILE_QUEUED;
}

/* ------------------------------------------------------------------------------------------------------------ files */

static bool insert_file(struct catalogue *catalogue, const char *path, size_t length, const struct store_stat *stat,
                        struct store_file *file, struct error *error) {
    static const struct store_stat unknown = {0};
    char *text = text_display(path, length);
    if (!text) return error_memory(error);
    const char *slash = strrchr(text, '/');
    double now = sql_now();
    if (!stat) stat = &unknown;
    bool fine = sql_number(
        catalogue, error, &file->file,
        "INSERT INTO files (path, path_text, name, status, size, mtime_ns, device, inode, added, seen)"
        " VALUES (?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?) RETURNING file_id",
        "bttiiiidd", (const void *)path, length, text, slash && slash[1] ? slash + 1 : text, stat->size, stat->mtime_ns,
        (int64_t)stat->device, (int64_t)stat->inode, now, now);
    free(text);
    file->created = true;
    return fine;
}

/* The row that `found` stands on. */
struct seen_row {
    struct store_stat stat;
    bool missing;
    bool replaced; /* by another file of the same size and mtime */
    enum file_status before;
};

/* The files of a sample pack often have one length and one time, so that two of them that change places look unchanged. Another
 * inode alone says little: some file systems make up new ones at each mount. */
static bool is_replaced(const struct store_stat *stat, const struct seen_row *row, double finished) {
    return stat->inode != row->stat.inode && (double)stat->ctime_ns / 1e9 > finished;
}

static void read_file(sqlite3_stmt *found, const struct store_stat *stat, struct store_file *file,
                      struct seen_row *row) {
    file->file = sqlite3_column_int64(found, 0);
    file->status = status_of((const char *)sqlite3_column_text(found, 1));
    row->missing = file->status == FILE_MISSING;
    row->before = status_of((const char *)sqlite3_column_text(found, 2));
    file->content = sqlite3_column_int64(found, 3);
    file->audio = sqlite3_column_int64(found, 4);
    bool same = stat && sqlite3_column_type(found, 5) != SQLITE_NULL && sqlite3_column_int64(found, 5) == stat->size &&
                sqlite3_column_int64(found, 6) == stat->mtime_ns;
    const char *profile = (const char *)sqlite3_column_text(found, 7);
    if (profile && strlen(profile) < sizeof file->profile) strcpy(file->profile, profile);
    row->stat = (struct store_stat){.size = sqlite3_column_int64(found, 8),
                                    .mtime_ns = sqlite3_column_int64(found, 9),
                                    .device = (uint64_t)sqlite3_column_int64(found, 10),
                                    .inode = (uint64_t)sqlite3_column_int64(found, 11)};
    row->replaced = same && is_replaced(stat, row, sqlite3_column_double(found, 12));
    file->unchanged = same && !row->replaced;
}

static bool update_seen(struct catalogue *catalogue, const struct store_stat *stat, struct store_file *file,
                        const struct seen_row *row, struct error *error) {
    if (!stat) stat = &row->stat;
    bool same = row->stat.size == stat->size && row->stat.mtime_ns == stat->mtime_ns &&
                row->stat.device == stat->device && row->stat.inode == stat->inode;
    if (same && !row->missing) return true;
    enum file_status status = file->status;
    if (row->missing) {
        bool ended = row->before == FILE_DONE || row->before == FILE_EMPTY || row->before == FILE_FAILED;
        status = file->unchanged && ended ? row->before : FILE_QUEUED;
        file->status = status;
    }
    return sql_run(catalogue, error,
                   "UPDATE files SET size = ?, mtime_ns = ?, device = ?, inode = ?, seen = ?, status = ?,"
                   " analysed_size = iif(?, NULL, analysed_size), status_before = NULL WHERE file_id = ?",
                   "iiiidtii", stat->size, stat->mtime_ns, (int64_t)stat->device, (int64_t)stat->inode, sql_now(),
                   file_status_name(status), (int64_t)row->replaced, file->file);
}

bool store_file_seen(struct catalogue *catalogue, const char *path, size_t length, const struct store_stat *stat,
                     struct store_file *file, struct error *error) {
    *file = (struct store_file){.status = FILE_QUEUED};
    sqlite3_stmt *found = sql_bind(
        catalogue, error,
        "SELECT f.file_id, f.status, f.status_before, f.content_id, c.audio_id,"
        " f.analysed_size, f.analysed_mtime_ns, f.profile, f.size, f.mtime_ns, f.device,"
        " f.inode, f.finished FROM files AS f LEFT JOIN contents AS c USING (content_id) WHERE f.path = ?",
        "b", (const void *)path, length);
    bool row = false;
    if (!found || !sql_step(catalogue, found, &row, error)) return false;
    if (!row) return insert_file(catalogue, path, length, stat, file, error);
    struct seen_row before;
    read_file(found, stat, file, &before);
    (void)sqlite3_reset(found);
    return update_seen(catalogue, stat, file, &before, error);
}

bool store_file_missing(struct catalogue *catalogue, int64_t file, struct error *error) {
    return sql_run(
               catalogue, error,
               "UPDATE files SET status_before = status, status = 'missing' WHERE file_id = ? AND status <> 'missing'",
               "i", file) &&
           sql_run(catalogue, error, "DELETE FROM queue WHERE file_id = ?", "i", file);
}

bool store_file_content(struct catalogue *catalogue, int64_t file, int64_t content, struct error *error) {
    return sql_run(catalogue, error, "UPDATE files SET content_id = ? WHERE file_id = ? AND content_id IS NOT ?", "iii",
                   content, file, content);
}

/* Ends the queue entry, or makes it wait again when something asked for it meanwhile. */
static bool finish_queue(struct catalogue *catalogue, int64_t file, struct error *error) {
    int64_t again = 0;
    if (!sql_number(catalogue, error, &again, "SELECT again FROM queue WHERE file_id = ?", "i", file)) return false;
    if (!again) return sql_run(catalogue, error, "DELETE FROM queue WHERE file_id = ?", "i", file);
    return sql_run(catalogue, error,
                   "UPDATE queue SET state = 'waiting', again = 0, attempts = 0, interrupted = 0 WHERE file_id = ?",
                   "i", file) &&
           sql_run(catalogue, error, "UPDATE files SET status = 'queued' WHERE file_id = ?", "i", file);
}

bool store_file_finish(struct catalogue *catalogue, int64_t file, enum file_status status, const char *reason,
                       const struct store_stat *stat, const char *profile, struct error *error) {
    /* A changed file that can't be decoded is no longer the content that it was. */
    bool fine = sql_run(
        catalogue, error,
        "UPDATE files SET content_id = CASE WHEN ?8 AND ?1 = 'failed' AND (analysed_size IS NOT ?3 OR"
        " analysed_mtime_ns IS NOT ?4) THEN NULL ELSE content_id END, status_reason = ?2,"
        " status = iif(status = 'missing', status, ?1), status_before = iif(status = 'missing', ?1, NULL),"
        " analysed_size = iif(?8, ?3, analysed_size), analysed_mtime_ns = iif(?8, ?4, analysed_mtime_ns),"
        " size = iif(?8, ?3, size), mtime_ns = iif(?8, ?4, mtime_ns), profile = ?5, finished = ?6 WHERE file_id = ?7",
        "ttiitdik", file_status_name(status), reason, stat ? stat->size : 0, stat ? stat->mtime_ns : 0, profile,
        sql_now(), file, stat != NULL);
    int64_t audio = 0;
    return fine && finish_queue(catalogue, file, error) &&
           sql_number(catalogue, error, &audio,
                      "SELECT audio_id FROM files JOIN contents USING (content_id) WHERE file_id = ?", "i", file) &&
           (audio == 0 || summary_update(catalogue, audio, error)) && search_update_file(catalogue, file, error);
}

/* ------------------------------------------------------------------------------------------------------------ queue */

/* Behind all that wait with this priority: looked up in the index, whatever the queue's length. */
#define NEXT_ARRIVAL(priority)                                                                                         \
    "ifnull((SELECT arrival FROM queue WHERE state = 'waiting' AND priority = " priority                               \
    " ORDER BY arrival DESC LIMIT 1), 0) + 1"

bool store_queue_add(struct catalogue *catalogue, int64_t file, int64_t priority, const char *options,
                     struct error *error) {
    return sql_run(
               catalogue, error,
               "INSERT INTO queue (file_id, state, priority, arrival, due, size, mtime_ns, options)"
               " SELECT file_id, 'waiting', ?2, " NEXT_ARRIVAL(
                   "?2") ", 0, size, mtime_ns, ?3"
                         " FROM files WHERE file_id = ?1"
                         " ON CONFLICT (file_id) DO UPDATE SET priority = max(priority, excluded.priority),"
                         " options = ifnull(excluded.options, options), size = excluded.size, mtime_ns = excluded.mtime_ns, due = 0,"
                         " again = max(again, state = 'working' AND (size <> excluded.size OR mtime_ns <> excluded.mtime_ns OR"
                         " excluded.options IS NOT NULL))",
               "iit", file, priority, options) &&
           sql_run(catalogue, error,
                   "UPDATE files SET status = 'queued' WHERE file_id = ? AND status NOT IN ('queued', 'working')", "i",
                   file);
}

bool store_queue_skipped(struct catalogue *catalogue, const char *plugin, const char *reason, int64_t max, int64_t *n,
                         struct error *error) {
    *n = 0;
    if (!sql_run(
            catalogue, error,
            "INSERT INTO queue (file_id, state, priority, arrival, due, size, mtime_ns)"
            " SELECT DISTINCT f.file_id, 'waiting', 0, " NEXT_ARRIVAL(
                "0") ", 0, f.size, f.mtime_ns"
                     " FROM region_analysis AS x JOIN regions AS r USING (region_id) JOIN contents AS c USING (audio_id)"
                     " JOIN files AS f USING (content_id)"
                     " WHERE x.plugin = ? AND x.outcome = 'skipped' AND x.reason = ? AND x.current AND r.current"
                     " AND f.status = 'done' LIMIT ?",
            "tti", plugin, reason, max))
        return false;
    *n = sqlite3_changes64(catalogue_db(catalogue));
    return sql_run(
        catalogue, error,
        "UPDATE files SET status = 'queued' WHERE status = 'done' AND file_id IN (SELECT file_id FROM queue)", "");
}

/* Also what is due in more than STORE_PUT_OFF_MAX: the clock was set back since. */
#define TAKE(order)                                                                                                    \
    "SELECT q.file_id, f.path, q.priority, q.interrupted, q.attempts, q.options, f.size, f.mtime_ns, f.device, "       \
    "f.inode"                                                                                                          \
    " FROM queue AS q JOIN files AS f USING (file_id) WHERE q.state = 'waiting' AND (q.due <= ?1 OR q.due > ?2)"       \
    " ORDER BY q.priority DESC, " order " LIMIT ?3"

static bool read_job(sqlite3_stmt *from, struct store_job *job, struct error *error) {
    *job = (struct store_job){.file = sqlite3_column_int64(from, 0),
                              .length = (size_t)sqlite3_column_bytes(from, 1),
                              .priority = sqlite3_column_int64(from, 2),
                              .interrupted = sqlite3_column_int64(from, 3),
                              .attempts = sqlite3_column_int64(from, 4),
                              .stat = {.size = sqlite3_column_int64(from, 6),
                                       .mtime_ns = sqlite3_column_int64(from, 7),
                                       .device = (uint64_t)sqlite3_column_int64(from, 8),
                                       .inode = (uint64_t)sqlite3_column_int64(from, 9)}};
    const void *path = sqlite3_column_blob(from, 1);
    job->path = calloc(1, job->length + 1);
    if (!job->path) return error_memory(error);
    if (job->length > 0) memcpy(job->path, path, job->length);
    return sql_copy(from, 5, &job->options, error);
}

void store_job_free(struct store_job *job) {
    free(job->path);
    free(job->options);
    *job = (struct store_job){0};
}

static bool read_jobs(struct catalogue *catalogue, sqlite3_stmt *from, struct store_job *jobs, size_t *n,
                      struct error *error) {
    bool row = true;
    while (true) {
        if (!sql_step(catalogue, from, &row, error)) return false;
        if (!row) return true;
        if (!read_job(from, &jobs[(*n)++], error)) {
            (void)sqlite3_reset(from);
            return false;
        }
    }
}

static bool mark_working(struct catalogue *catalogue, int64_t file, struct error *error) {
    return sql_run(catalogue, error, "UPDATE queue SET state = 'working', again = 0 WHERE file_id = ?", "i", file) &&
           sql_run(catalogue, error, "UPDATE files SET status = 'working' WHERE file_id = ?", "i", file);
}

bool store_queue_take(struct catalogue *catalogue, enum queue_order order, struct store_job *jobs, size_t max,
                      size_t *n, struct error *error) {
    static const char *const orders[] = {[QUEUE_OLDEST] = TAKE("q.mtime_ns"),
                                         [QUEUE_NEWEST] = TAKE("q.mtime_ns DESC"),
                                         [QUEUE_SMALLEST] = TAKE("q.size"),
                                         [QUEUE_ARRIVAL] = TAKE("q.arrival")};
    *n = 0;
    double now = sql_now();
    sqlite3_stmt *from = sql_bind(catalogue, error, orders[order], "ddi", now, now + STORE_PUT_OFF_MAX, (int64_t)max);
    bool fine = from && read_jobs(catalogue, from, jobs, n, error);
    for (size_t i = 0; fine && i < *n; i++) fine = mark_working(catalogue, jobs[i].file, error);
    if (fine) return true;
    for (size_t i = 0; i < *n; i++) store_job_free(&jobs[i]);
    *n = 0;
    return false;
}

bool store_queue_return(struct catalogue *catalogue, int64_t file, double delay, struct error *error) {
    return sql_run(catalogue, error,
                   "UPDATE queue SET state = 'waiting', again = 0, attempts = attempts + 1, due = ? WHERE file_id = ?",
                   "di", delay > 0 ? sql_now() + delay : 0.0, file) &&
           sql_run(catalogue, error,
                   "UPDATE files SET status = 'queued' WHERE file_id IN (SELECT file_id FROM queue WHERE file_id = ?)",
                   "i", file);
}

bool store_queue_recover(struct catalogue *catalogue, int64_t *recovered, struct error *error) {
    *recovered = 0;
    return sql_number(catalogue, error, recovered, "SELECT count(*) FROM queue WHERE state = 'working'", "") &&
           sql_run(
               catalogue, error,
               "UPDATE queue SET state = 'waiting', again = 0, interrupted = interrupted + 1 WHERE state = 'working'",
               "") &&
           sql_run(catalogue, error, "UPDATE files SET status = 'queued' WHERE status = 'working'", "");
}

bool store_queue_count(struct catalogue *catalogue, struct queue_counts *counts, struct error *error) {
    *counts = (struct queue_counts){0};
    return sql_number(catalogue, error, &counts->waiting, "SELECT count(*) FROM queue WHERE state = 'waiting'", "") &&
           sql_number(catalogue, error, &counts->working, "SELECT count(*) FROM queue WHERE state = 'working'", "") &&
           sql_number(catalogue, error, &counts->bytes,
                      "SELECT CAST(total(size) AS INTEGER) FROM queue WHERE state = 'waiting'", "");
}
