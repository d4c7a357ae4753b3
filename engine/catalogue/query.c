#include "engine/catalogue/query.h"

#include "engine/catalogue/keys.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *name, *column; /* what to sort by */
} sorts[] = {
    [QUERY_BY_PATH] = {"path", "f.path_text"},
    [QUERY_BY_NAME] = {"name", "f.name"},
    [QUERY_BY_BPM] = {"bpm", "s.bpm"},
    [QUERY_BY_KEY] = {"key", "s.key"},
    [QUERY_BY_LABEL] = {"label", "s.label"},
    [QUERY_BY_DURATION] = {"duration", "s.duration"},
    [QUERY_BY_LOUDNESS] = {"loudness", "s.loudness"},
    [QUERY_BY_ADDED] = {"added", "f.added"},
    [QUERY_BY_MODIFIED] = {"modified", "f.mtime_ns"},
    [QUERY_BY_CONFIDENCE] = {"confidence", "s.bpm_confidence"},
    [QUERY_BY_SIMILARITY] = {"similarity", "similarity"},
};
enum { SORTS = sizeof sorts / sizeof *sorts };

const char *query_sort_name(enum query_sort sort) {
    return sorts[sort].name;
}

int query_sort_parse(const char *name) {
    for (int i = 0; i < SORTS; i++)
        if (strcasecmp(sorts[i].name, name) == 0) return i;
    return -1;
}

void query_init(struct query *query) {
    const struct query_range open = {NAN, NAN};
    *query = (struct query){
        .bpm = open, .duration = open, .loudness = open, .modified = open, .added = open, .limit = -1};
}

/* --------------------------------------------------------------------------------------------------- building the SQL
 */

struct builder {
    sqlite3_str *sql;
    char *match; /* the FTS expression, to be bound as ?1 */
};

/* column >= low AND column <= high, as far as they are there. */
static void add_range(struct builder *builder, const char *column, struct query_range range, double factor) {
    if (!isnan(range.low)) sqlite3_str_appendf(builder->sql, "%s >= %!.17g", column, range.low * factor);
    if (!isnan(range.low) && !isnan(range.high)) sqlite3_str_appendall(builder->sql, " AND ");
    if (!isnan(range.high)) sqlite3_str_appendf(builder->sql, "%s <= %!.17g", column, range.high * factor);
}

static bool is_open(struct query_range range) {
    return isnan(range.low) && isnan(range.high);
}

static void add_range_condition(struct builder *builder, const char *column, struct query_range range) {
    if (is_open(range)) return;
    sqlite3_str_appendall(builder->sql, " AND ");
    add_range(builder, column, range, 1);
}

static void add_bpm(struct builder *builder, const struct query *query) {
    static const double factors[] = {1, 0.5, 2};
    if (is_open(query->bpm)) return;
    sqlite3_str_appendall(builder->sql, " AND (");
    for (int i = 0; i < (query->octaves ? 3 : 1); i++) {
        sqlite3_str_appendall(builder->sql, i ? " OR (" : "(");
        add_range(builder, "s.bpm", query->bpm, factors[i]);
        sqlite3_str_appendall(builder->sql, ")");
    }
    sqlite3_str_appendall(builder->sql, ")");
}

static void add_key(void *context, const char *name) {
    sqlite3_str_appendf(((struct builder *)context)->sql, "%Q,", name);
}

static void add_keys(struct builder *builder, const struct query *query) {
    if (query->keys == 0) return;
    sqlite3_str_appendall(builder->sql, " AND s.key IN (");
    for (int key = 0; key < KEYS_COUNT; key++)
        if (query->keys & 1u << key) keys_each_spelling(key, add_key, builder);
    sqlite3_str_appendall(builder->sql, "NULL)");
}

/* Files by their automatic tags, regions by their own label or content. */
static void add_labels(struct builder *builder, const struct query *query) {
    if (query->labels_count == 0) return;
    sqlite3_str *words = sqlite3_str_new(NULL);
    for (size_t i = 0; i < query->labels_count; i++) sqlite3_str_appendf(words, "%s%Q", i ? "," : "", query->labels[i]);
    char *list = sqlite3_str_finish(words);
    if (list && query->regions)
        sqlite3_str_appendf(builder->sql, " AND (s.label IN (%s) OR s.content IN (%s))", list, list);
    else if (list)
        sqlite3_str_appendf(builder->sql,
                            " AND c.audio_id IN (SELECT audio_id FROM tags WHERE name IN (%s) AND automatic)", list);
    sqlite3_free(list);
}

