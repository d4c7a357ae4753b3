#include "engine/catalogue/store_sweep.h"

#include "engine/catalogue/sql.h"

#include <stdlib.h>
#include <string.h>

/* The path itself, and what lies between "PATH/" and "PATH0", for '0' follows '/'. */
struct range {
    char *low, *high;
    size_t n; /* of the path */
};

static bool range_of(const char *folder, struct range *range, struct error *error) {
    size_t n = strlen(folder);
    while (n > 0 && folder[n - 1] == '/') n--; /* "/" becomes "", below which everything lies */
    *range = (struct range){malloc(n + 2), malloc(n + 2), n};
    if (!range->low || !range->high) {
        free(range->low);
        free(range->high);
        return error_memory(error);
    }
    memcpy(range->low, folder, n);
    memcpy(range->high, folder, n);
    memcpy(range->low + n, "/", 2);
    memcpy(range->high + n, "0", 2);
    return true;
}

static void range_free(struct range *range) {
    free(range->low);
    free(range->high);
}

bool store_below(struct catalogue *catalogue, const char *folder, const char *after, struct store_below *files,
                 size_t max, size_t *n, struct error *error) {
    struct range range;
    *n = 0;
    if (!range_of(folder, &range, error)) return false;
    const char *from = after ? after : range.low;
    size_t from_length = after ? strlen(after) + 1 : range.n; /* with its zero: the first one behind it */
    sqlite3_stmt *found = sql_bind(
        catalogue, error,
        "SELECT file_id, path, device FROM files WHERE path >= ?1 AND path < ?3 AND (path > ?2 OR path = ?4)"
        " AND status <> 'missing' ORDER BY path LIMIT ?5",
        "bbbbi", (const void *)from, from_length, (const void *)range.low, range.n + 1, (const void *)range.high,
        range.n + 1, (const void *)range.low, range.n, (int64_t)max);
    bool row = false, ok = found != NULL;
    while (ok && (ok = sql_step(catalogue, found, &row, error)) && row) {
        char *path = strndup(sqlite3_column_blob(found, 1), (size_t)sqlite3_column_bytes(found, 1));
        if (!path) {
            (void)sqlite3_reset(found);
            ok = error_memory(error);
            break;
        }
        files[(*n)++] = (struct store_below){sqlite3_column_int64(found, 0), path,
                                             (uint64_t)sqlite3_column_int64(found, 2)};
    }
    range_free(&range);
    for (size_t i = 0; !ok && i < *n; i++) free(files[i].path);
    if (!ok) *n = 0;
    return ok;
}

bool store_queue_stale(struct catalogue *catalogue, const char *folder, const char *profile, int64_t priority,
                       int64_t after, int64_t *files, size_t max, size_t *n, struct error *error) {
    struct range range;
    *n = 0;
    if (!range_of(folder, &range, error)) return false;
    sqlite3_stmt *found = sql_bind(
        catalogue, error,
        "SELECT file_id FROM files WHERE file_id > ?1 AND status IN ('done', 'empty') AND profile IS NOT ?2"
        " AND ((path > ?3 AND path < ?4) OR path = ?5) ORDER BY file_id LIMIT ?6",
        "itbbbi", after, profile, (const void *)range.low, range.n + 1, (const void *)range.high, range.n + 1,
        (const void *)range.low, range.n, (int64_t)max);
    bool row = false, ok = found != NULL;
    while (ok && (ok = sql_step(catalogue, found, &row, error)) && row) files[(*n)++] = sqlite3_column_int64(found, 0);
    range_free(&range);
    for (size_t i = 0; ok && i < *n; i++) ok = store_queue_add(catalogue, files[i], priority, NULL, error);
    return ok;
}

bool store_queue_next(struct catalogue *catalogue, int64_t attempts, double *seconds, struct error *error) {
    sqlite3_stmt *found = sql_bind(catalogue, error,
                                   "SELECT min(due) FROM queue WHERE state = 'waiting' AND due > 0 AND attempts < ?",
                                   "i", attempts);
    bool row = false;
    *seconds = -1;
    if (!found || !sql_step(catalogue, found, &row, error)) return false;
    if (row && sqlite3_column_type(found, 0) != SQLITE_NULL) {
        double left = sqlite3_column_double(found, 0) - sql_now();
        *seconds = left > 0 && left <= STORE_PUT_OFF_MAX ? left : 0;
    }
    (void)sqlite3_reset(found);
    return true;
}
