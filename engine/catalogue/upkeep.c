#include "engine/catalogue/upkeep.h"

#include "engine/catalogue/migrations.h"
#include "engine/catalogue/search.h"
#include "engine/catalogue/sql.h"
#include "engine/catalogue/summary.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool upkeep_backup(struct catalogue *catalogue, const char *to, struct error *error) {
    /* Only the new file is written, but a reading connection's guard forbids that too. */
    int64_t guard = 0;
    if (!sql_number(catalogue, error, &guard, "PRAGMA query_only", "")) return false;
    bool fine = catalogue_execute(catalogue, "PRAGMA query_only = OFF", error) &&
                migrations_backup(catalogue_db(catalogue), to, error);
    if (guard) (void)catalogue_execute(catalogue, "PRAGMA query_only = ON", NULL);
    return fine;
}

bool upkeep_vacuum(struct catalogue *catalogue, struct error *error) {
    return catalogue_execute(catalogue, "INSERT INTO search (search) VALUES ('optimize'); VACUUM", error);
}

/* ------------------------------------------------------------------------------------------------------------- prune
 */

/* Runs a DELETE and counts its rows. */
static bool delete_rows(struct catalogue *catalogue, int64_t *count, const char *sql, struct error *error) {
    if (!sql_run(catalogue, error, sql, "")) return false;
    *count = sqlite3_changes64(catalogue_db(catalogue));
    return true;
}

/* Triggers add up what comes; who deletes counts anew. */
static bool count_costs(struct catalogue *catalogue, struct error *error) {
    return sql_run(catalogue, error, "DELETE FROM plugin_costs", "") &&
           sql_run(catalogue, error, "INSERT INTO plugin_costs SELECT * FROM plugin_costs_counted", "");
}

static bool prune(struct catalogue *catalogue, bool missing, struct upkeep_pruned *pruned, struct error *error) {
    if (missing &&
        (!sql_run(catalogue, error,
                  "DELETE FROM search WHERE rowid IN (SELECT file_id FROM files WHERE status = 'missing')", "") ||
         !delete_rows(catalogue, &pruned->files, "DELETE FROM files WHERE status = 'missing'", error)))
        return false;
    return delete_rows(catalogue, &pruned->results, "DELETE FROM region_analysis WHERE NOT current", error) &&
           delete_rows(catalogue, &pruned->regions, "DELETE FROM regions WHERE NOT current", error) &&
           delete_rows(
               catalogue, &pruned->contents,
               "DELETE FROM contents WHERE content_id NOT IN (SELECT content_id FROM files WHERE content_id IS NOT"
               " NULL)",
               error) &&
           delete_rows(catalogue, &pruned->audio,
                       "DELETE FROM audio WHERE audio_id NOT IN (SELECT audio_id FROM contents)"
                       " AND audio_id NOT IN (SELECT audio_id FROM edits)"
                       " AND audio_id NOT IN (SELECT audio_id FROM tags WHERE NOT automatic)",
                       error) &&
           sql_run(catalogue, error,
                   "DELETE FROM vector_pages WHERE model NOT IN (SELECT DISTINCT model FROM region_vectors)", "") &&
           count_costs(catalogue, error);
}

/* Runs between BEGIN and COMMIT, with a ROLLBACK when it fails. */
static bool end_transaction(struct catalogue *catalogue, bool fine, struct error *error) {
    if (fine && catalogue_execute(catalogue, "COMMIT", error)) return true;
    (void)catalogue_execute(catalogue, "ROLLBACK", NULL);
    return false;
}

bool upkeep_prune(struct catalogue *catalogue, bool missing, struct upkeep_pruned *pruned, struct error *error) {
    *pruned = (struct upkeep_pruned){0};
    if (!catalogue_execute(catalogue, "BEGIN IMMEDIATE", error)) return false;
    return end_transaction(catalogue, prune(catalogue, missing, pruned, error), error);
}

/* ----------------------------------------------------------------------------------------------------------- recover
 */