static void add_tags(struct builder *builder, const struct query *query) {
    for (size_t i = 0; i < query->tags_count; i++) {
        sqlite3_str_appendf(builder->sql, " AND c.audio_id IN (SELECT audio_id FROM tags WHERE name = %Q",
                            query->tags[i]);
        sqlite3_str_appendall(builder->sql,
                              query->regions ? " AND (region_id IS NULL OR region_id = r.region_id))" : ")");
    }
}

/* "drum loop" -> "drum"* "loop"*: whatever people type is words, never syntax. */
static char *match_of(const char *text) {
    sqlite3_str *match = sqlite3_str_new(NULL);
    while (*text) {
        size_t space = strspn(text, " \t\r\n"), n = strcspn(text + space, " \t\r\n");
        text += space;
        if (n == 0) break;
        sqlite3_str_appendall(match, "\"");
        for (size_t i = 0; i < n; i++) {
            if (text[i] == '"') sqlite3_str_appendchar(match, 1, '"');
            sqlite3_str_appendchar(match, 1, text[i]);
        }
        sqlite3_str_appendall(match, "\"* ");
        text += n;
    }
    return sqlite3_str_finish(match);
}

static void add_text(struct builder *builder, const struct query *query) {
    if (!query->text) return;
    builder->match = match_of(query->text);
    if (builder->match)
        sqlite3_str_appendall(builder->sql, " AND f.file_id IN (SELECT rowid FROM search WHERE search MATCH ?1)");
}

static void add_under(struct builder *builder, const struct query *query) {
    if (!query->under || !query->under[0]) return;
    size_t n = strlen(query->under);
    while (n > 1 && query->under[n - 1] == '/') n--;
    sqlite3_str_appendf(builder->sql,
                        " AND (f.path_text = %.*Q OR (f.path_text >= %.*Q || '/' AND f.path_text < %.*Q || '0'))",
                        (int)n, query->under, (int)n, query->under, (int)n, query->under);
}

static void add_conditions(struct builder *builder, const struct query *query) {
    const struct query_range modified = {query->modified.low * 1e9, query->modified.high * 1e9};
    sqlite3_str_appendall(builder->sql, query->missing ? " WHERE 1" : " WHERE f.status <> 'missing'");
    add_bpm(builder, query);
    add_keys(builder, query);
    add_labels(builder, query);
    add_tags(builder, query);
    add_text(builder, query);
    add_under(builder, query);
    add_range_condition(builder, "s.duration", query->duration);
    add_range_condition(builder, "s.loudness", query->loudness);
    add_range_condition(builder, "f.mtime_ns", modified);
    add_range_condition(builder, "f.added", query->added);
}

/* Whether some condition can find its rows through an index: then sorting comes after it. Without one, walking an index
 * in the wanted order and stopping at the limit is best. */
static bool is_selective(const struct query *query) {
    return !is_open(query->bpm) || !is_open(query->duration) || !is_open(query->loudness) || query->keys != 0 ||
           query->labels_count > 0 || query->tags_count > 0 || query->text;
}

/* Whether the rows come in the order of an index that is walked from end to end. */
static bool is_streaming(const struct query *query) {
    return query->streaming && query->sort == QUERY_BY_PATH && !query->similar_to;
}

static void add_order(struct builder *builder, const struct query *query) {
    const char *column = sorts[query->sort].column;
    bool of_file = column[0] == 'f', plain = of_file && is_selective(query) && !is_streaming(query);
    const char *plus = plain ? "+" : ""; /* SQLite: not by an index */
    sqlite3_str_appendf(builder->sql, " ORDER BY %s%s%s%s", plus, column, query->descending ? " DESC" : "",
                        of_file ? "" : " NULLS LAST");
    if (query->regions) sqlite3_str_appendf(builder->sql, ", %sf.path_text, r.position", plus);
    sqlite3_str_appendf(builder->sql, " LIMIT %lld", (long long)query->limit); /* -1: none */
}

