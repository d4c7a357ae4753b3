/* Files that were moved or are gone, as a watcher tells. */
#include "engine/base/text.h"
#include "engine/catalogue/search.h"
#include "engine/catalogue/sql.h"
#include "engine/catalogue/store.h"

#include <stdlib.h>
#include <string.h>

/* One row of `files`. */
struct row {
    int64_t file;
    char *path; /* zero-terminated */
};

struct rows {
    struct row *items;
    size_t n, room;
};

static void rows_free(struct rows *rows) {
    for (size_t i = 0; i < rows->n; i++) free(rows->items[i].path);
    free(rows->items);
}

static bool add_row(struct rows *rows, sqlite3_stmt *found) {
    if (rows->n == rows->room) {
        size_t room = rows->room ? 2 * rows->room : 16;
        struct row *grown = realloc(rows->items, room * sizeof *grown);
        if (!grown) return false;
        rows->items = grown;
        rows->room = room;
    }
    char *path = strndup(sqlite3_column_blob(found, 1), (size_t)sqlite3_column_bytes(found, 1));
    if (!path) return false;
    rows->items[rows->n++] = (struct row){sqlite3_column_int64(found, 0), path};
    return true;
}

/* The file at `path`, or all files below that folder: paths between "PATH/" and "PATH0", for '0' follows '/'. */
static bool find_rows(struct catalogue *catalogue, const char *path, bool folder, struct rows *rows,
                      struct error *error) {
    size_t n = strlen(path);
    char *low = malloc(n + 2), *high = malloc(n + 2);
    bool ok = (low && high) || error_memory(error);
    sqlite3_stmt *found = NULL;
    if (ok) {
        memcpy(low, path, n + 1);
        memcpy(high, path, n + 1);
        if (folder) {
            memcpy(low + n, "/", 2);
            memcpy(high + n, "0", 2);
        }
        found = folder ? sql_bind(catalogue, error, "SELECT file_id, path FROM files WHERE path > ? AND path < ?", "bb",
                                  (const void *)low, n + 1, (const void *)high, n + 1)
                       : sql_bind(catalogue, error, "SELECT file_id, path FROM files WHERE path = ?", "b",
                                  (const void *)path, n);
        ok = found != NULL;
    }
    for (bool row = ok; row;) {
        ok = sql_step(catalogue, found, &row, error);
        if (!ok) break;
        if (row && !add_row(rows, found)) {
            sqlite3_reset(found);
            ok = error_memory(error);
            break;
        }
    }
    free(low);
    free(high);
    return ok;
}

/* What was at the new path is no more: its row gives way, its sound stays with all that hangs on it. */
static bool move_row(struct catalogue *catalogue, const struct row *row, const char *to, struct error *error) {
    size_t n = strlen(to);
    char *text = text_display(to, n);
    if (!text) return error_memory(error);
    const char *slash = strrchr(text, '/');
    bool ok = sql_run(catalogue, error,
                      "DELETE FROM search WHERE rowid IN (SELECT file_id FROM files WHERE path = ? AND file_id <> ?)",
                      "bi", (const void *)to, n, row->file) &&
              sql_run(catalogue, error, "DELETE FROM files WHERE path = ? AND file_id <> ?", "bi", (const void *)to, n,
                      row->file) &&
              sql_run(catalogue, error, "UPDATE files SET path = ?, path_text = ?, name = ? WHERE file_id = ?", "btti",
                      (const void *)to, n, text, slash && slash[1] ? slash + 1 : text, row->file) &&
              search_update_file(catalogue, row->file, error);
    free(text);
    return ok;
}

bool store_path_moved(struct catalogue *catalogue, const char *from, const char *to, bool folder, struct error *error) {
    struct rows rows = {0};
    size_t n = strlen(from), m = strlen(to);
    bool ok = find_rows(catalogue, from, folder, &rows, error);
    for (size_t i = 0; ok && i < rows.n; i++) {
        size_t rest = strlen(rows.items[i].path) - n;
        char *path = malloc(m + rest + 1);
        if (!path) {
            ok = error_memory(error);
            break;
        }
        memcpy(path, to, m);
        memcpy(path + m, rows.items[i].path + n, rest + 1);
        ok = move_row(catalogue, &rows.items[i], path, error);
        free(path);
    }
    rows_free(&rows);
    return ok;
}

bool store_path_gone(struct catalogue *catalogue, const char *path, bool folder, struct error *error) {
    struct rows rows = {0};
    bool ok = find_rows(catalogue, path, folder, &rows, error);
    for (size_t i = 0; ok && i < rows.n; i++) ok = store_file_missing(catalogue, rows.items[i].file, error);
    rows_free(&rows);
    return ok;
}

bool store_file_is_at(struct catalogue *catalogue, int64_t file, const char *path, bool *is, struct error *error) {
    int64_t there = 0;
    bool ok = sql_number(catalogue, error, &there, "SELECT 1 FROM files WHERE file_id = ? AND path = ?", "ib", file,
                         (const void *)path, strlen(path));
    *is = there == 1;
    return ok;
}
