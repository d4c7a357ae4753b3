#include "engine/cli/export_csv.h"

#include "engine/catalogue/keys.h"
#include "engine/catalogue/sql.h"
#include "engine/cli/cells.h"

#include <math.h>
#include <string.h>

/* Names and where the values come from: files AS f, contents AS c, audio AS a, regions AS r, and the summary AS s of the file
 * or of the region. Each list is a macro, so that head and statement can't disagree. */
/* clang-format off */
#define FIRST(X)                                                                                                       \
    X("path", "f.path_text")                                                                                           \
    X("path_hex", "CASE WHEN CAST(f.path AS TEXT) IS NOT f.path_text THEN lower(hex(f.path)) END")

#define PLACE(X)                                                                                                       \
    X("region", "r.position")                                                                                          \
    X("start", "r.start") X("end", "r.end") X("sound_start", "r.sound_start") X("sound_end", "r.sound_end")

#define VALUES(X)                                                                                                      \
    X("duration", "s.duration")                                                                                        \
    X("bpm", "s.bpm")                                                                                                  \
    X("bpm_confidence", "s.bpm_confidence")                                                                            \
    X("bpm_source", "s.bpm_source")                                                                                    \
    X("key", "s.key") X("camelot", "s.key") X("key_confidence", "s.key_confidence") X("key_source", "s.key_source")    \
    X("label", "s.label") X("label_confidence", "s.label_confidence") X("label_source", "s.label_source")          \
    X("content", "s.content") X("loudness", "s.loudness")

#define IN_SUMMARY(X, name) X(name, "json_extract(s.summary, '$." name "')")
#define SUMMARY(X)                                                                                                     \
    IN_SUMMARY(X, "kind")                                                                                              \
    IN_SUMMARY(X, "meter")                                                                                             \
    IN_SUMMARY(X, "chord")                                                                                             \
    IN_SUMMARY(X, "tuning_hz")                                                                                         \
    IN_SUMMARY(X, "rms") IN_SUMMARY(X, "peak") IN_SUMMARY(X, "true_peak") IN_SUMMARY(X, "lufs_range")                  \
    IN_SUMMARY(X, "crest") IN_SUMMARY(X, "silence") IN_SUMMARY(X, "width") IN_SUMMARY(X, "centroid")               \
    IN_SUMMARY(X, "rolloff") IN_SUMMARY(X, "flatness") IN_SUMMARY(X, "onset_rate") IN_SUMMARY(X, "attack")     \
    IN_SUMMARY(X, "decay") IN_SUMMARY(X, "harmonic") IN_SUMMARY(X, "f0_median") IN_SUMMARY(X, "voiced")

#define TAGS(where)                                                                                                    \
    "(SELECT group_concat(name) FROM (SELECT DISTINCT name FROM tags WHERE audio_id = a.audio_id AND " where           \
    " ORDER BY name))"
#define DATE(of) "strftime('%Y-%m-%dT%H:%M:%SZ', " of ", 'unixepoch')"
#define LAST(X, own)                                                                                                   \
    X("tags", TAGS("NOT automatic" own))                                                                               \
    X("heard", TAGS("automatic AND source <> 'user'"))                                                                                   \
    X("status", "f.status")                                                                                            \
    X("warnings", "(SELECT group_concat(value, '; ') FROM json_each(a.warnings))")                                     \
    X("rate", "a.rate")                                                                                                \
    X("channels", "a.channels") X("container", "c.container") X("codec", "c.codec") X("bit_depth", "c.bit_depth")      \
    X("title", "c.title") X("artist", "c.artist") X("album", "c.album") X("comment", "c.comment")                  \
    X("embedded_bpm", "c.embedded_bpm") X("embedded_key", "c.embedded_key") X("size", "f.size")                \
    X("modified", DATE("f.mtime_ns / 1000000000")) X("added", DATE("f.added"))                             \
    X("analysed", DATE("f.finished")) X("audio_hash", "a.audio_hash") X("bytes_hash", "c.bytes_hash")

#define OWN_TAGS              " AND (start_frame IS NULL OR region_id = r.region_id)"
#define NAME(name, sql)       name ","
#define EXPRESSION(name, sql) sql ","

static const char file_names[] = FIRST(NAME) VALUES(NAME) SUMMARY(NAME) LAST(NAME, "");
static const char region_names[] = FIRST(NAME) PLACE(NAME) VALUES(NAME) SUMMARY(NAME) LAST(NAME, "");

#define FROM " NULL FROM files AS f LEFT JOIN contents AS c USING (content_id) LEFT JOIN audio AS a USING (audio_id)"