/* How many rows are kept by the short vectors to be sorted by the exact ones: enough that rounding can't push one of
 * the wanted out. */
static long long shortlist(const struct query *query) {
    return query->limit < 0 ? -1 : 5 * (long long)query->limit + 100;
}

/* The vectors to compare with. Without conditions that leave few rows, all are compared before anything else is read.
 */
static void add_vectors(struct builder *builder, const struct query *query) {
    const char *table = query->regions ? "region_vectors" : "audio_vectors";
    const char *id = query->regions ? "region_id" : "audio_id", *owner = query->regions ? "r.region_id" : "c.audio_id";
    long long self = (long long)(query->regions ? query->similar_region : query->similar_audio);
    if (!query->similar_to) return;
    sqlite3_str_appendf(builder->sql, " JOIN (SELECT %s, scale, data FROM %s WHERE model = %Q AND %s <> %lld", id,
                        table, query->similar_to->model, id, self);
    if (!is_selective(query) && !query->under)
        sqlite3_str_appendf(builder->sql, " ORDER BY sonde_near(scale, data) DESC LIMIT %lld", shortlist(query));
    sqlite3_str_appendf(builder->sql, ") AS v ON v.%s = %s", id, owner);
}

static void add_similar_order(struct builder *builder, const struct query *query) {
    sqlite3_str_appendf(builder->sql, " ORDER BY sonde_near(v.scale, v.data) DESC LIMIT %lld", shortlist(query));
}

#define COLUMNS                                                                                                         \
    "s.duration, s.bpm, s.bpm_confidence, s.key, s.key_confidence, s.label, s.label_confidence, s.content, s.loudness," \
    " (SELECT group_concat(name) FROM tags WHERE audio_id = q.audio_id AND NOT automatic), s.summary, %s AS similarity"

/* By the exact vector, from the result that the short one was made of. */
#define EXACT(of)                                                                                                      \
    "sonde_cosine((SELECT x.result FROM " of "_vectors AS v JOIN region_analysis AS x ON x.region_id = v.region_id"    \
    " AND x.plugin = v.plugin AND x.current WHERE v." of "_id = q." of "_id))"

/* Where the ids come from. SQLite chooses where to begin, unless the rows are to come as they are found. */
static void add_tables(struct builder *builder, const struct query *query) {
    if (is_streaming(query))
        sqlite3_str_appendall(builder->sql,
                              query->regions
                                  ? " files AS f INDEXED BY files_text CROSS JOIN contents AS c USING (content_id)"
                                    " CROSS JOIN regions AS r ON r.audio_id = c.audio_id AND r.current"
                                    " CROSS JOIN region_summary AS s USING (region_id)"
                                  : " files AS f INDEXED BY files_text CROSS JOIN contents AS c USING (content_id)"
                                    " CROSS JOIN audio_summary AS s USING (audio_id)");
    else
        sqlite3_str_appendall(builder->sql, query->regions ? " region_summary AS s JOIN regions AS r USING (region_id)"
                                                             " JOIN contents AS c ON c.audio_id = r.audio_id"
                                                             " JOIN files AS f USING (content_id)"
                                                           : " audio_summary AS s JOIN contents AS c USING (audio_id)"
                                                             " JOIN files AS f USING (content_id)");
}

/* Rows are found and sorted by their ids first, and only those within the limit are read whole. The CROSS JOINs keep
 * their order. */
