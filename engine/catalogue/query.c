#include "engine/catalogue/query.h"

#include "engine/catalogue/query_sql.h"
#include "engine/catalogue/sql.h"

#include <math.h>
#include <stdlib.h>

struct query_result {
    struct catalogue *catalogue;
    sqlite3_stmt *statement;
    char *match; /* bound as ?1 */
    char *found; /* bound as ?3 */
};

/* Prepares `sql` (which it frees) with the words to search for. */
static sqlite3_stmt *prepare(const struct query_result *result, char *sql, struct error *error) {
    sqlite3_stmt *statement = NULL;
    if (!sql) return error_memory(error), NULL;
    bool fine = sqlite3_prepare_v2(catalogue_db(result->catalogue), sql, -1, &statement, NULL) == SQLITE_OK &&
                (!result->match || sqlite3_bind_text(statement, 1, result->match, -1, SQLITE_STATIC) == SQLITE_OK);
    if (!fine) {
        catalogue_failed(result->catalogue, error, "can't ask the catalogue");
        sqlite3_finalize(statement);
        statement = NULL;
    }
    sqlite3_free(sql);
    return statement;
}

/* -------------------------------------------------------------------------------------------------------- similarity
 */

/* So many sounds that meet the conditions are compared one by one; when there are more, the bounds of all vectors are
 * looked at first. */
#define FEW 2000

static bool is_accepted(void *context, int64_t id, bool *accepted, struct error *error) {
    sqlite3_stmt *statement = ((void **)context)[1];
    *accepted = false;
    if (sqlite3_bind_int64(statement, 2, id) != SQLITE_OK ||
        !sql_step(((void **)context)[0], statement, accepted, error))
        return error && error->text[0] ? false : error_memory(error);
    (void)sqlite3_reset(statement);
    return true;
}

/* The sounds that meet the conditions, when they are few; otherwise *n is more than FEW. */
static bool find_few(const struct query_result *result, const struct query *query, int64_t ids[FEW + 1], size_t *n,
                     struct error *error) {
    *n = FEW + 1;
    if (!query_is_selective(query) && !query->under) return true;
    sqlite3_stmt *from = prepare(result, query_sql_ids(query, FEW + 1), error);
    bool row = from != NULL, fine = row;
    for (*n = 0; fine && row;) {
        fine = sql_step(result->catalogue, from, &row, error);
        if (fine && row) ids[(*n)++] = sqlite3_column_int64(from, 0);
    }
    sqlite3_finalize(from);
    return fine;
}

static bool find_similar(struct query_result *result, const struct query *query, struct similar_list *list,
                         struct error *error) {
    int64_t *ids = calloc(FEW + 1, sizeof *ids);
    size_t few = 0;
    bool fine = ids ? find_few(result, query, ids, &few, error) : error_memory(error);
    if (fine && few <= FEW) {
        fine = similar_among(result->catalogue, query->similar_to, ids, few, list, error);
    } else if (fine) {
        void *context[] = {result->catalogue, prepare(result, query_sql_ids(query, 0), error)};
        fine = context[1] && similar_nearest(result->catalogue, query->similar_to, is_accepted, context, list, error);
        sqlite3_finalize(context[1]);
    }
    free(ids);
    return fine;
}

/* "[[17,0.93],...]" */
static char *list_text(const struct similar_list *list) {
    sqlite3_str *text = sqlite3_str_new(NULL);
    sqlite3_str_appendall(text, "[");
    for (size_t i = 0; i < list->n; i++)
        sqlite3_str_appendf(text, "%s[%lld,%!.17g]", i ? "," : "", (long long)list->items[i].id,
                            list->items[i].similarity);
    sqlite3_str_appendall(text, "]");
    return sqlite3_str_finish(text);
}

static bool open_similar(struct query_result *result, const struct query *query, struct error *error) {
    struct similar_list list = {.kind = query->regions ? VECTORS_REGION : VECTORS_AUDIO,
                                .most = query->limit < 0 ? SIZE_MAX : (size_t)query->limit,
                                .but = query->regions ? query->similar_region : query->similar_audio};
    bool fine = find_similar(result, query, &list, error);
    result->found = fine ? list_text(&list) : NULL;
    free(list.items);
    if (!fine) return false;
    result->statement = result->found ? prepare(result, query_sql_found(query), error) : NULL;
    if (!result->statement) return result->found ? false : error_memory(error);
    return sqlite3_bind_text(result->statement, 3, result->found, -1, SQLITE_STATIC) == SQLITE_OK ||
           error_memory(error);
}

/* ----------------------------------------------------------------------------------------------------------- running
 */

/* When so many have the values that are asked for, the first hundred by path are found sooner by going through the paths
 * than by sorting all that match. */
#define BROAD 40000

static bool is_broad(const struct query_result *result, const struct query *query) {
    bool may_be = query->sort == QUERY_BY_PATH && query->limit > 0 && query->limit <= 1000 && !query->labels_count &&
                  !query->tags_count && !query->text && !query->under && query_is_selective(query);
    sqlite3_stmt *from = may_be ? prepare(result, query_sql_breadth(query, BROAD), NULL) : NULL;
    bool broad = from && sqlite3_step(from) == SQLITE_ROW && sqlite3_column_int64(from, 0) == BROAD;
    sqlite3_finalize(from);
    return broad;
}

static sqlite3_stmt *prepare_rows(const struct query_result *result, const struct query *query, struct error *error) {
    struct query walking = *query;
    walking.streaming |= is_broad(result, query);
    return prepare(result, query_sql(&walking), error);
}

struct query_result *query_open(struct catalogue *catalogue, const struct query *query, struct error *error) {
    struct query_result *result = calloc(1, sizeof *result);
    if (!result) return error_memory(error), NULL;
    result->catalogue = catalogue;
    result->match = query->text ? query_match(query->text) : NULL;
    bool fine = !query->text || result->match || error_memory(error);
    if (fine && query->similar_to)
        fine = open_similar(result, query, error);
    else if (fine)
        fine = (result->statement = prepare_rows(result, query, error)) != NULL;
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
    sqlite3_free(result->match);
    sqlite3_free(result->found);
    free(result);
}
