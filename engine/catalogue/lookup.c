#include "engine/catalogue/lookup.h"

#include "engine/catalogue/sql.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES                                                                                                          \
    "SELECT f.file_id, f.content_id, c.audio_id FROM files AS f LEFT JOIN contents AS c USING (content_id) WHERE "

/* Files of the name ?1. What is missing counts only where nothing else is called so: a file that was moved unseen has left
 * a row behind. */
#define NAMED                                                                                                          \
    "f.name = ?1 AND (f.status <> 'missing' OR NOT EXISTS (SELECT 1 FROM files AS o WHERE o.name = ?1 AND"             \
    " o.status <> 'missing'))"

static bool read_file(struct catalogue *catalogue, sqlite3_stmt *from, struct lookup *found, struct error *error) {
    bool row = false;
    if (!from || !sql_step(catalogue, from, &row, error)) return false;
    if (!row) return true;
    found->file = sqlite3_column_int64(from, 0);
    found->content = sqlite3_column_int64(from, 1);
    found->audio = sqlite3_column_int64(from, 2);
    (void)sqlite3_reset(from);
    return true;
}

static bool by_path(struct catalogue *catalogue, const char *path, struct lookup *found, struct error *error) {
    return read_file(catalogue, sql_bind(catalogue, error, FILES "f.path = ?", "b", (const void *)path, strlen(path)),
                     found, error);
}

/* The path with the working directory before it, "." and ".." resolved as text: the file itself may be gone. */
static bool absolute(const char *path, char out[PATH_MAX]) {
    char whole[PATH_MAX], folder[PATH_MAX] = "";
    if (path[0] != '/' && !getcwd(folder, sizeof folder)) return false;
    if (snprintf(whole, sizeof whole, "%s/%s", folder, path) >= (int)sizeof whole) return false;
    size_t n = 0;
    char *rest = NULL;
    for (char *part = strtok_r(whole, "/", &rest); part; part = strtok_r(NULL, "/", &rest)) {
        if (strcmp(part, ".") == 0) continue;
        if (strcmp(part, "..") == 0) {
            while (n > 0 && out[--n] != '/') continue;
            continue;
        }
        n += (size_t)sprintf(out + n, "/%s", part); /* never longer than `whole` */
    }
    out[n] = '\0';
    return n > 0;
}

/* A file whose name this is: found when there is one, a sentence that lists some when there are more. */
static bool by_name(struct catalogue *catalogue, const char *name, struct lookup *found, struct error *error) {
    int64_t count = 0;
    if (!sql_number(catalogue, error, &count, "SELECT count(*) FROM files AS f WHERE " NAMED, "t", name)) return false;
    if (count == 1) return read_file(catalogue, sql_bind(catalogue, error, FILES NAMED, "t", name), found, error);
    if (count == 0) return error_set(error, "%s: not in the catalogue (`sonde analyze` puts it there)", name);
    sqlite3_stmt *from = sql_bind(
        catalogue, error,
        "SELECT group_concat(path_text, ', ') FROM (SELECT f.path_text FROM files AS f WHERE " NAMED
        " ORDER BY f.path_text LIMIT 3)",
        "t", name);
    bool row = false;
    if (!from || !sql_step(catalogue, from, &row, error)) return false;
    error_set(error, "%lld files are called %s, say which: %s%s", (long long)count, name,
              (const char *)sqlite3_column_text(from, 0), count > 3 ? " ..." : "");
    (void)sqlite3_reset(from);
    return false;
}

static bool find_file(struct catalogue *catalogue, const char *name, struct lookup *found, struct error *error) {
    char path[PATH_MAX];
    if (!by_path(catalogue, name, found, error)) return false;
    if (!found->file && absolute(name, path) && !by_path(catalogue, path, found, error)) return false;
    if (!found->file && realpath(name, path) && !by_path(catalogue, path, found, error)) return false;
    return found->file || by_name(catalogue, name, found, error);
}

static bool find_region(struct catalogue *catalogue, const char *digits, struct lookup *found, struct error *error) {
    found->position = strtoll(digits, NULL, 10);
    if (!sql_number(catalogue, error, &found->region,
                    "SELECT region_id FROM regions WHERE audio_id = ? AND current AND position = ?", "ii", found->audio,
                    found->position))
        return false;
    if (found->region) return true;
    int64_t count = 0;
    if (!sql_number(catalogue, error, &count, "SELECT count(*) FROM regions WHERE audio_id = ? AND current", "i",
                    found->audio))
        return false;
    return error_set(error, "the file has no region %s: it has %lld, counted from 0", digits, (long long)count);
}

bool lookup_find(struct catalogue *catalogue, const char *name, struct lookup *found, struct error *error) {
    *found = (struct lookup){.position = -1};
    struct error whole = {0};
    if (find_file(catalogue, name, found, &whole)) return true; /* a name may contain # itself */
    const char *mark = strrchr(name, '#');
    size_t digits = mark ? strspn(mark + 1, "0123456789") : 0;
    if (digits == 0 || digits > 9 || mark[1 + digits] != '\0') {
        if (error) *error = whole;
        return false;
    }
    char *file = strndup(name, (size_t)(mark - name));
    if (!file) return error_memory(error);
    bool fine = find_file(catalogue, file, found, error) && find_region(catalogue, mark + 1, found, error);
    free(file);
    return fine;
}