static char *build(struct builder *builder, const struct query *query) {
    builder->sql = sqlite3_str_new(NULL);
    const char *similarity = !query->similar_to ? "NULL" : query->regions ? EXACT("region") : EXACT("audio");
    if (query->regions)
        sqlite3_str_appendf(builder->sql,
                            "SELECT f.file_id, q.audio_id, q.region_id, f.path, f.path_text, f.status, r.position, 0,"
                            " r.start, r.end, " COLUMNS " FROM (SELECT f.file_id, c.audio_id, r.region_id FROM",
                            similarity);
    else
        sqlite3_str_appendf(builder->sql,
                            "SELECT f.file_id, q.audio_id, 0, f.path, f.path_text, f.status, -1, s.regions, 0,"
                            " s.duration, " COLUMNS " FROM (SELECT f.file_id, c.audio_id FROM",
                            similarity);
    add_tables(builder, query);
    add_vectors(builder, query);
    add_conditions(builder, query);
    if (query->regions) sqlite3_str_appendall(builder->sql, " AND r.current");
    if (query->similar_to)
        add_similar_order(builder, query);
    else
        add_order(builder, query);
    sqlite3_str_appendall(
        builder->sql,
        query->regions ? ") AS q CROSS JOIN regions AS r USING (region_id) CROSS JOIN region_summary AS s USING"
                         " (region_id) CROSS JOIN files AS f USING (file_id)"
                       : ") AS q CROSS JOIN audio_summary AS s USING (audio_id) CROSS JOIN files AS f USING (file_id)");
    if (query->similar_to)
        sqlite3_str_appendf(builder->sql, " ORDER BY similarity DESC LIMIT %lld", (long long)query->limit);
    return sqlite3_str_finish(builder->sql);
}

/* ----------------------------------------------------------------------------------------------------------- running
 */

struct query_result {
    struct catalogue *catalogue;
    sqlite3_stmt *statement;
};

struct query_result *query_open(struct catalogue *catalogue, const struct query *query, struct error *error) {
    struct query_result *result = calloc(1, sizeof *result);
    struct builder builder = {0};
    char *sql = result ? build(&builder, query) : NULL;
    bool fine = sql || error_memory(error);
    if (fine && query->similar_to) fine = similar_register(catalogue, query->similar_to, error);
    if (fine) {
        result->catalogue = catalogue;
        fine = sqlite3_prepare_v2(catalogue_db(catalogue), sql, -1, &result->statement, NULL) == SQLITE_OK &&
               (!builder.match ||
                sqlite3_bind_text(result->statement, 1, builder.match, -1, SQLITE_TRANSIENT) == SQLITE_OK);
        if (!fine) catalogue_failed(catalogue, error, "can't ask the catalogue");
    }
    sqlite3_free(sql);
    sqlite3_free(builder.match);
    if (fine) return result;
    query_close(result);
    return NULL;
}

static double number_at(sqlite3_stmt *from, int column) {
    return sqlite3_column_type(from, column) == SQLITE_NULL ? NAN : sqlite3_column_double(from, column);
}

static const char *text_at(sqlite3_stmt *from, int column) {
    return (const char *)sqlite3_column_text(from, column);
}

bool query_next(struct query_result *result, struct query_row *row, bool *more, struct error *error) {
    sqlite3_stmt *from = result->statement;
    int code = sqlite3_step(from);
    *more = code == SQLITE_ROW;
    if (code == SQLITE_DONE) return true;
    if (code != SQLITE_ROW) return catalogue_failed(result->catalogue, error, "can't read the catalogue");
    *row = (struct query_row){.file = sqlite3_column_int64(from, 0),
                              .audio = sqlite3_column_int64(from, 1),
                              .region = sqlite3_column_int64(from, 2),
                              .path = sqlite3_column_blob(from, 3),
                              .path_length = (size_t)sqlite3_column_bytes(from, 3),
                              .display = text_at(from, 4) ? text_at(from, 4) : "",
                              .status = text_at(from, 5),
                              .position = sqlite3_column_int64(from, 6),
                              .regions = sqlite3_column_int64(from, 7),
                              .start = number_at(from, 8),
                              .end = number_at(from, 9),
                              .duration = number_at(from, 10),
                              .bpm = number_at(from, 11),
                              .bpm_confidence = number_at(from, 12),
                              .key = text_at(from, 13),
                              .key_confidence = number_at(from, 14),
                              .label = text_at(from, 15),
                              .label_confidence = number_at(from, 16),
                              .content = text_at(from, 17),
                              .loudness = number_at(from, 18),
                              .tags = text_at(from, 19),
                              .summary = text_at(from, 20),
                              .similarity = number_at(from, 21)};
    return true;
}

void query_close(struct query_result *result) {
    if (!result) return;
    sqlite3_finalize(result->statement);
    free(result);
}