/* Tables in the order of their references; what isn't here is made anew. */
static const char *const tables[] = {"runs",    "audio",           "contents",  "files",     "queue",
                                     "regions", "region_analysis", "arrays",    "waveforms", "edits",
                                     "tags",    "plugins",         "incidents", "strikes"};
enum { TABLES = sizeof tables / sizeof *tables };

/* The ordinary (not generated) columns of a table, with commas between them. */
static char *columns_of(sqlite3 *from, const char *table) {
    static const char sql[] = "SELECT group_concat('\"' || name || '\"') FROM pragma_table_xinfo(?) WHERE hidden = 0";
    sqlite3_stmt *statement = NULL;
    char *columns = NULL;
    if (sqlite3_prepare_v2(from, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_bind_text(statement, 1, table, -1, SQLITE_STATIC) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_type(statement, 0) != SQLITE_NULL)
        columns = strdup((const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    return columns;
}

struct copier {
    sqlite3_stmt *read, *write;
    bool has_rowid;
    int64_t rows;
    bool damaged;
};

/* What may have lost rows that nothing misses. */
struct damage {
    bool results; /* something that analysis makes */
    bool arrays;
};

static void note_damage(struct damage *damage, const char *table) {
    static const char *const made[] = {"audio", "regions", "region_analysis", "arrays", "waveforms"};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) damage->results |= strcmp(table, made[i]) == 0;
    damage->arrays |= strcmp(table, "arrays") == 0;
}

static bool prepare_copier(struct catalogue *to, sqlite3 *from, const char *table, struct copier *copier,
                           struct error *error) {
    char *columns = columns_of(from, table);
    *copier = (struct copier){.has_rowid = strcmp(table, "arrays") != 0};
    if (!columns) return true; /* the table can't be read at all */
    sqlite3_str *marks = sqlite3_str_new(NULL);
    for (const char *c = columns; c; c = strchr(c + 1, ',')) sqlite3_str_appendall(marks, c == columns ? "?" : ", ?");
    char *values = sqlite3_str_finish(marks);
    char *read = sqlite3_mprintf(copier->has_rowid ? "SELECT %s, rowid FROM \"%w\" WHERE rowid >= ? ORDER BY rowid"
                                                   : "SELECT %s, 0 FROM \"%w\"",
                                 columns, table);
    char *write = sqlite3_mprintf("INSERT OR IGNORE INTO \"%w\" (%s) VALUES (%s)", table, columns, values);
    bool fine = read && write;
    if (!fine) error_memory(error);
    if (fine && sqlite3_prepare_v2(from, read, -1, &copier->read, NULL) != SQLITE_OK) copier->damaged = true;
    if (fine && sqlite3_prepare_v2(catalogue_db(to), write, -1, &copier->write, NULL) != SQLITE_OK)
        fine = catalogue_failed(to, error, "can't write the new catalogue");
    sqlite3_free(values);
    sqlite3_free(read);
    sqlite3_free(write);
    free(columns);
    return fine;
}

/* Copies the row that `read` stands on. A row that breaks a rule of the table is left out. */
static bool copy_row(struct catalogue *to, struct copier *copier, struct error *error) {
    int n = sqlite3_column_count(copier->read) - 1;
    for (int i = 0; i < n; i++) (void)sqlite3_bind_value(copier->write, i + 1, sqlite3_column_value(copier->read, i));
    int code = sqlite3_step(copier->write);
    const int copied = code == SQLITE_DONE ? sqlite3_changes(catalogue_db(to)) : 0;
    copier->rows += copied;
    copier->damaged |= copied == 0;
    (void)sqlite3_reset(copier->write);
    return code == SQLITE_DONE || (code & 0xff) == SQLITE_CONSTRAINT || (code & 0xff) == SQLITE_MISMATCH ||
           catalogue_failed(to, error, "can't write the new catalogue");
}

/* Copies from row id `first` on; past a place that can't be read it goes on with ever larger steps. */
static bool copy_table(struct catalogue *to, struct copier *copier, struct error *error) {
    int64_t next = INT64_MIN, step = 1;
    while (copier->read) {
        (void)sqlite3_reset(copier->read);
        if (copier->has_rowid) (void)sqlite3_bind_int64(copier->read, 1, next);
        int code;
        while ((code = sqlite3_step(copier->read)) == SQLITE_ROW) {
            if (!copy_row(to, copier, error)) return false;
            if (!copier->has_rowid) continue;
            next = sqlite3_column_int64(copier->read, sqlite3_column_count(copier->read) - 1) + 1;
            step = 1;
        }
        if (code == SQLITE_DONE) return true;
        copier->damaged = true;
        if (!copier->has_rowid || step > ((int64_t)1 << 40)) return true;
        next = next < 0 ? 1 : next + step;
        step *= 2;
    }
    return true;
}

static bool copy_tables(struct catalogue *to, sqlite3 *from, struct upkeep_recovered *recovered, struct damage *damage,
                        struct error *error) {
    bool fine = true;
    for (int i = 0; i < TABLES && fine; i++) {
        struct copier copier;
        fine = prepare_copier(to, from, tables[i], &copier, error) && copy_table(to, &copier, error);
        recovered->rows += copier.rows;
        if (copier.damaged || !copier.read) {
            recovered->tables++;
            note_damage(damage, tables[i]);
        }
        sqlite3_finalize(copier.read);
        sqlite3_finalize(copier.write);
    }
    return fine;
}

/* Takes out what hangs on a row that is gone, until everything holds. */
static bool drop_dangling(struct catalogue *to, int64_t *lost, struct damage *damage, struct error *error) {
    static const struct {
        const char *table, *sql; /* table: whose rows are taken out; NULL: none */
    } drops[] = {
        {"contents", "DELETE FROM contents WHERE audio_id NOT IN (SELECT audio_id FROM audio)"},
        {NULL,
         "UPDATE files SET content_id = NULL, analysed_size = NULL WHERE content_id NOT IN (SELECT content_id FROM"
         " contents)"},
        {"queue", "DELETE FROM queue WHERE file_id NOT IN (SELECT file_id FROM files)"},
        {"regions", "DELETE FROM regions WHERE audio_id NOT IN (SELECT audio_id FROM audio)"},
        {NULL, "UPDATE region_analysis SET run_id = NULL WHERE run_id NOT IN (SELECT run_id FROM runs)"},
        {"region_analysis", "DELETE FROM region_analysis WHERE region_id NOT IN (SELECT region_id FROM regions)"},
        {"arrays", "DELETE FROM arrays WHERE analysis_id NOT IN (SELECT analysis_id FROM region_analysis)"},
        {"waveforms", "DELETE FROM waveforms WHERE audio_id NOT IN (SELECT audio_id FROM audio)"},
        {"edits", "DELETE FROM edits WHERE audio_id NOT IN (SELECT audio_id FROM audio)"},
        {"tags", "DELETE FROM tags WHERE audio_id NOT IN (SELECT audio_id FROM audio)"},
        {NULL, "UPDATE edits SET region_id = NULL WHERE region_id NOT IN (SELECT region_id FROM regions)"},
        {NULL, "UPDATE tags SET region_id = NULL WHERE region_id NOT IN (SELECT region_id FROM regions)"},
        {NULL, "UPDATE incidents SET run_id = NULL WHERE run_id NOT IN (SELECT run_id FROM runs)"},
        {NULL, "UPDATE incidents SET file_id = NULL WHERE file_id NOT IN (SELECT file_id FROM files)"},
        {NULL, "UPDATE incidents SET region_id = NULL WHERE region_id NOT IN (SELECT region_id FROM regions)"},
        {"strikes", "DELETE FROM strikes WHERE incident_id NOT IN (SELECT incident_id FROM incidents)"},
    };
    for (size_t i = 0; i < sizeof drops / sizeof *drops; i++) {
        if (!sql_run(to, error, drops[i].sql, "")) return false;
        const int64_t rows = drops[i].table ? sqlite3_changes64(catalogue_db(to)) : 0;
        *lost += rows;
        if (rows > 0) note_damage(damage, drops[i].table);
    }
    return true;
}

/* Results whose arrays are lost stay, but by a name that no analysis will find: the next one makes them anew, with
 * arrays. */
static bool rename_halved(struct catalogue *to, struct error *error) {
    return sql_run(
        to, error,
        "UPDATE region_analysis AS x SET identity = printf('%032x', analysis_id) WHERE outcome = 'ok' AND EXISTS"
        " (SELECT 1 FROM plugins AS p, json_each(p.descriptor, '$.arrays') AS a WHERE p.plugin = x.plugin AND"
        " json_extract(a.value, '$.name') NOT IN (SELECT name FROM arrays WHERE analysis_id = x.analysis_id))",
        "");
}

/* Files whose results are not whole are looked at again: what is there of them is found by its identity, and not made
 * anew. Where rows may be lost that nothing tells of, that goes for all. */
static bool queue_again(struct catalogue *to, bool all, int64_t *queued, struct error *error) {
    return sql_run(
               to, error,
               "UPDATE files AS f SET status = iif(status = 'missing', status, 'queued'), profile = NULL,"
               " analysed_size = NULL WHERE status IN ('done', 'empty', 'missing') AND (? OR content_id IS NULL OR"
               " regions IS NOT (SELECT count(*) FROM regions AS r WHERE r.audio_id = f.file_audio_id AND r.current)"
               " OR EXISTS (SELECT 1 FROM regions AS r, plugins AS p WHERE r.audio_id = f.file_audio_id AND r.current AND"
               " p.enabled AND p.state = 'ready' AND p.first_seen <= f.finished AND NOT EXISTS (SELECT 1 FROM"
               " region_analysis AS x WHERE x.region_id = r.region_id AND x.plugin = p.plugin AND x.current)))",
               "k", (int)all) &&
           sql_run(
               to, error,
               "INSERT INTO queue (file_id, state, priority, arrival, due, size, mtime_ns) SELECT file_id, 'waiting',"
               " 0, file_id, 0, size, mtime_ns FROM files WHERE status IN ('queued', 'working') AND file_id NOT IN"
               " (SELECT file_id FROM queue)",
               "") &&
           sql_number(to, error, queued, "SELECT count(*) FROM queue", "");
}

static bool compute_anew(struct catalogue *to, struct error *error) {
    int64_t audio = 0, file = 0, next = 0;
    summary_rules_changed(to);
    while (true) {
        next = 0;
        if (!sql_number(to, error, &next, "SELECT min(audio_id) FROM audio WHERE audio_id > ?", "i", audio))
            return false;
        if (next == 0) break;
        if (!summary_update(to, next, error)) return false;
        audio = next;
    }
    while (true) {
        next = 0;
        if (!sql_number(to, error, &next, "SELECT min(file_id) FROM files WHERE file_id > ?", "i", file)) return false;
        if (next == 0) return true;
        if (!search_update_file(to, next, error)) return false;
        file = next;
    }
}

static bool recover(struct catalogue *to, sqlite3 *from, struct upkeep_recovered *recovered, struct error *error) {
    if (!catalogue_execute(to, "PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE", error)) return false;
    struct damage damage = {0};
    bool fine = copy_tables(to, from, recovered, &damage, error) &&
                drop_dangling(to, &recovered->lost, &damage, error) && (!damage.arrays || rename_halved(to, error)) &&
                queue_again(to, damage.results, &recovered->queued, error) && count_costs(to, error) &&
                compute_anew(to, error);
    return end_transaction(to, fine, error) && catalogue_execute(to, "PRAGMA foreign_keys = ON", error);
}

bool upkeep_recover(const char *path, const char *to, struct upkeep_recovered *recovered, struct error *error) {
    *recovered = (struct upkeep_recovered){0};
    if (access(to, F_OK) == 0) return error_system(error, EEXIST, "can't recover into %s", to);
    sqlite3 *from = NULL;
    if (sqlite3_open_v2(path, &from, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        error_set(error, "can't open %s: %s", path, sqlite3_errmsg(from));
        (void)sqlite3_close(from);
        return false;
    }
    struct catalogue *catalogue = catalogue_open(to, CATALOGUE_WRITE, error);
    bool fine = catalogue && recover(catalogue, from, recovered, error);
    catalogue_close(catalogue);
    (void)sqlite3_close(from);
    return fine;
}