static const char file_sql[] = "SELECT " FIRST(EXPRESSION) VALUES(EXPRESSION) SUMMARY(EXPRESSION) LAST(EXPRESSION, "")
    FROM " LEFT JOIN audio_summary AS s USING (audio_id) WHERE f.file_id = ?1";
static const char region_sql[] = "SELECT " FIRST(EXPRESSION) PLACE(EXPRESSION) VALUES(EXPRESSION) SUMMARY(EXPRESSION)
    LAST(EXPRESSION, OWN_TAGS) FROM " JOIN regions AS r ON r.region_id = ?2"
                                    " LEFT JOIN region_summary AS s USING (region_id) WHERE f.file_id = ?1";
/* clang-format on */

/* Whether `name` is one of `names`, which have a comma behind each. */
static bool is_among(const char *names, const char *name, size_t n) {
    for (; *names; names += strcspn(names, ",") + 1)
        if (strcspn(names, ",") == n && memcmp(names, name, n) == 0) return true;
    return false;
}

static bool add_column(struct export_columns *columns, const char *name, size_t n, struct error *error) {
    if (n == 0 || n >= QUERY_NAME || strspn(name, QUERY_NAME_LETTERS) != n)
        return error_set(error, "--columns %.*s: should be names of values, like swing,tempo_stability", (int)n, name);
    if (is_among(file_names, name, n)) return true;
    for (size_t i = 0; i < columns->count; i++)
        if (strlen(columns->names[i]) == n && memcmp(columns->names[i], name, n) == 0) return true;
    if (columns->count == EXPORT_COLUMNS) return error_set(error, "--columns: at most %d", EXPORT_COLUMNS);
    memcpy(columns->names[columns->count], name, n);
    columns->names[columns->count++][n] = '\0';
    return true;
}

bool export_columns_add(struct export_columns *columns, const char *list, struct error *error) {
    for (size_t n;; list += n + 1) {
        n = strcspn(list, ",");
        if (!add_column(columns, list, n, error)) return false;
        if (!list[n]) return true;
    }
}

void export_csv_head(FILE *out, bool regions, const struct export_columns *columns, bool similar) {
    const char *names = regions ? region_names : file_names;
    fprintf(out, "%.*s", (int)strlen(names) - 1, names);
    for (size_t i = 0; i < columns->count; i++) fprintf(out, ",%s", columns->names[i]);
    fprintf(out, "%s\r\n", similar ? ",similarity" : "");
}

/* The code of the key where the column is of that name. */
static const char *text_of(sqlite3_stmt *from, int column, const char *name, size_t n) {
    const char *text = (const char *)sqlite3_column_text(from, column);
    return text && n == 7 && memcmp(name, "camelot", 7) == 0 ? keys_camelot(keys_parse(text)) : text;
}

#define VALUE "SELECT json_extract(summary, '$.\"' || ?2 || '\"') FROM "

static bool put_column(FILE *out, struct catalogue *catalogue, const struct query_row *sound, const char *name,
                       struct error *error) {
    sqlite3_stmt *from =
        sound->region
            ? sql_bind(catalogue, error, VALUE "region_summary WHERE region_id = ?1", "it", sound->region, name)
            : sql_bind(catalogue, error, VALUE "audio_summary WHERE audio_id = ?1", "it", sound->audio, name);
    bool row = false;
    if (!from || !sql_step(catalogue, from, &row, error)) return false;
    fputc(',', out);
    if (row) cells_csv(out, sql_text(from, 0));
    (void)sqlite3_reset(from);
    return true;
}

bool export_csv_row(FILE *out, struct catalogue *catalogue, const struct query_row *sound,
                    const struct export_columns *columns, struct error *error) {
    const int64_t region = sound->region;
    sqlite3_stmt *from = region ? sql_bind(catalogue, error, region_sql, "ii", sound->file, region)
                                : sql_bind(catalogue, error, file_sql, "i", sound->file);
    bool row = false;
    if (!from || !sql_step(catalogue, from, &row, error)) return false;
    if (!row) return true;
    const char *names = region ? region_names : file_names;
    for (int i = 0; *names; i++) {
        size_t n = strcspn(names, ",");
        if (i > 0) fputc(',', out);
        cells_csv(out, text_of(from, i, names, n));
        names += n + 1;
    }
    (void)sqlite3_reset(from);
    for (size_t i = 0; i < columns->count; i++)
        if (!put_column(out, catalogue, sound, columns->names[i], error)) return false;
    if (!isnan(sound->similarity)) fprintf(out, ",%.9g", sound->similarity);
    fputs("\r\n", out);
    return true;
}
