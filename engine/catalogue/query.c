#include "engine/catalogue/query.h"

#include "engine/catalogue/query_sql.h"
#include "engine/catalogue/sql.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct query_result {
    struct catalogue *catalogue;
    sqlite3_stmt *statement;
    char *match; /* bound as ?1 */
    char *found; /* bound as ?1 of the rows that are alike */
};

/* Prepares `sql` (which it frees) with the words to search for. */
static sqlite3_stmt *prepare(const struct query_result *result, char *sql, struct error *error) {
    sqlite3_stmt *statement = NULL;
    if (!sql) return error_memory(error), NULL;
    bool fine = sqlite3_prepare_v2(catalogue_db(result->catalogue), sql, -1, &statement, NULL) == SQLITE_OK &&
                (!result->match || sqlite3_bind_parameter_count(statement) == 0 ||
                 sqlite3_bind_text(statement, 1, result->match, -1, SQLITE_STATIC) == SQLITE_OK);
    if (!fine) {
        catalogue_failed(result->catalogue, error, "can't ask the catalogue");
        sqlite3_finalize(statement);
        statement = NULL;
    }
    sqlite3_free(sql);
    return statement;
}

/* Whether `most` or more have the tempo, key, duration and loudness that are asked for: an index tells. */
static bool have_values(const struct query_result *result, const struct query *query, int64_t most) {
    sqlite3_stmt *from = prepare(result, query_sql_breadth(query, most), NULL);
    bool so_many = from && sqlite3_step(from) == SQLITE_ROW && sqlite3_column_int64(from, 0) == most;
    sqlite3_finalize(from);
    return so_many;
}

/* -------------------------------------------------------------------------------------------------------- similarity
 */

/* So many sounds that meet the conditions are compared one by one; when there are more, the bounds of all vectors are
 * looked at first. */
#define FEW 2000

/* When a sieve would hold more, so many sounds meet its conditions that they are soon found without it. (A region's values
 * stand in an index, a file's have to be looked up.) */
#define SIEVE_REGIONS 60000
#define SIEVE_AUDIO   30000
#define SIEVE_LARGEST                                                                                                  \
    ((int64_t)1 << 28) /* an id beyond this is none that we have given: a bit for it would cost memory */

/* Which ids meet some of the conditions, as bits: asked of every sound that may be alike, it must be quick. */
struct sieve {
    uint8_t *bits; /* NULL: it lets everything through */
    int64_t room;  /* ids below this have a bit */
    int64_t n;
};

static bool sieve_has(const struct sieve *sieve, int64_t id) {
    return !sieve->bits || (id >= 0 && id < sieve->room && (sieve->bits[id / 8] & 1u << id % 8));
}

static bool sieve_add(struct sieve *sieve, int64_t id) {
    if (id < 0 || id > SIEVE_LARGEST) return true;
    if (id >= sieve->room) {
        int64_t room = (id + id / 2 + 4096) / 8 * 8;
        uint8_t *grown = realloc(sieve->bits, (size_t)room / 8);
        if (!grown) return false;
        memset(grown + sieve->room / 8, 0, (size_t)(room - sieve->room) / 8);
        sieve->bits = grown;
        sieve->room = room;
    }
    sieve->bits[id / 8] = (uint8_t)(sieve->bits[id / 8] | 1u << id % 8);
    return true;
}

/* Takes up the ids that `sql` finds (and frees it). With `most` of them or more it lets everything through. */
static bool sieve_fill(struct sieve *sieve, const struct query_result *result, char *sql, int64_t most,
                       struct error *error) {
    sqlite3_stmt *from = prepare(result, sql, error);
    bool row = from != NULL, fine = row && (sieve_add(sieve, 0) || error_memory(error));
    while (fine && row) {
        fine = sql_step(result->catalogue, from, &row, error);
        if (fine && row) fine = sieve_add(sieve, sqlite3_column_int64(from, 0)) || error_memory(error);
        sieve->n += row;
    }
    sqlite3_finalize(from);
    if (fine && sieve->n < most) return true;
    free(sieve->bits);
    *sieve = (struct sieve){0};
    return fine;
}

/* Filling the sieve of sounds takes as long as asking so many of them by themselves. */
#define PATIENCE 1000

/* What a sound that may be alike is asked. Words are looked up once for all: asked of each sound by itself, FTS5 would go through
 * all that have them. */
struct acceptance {
    const struct query_result *result;
    const struct query *query;
    struct sieve regions; /* by conditions on themselves */
    struct sieve audio;   /* by conditions on files */
    struct sieve files;   /* those with the words of the text */
    sqlite3_stmt *all;    /* the files of one id that meet all conditions but the text */
    int patience;         /* so many more may be refused before the sieve of audio is filled; 0: it is, or needn't be */
};

static bool fill_audio(struct acceptance *acceptance, struct error *error) {
    return sieve_fill(&acceptance->audio, acceptance->result, query_sql_sieve(acceptance->query, false, SIEVE_AUDIO),
                      SIEVE_AUDIO, error);
}

/* Whether files have to meet conditions of theirs, and not so many do that asking them is as quick. */
static bool needs_audio(const struct acceptance *acceptance) {
    const struct query *query = acceptance->query;
    if (query->tags_count > 0 || query->under || query->duplicates || (!query->regions && query->labels_count > 0))
        return true;
    if (query->text) return acceptance->files.n < SIEVE_AUDIO;
    return !query->regions && query_has_values(query) && !have_values(acceptance->result, query, SIEVE_AUDIO);
}

/* Whether more than a few are known to meet the conditions on files: then the most alike are soon among them. */
static bool has_many(const struct acceptance *acceptance) {
    const struct query *query = acceptance->query;
    bool of_values = !query->regions && query_has_values(query);
    if (query->tags_count > 0 || query->under || query->labels_count > 0 || query->measures_count > 0 ||
        (query->text && of_values))
        return false;
    return query->text ? acceptance->files.n > FEW : have_values(acceptance->result, query, FEW + 1);
}

static bool acceptance_open(struct acceptance *acceptance, const struct query_result *result, const struct query *query,
                            struct error *error) {
    struct query wordless = *query;
    wordless.text = NULL;
    *acceptance = (struct acceptance){.result = result, .query = query};
    acceptance->all = prepare(result, query_sql_ids(&wordless, 0), error);
    bool fine = acceptance->all != NULL;
    if (fine && query->text) fine = sieve_fill(&acceptance->files, result, query_sql_words(), INT64_MAX, error);
    /* A sieve that would let everything through takes long to fill. */
    if (fine && query->regions &&
        (query->labels_count > 0 || (query_has_values(query) && !have_values(result, query, SIEVE_REGIONS))))
        fine = sieve_fill(&acceptance->regions, result, query_sql_sieve(query, true, SIEVE_REGIONS), SIEVE_REGIONS,
                          error);
    if (!fine || !needs_audio(acceptance)) return fine;
    acceptance->patience = has_many(acceptance) ? PATIENCE : 0;
    return acceptance->patience > 0 || fill_audio(acceptance, error);
}

static void acceptance_close(struct acceptance *acceptance) {
    free(acceptance->audio.bits);
    free(acceptance->regions.bits);
    free(acceptance->files.bits);
    sqlite3_finalize(acceptance->all);
}

static bool may_be_accepted(const void *context, int64_t id) {
    const struct acceptance *acceptance = context;
    return sieve_has(acceptance->query->regions ? &acceptance->regions : &acceptance->audio, id);
}

/* The next file of the id that `all` is bound to; 0: there are no more. */
static bool next_file(const struct acceptance *acceptance, int64_t *file, struct error *error) {
    bool row = true;
    while (row) {
        if (!sql_step(acceptance->result->catalogue, acceptance->all, &row, error)) return false;
        *file = row ? sqlite3_column_int64(acceptance->all, 0) : 0;
        if (row && sieve_has(&acceptance->files, *file)) return true;
    }
    return true;
}

static bool meets_all(struct acceptance *acceptance, int64_t id, bool *accepted, struct error *error) {
    int64_t audio = id, file = 0;
    *accepted = false;
    if (acceptance->query->regions && acceptance->audio.bits &&
        !sql_number(acceptance->result->catalogue, error, &audio, "SELECT audio_id FROM regions WHERE region_id = ?",
                    "i", id))
        return false;
    if (!sieve_has(&acceptance->audio, audio)) return true;
    if (sqlite3_bind_int64(acceptance->all, 2, id) != SQLITE_OK) return error_memory(error);
    bool fine = next_file(acceptance, &file, error);
    *accepted = fine && file != 0;
    (void)sqlite3_reset(acceptance->all);
    return fine;
}

static bool is_accepted(void *context, int64_t id, bool *accepted, struct error *error) {
    struct acceptance *acceptance = context;
    if (!meets_all(acceptance, id, accepted, error)) return false;
    return *accepted || acceptance->patience == 0 || --acceptance->patience > 0 || fill_audio(acceptance, error);
}

/* The sounds that meet the conditions, when they are few; otherwise *n is more than FEW. */
static bool find_few(const struct query_result *result, const struct query *query, const struct acceptance *acceptance,
                     int64_t ids[FEW + 1], size_t *n, struct error *error) {
    bool may_be = (acceptance->regions.bits && acceptance->regions.n <= FEW) ||
                  (acceptance->audio.bits && acceptance->audio.n <= FEW);
    *n = FEW + 1;
    if (!may_be) return true;
    sqlite3_stmt *from = prepare(result, query_sql_ids(query, FEW + 1), error);
    bool row = from != NULL, fine = row;
    for (*n = 0; fine && row;) {
        fine = sql_step(result->catalogue, from, &row, error);
        if (fine && row) ids[(*n)++] = sqlite3_column_int64(from, 0);
    }
    sqlite3_finalize(from);
    return fine;
}

static bool find_similar(const struct query_result *result, const struct query *query, struct acceptance *acceptance,
                         struct similar_list *list, struct error *error) {
    int64_t *ids = calloc(FEW + 1, sizeof *ids);
    size_t few = 0;
    const struct similar_filter filter = {may_be_accepted, is_accepted, acceptance};
    bool fine = (ids || error_memory(error)) && find_few(result, query, acceptance, ids, &few, error);
    if (fine && few <= FEW)
        fine = similar_among(result->catalogue, query->similar_to, ids, few, list, error);
    else if (fine)
        fine = similar_nearest(result->catalogue, query->similar_to, &filter, list, error);
    free(ids);
    return fine;
}

/* What the sounds are compared with. */
static int64_t own_id(const struct query *query) {
    return query->regions ? query->similar_region : query->similar_audio;
}

/* The files of what was found, as "[[RANK,FILE,ID,SIMILARITY],...]". */
static char *list_text(const struct acceptance *acceptance, const struct similar_list *list, struct error *error) {
    const struct query *query = acceptance->query;
    sqlite3_str *text = sqlite3_str_new(NULL);
    bool fine = true;
    sqlite3_str_appendall(text, "[");
    for (size_t i = 0; i < list->n && fine; i++) {
        int64_t file = 0;
        fine = sqlite3_bind_int64(acceptance->all, 2, list->items[i].id) == SQLITE_OK || error_memory(error);
        while (fine && (fine = next_file(acceptance, &file, error)) && file != 0) {
            if (file == query->similar_file && list->items[i].id == own_id(query)) continue;
            sqlite3_str_appendf(text, "%s[%d,%lld,%lld,%!.17g]", sqlite3_str_length(text) > 1 ? "," : "", (int)i,
                                (long long)file, (long long)list->items[i].id, list->items[i].similarity);
        }
        (void)sqlite3_reset(acceptance->all);
    }
    sqlite3_str_appendall(text, "]");
    char *finished = sqlite3_str_finish(text);
    if (fine && finished) return finished;
    sqlite3_free(finished);
    if (fine) error_memory(error);
    return NULL;
}

static bool open_similar(struct query_result *result, const struct query *query, struct error *error) {
    struct acceptance acceptance;
    const bool copies = query->similar_file != 0; /* then the sound itself is one more in the list */
    struct similar_list list = {.kind = query->regions ? VECTORS_REGION : VECTORS_AUDIO,
                                .most = query->limit < 0 ? SIZE_MAX : (size_t)query->limit + copies,
                                .but = copies ? 0 : own_id(query)};
    bool fine = acceptance_open(&acceptance, result, query, error) &&
                find_similar(result, query, &acceptance, &list, error);
    result->found = fine ? list_text(&acceptance, &list, error) : NULL;
    free(list.items);
    acceptance_close(&acceptance);
    if (!result->found) return false;
    result->statement = prepare(result, query_sql_found(query), error);
    if (!result->statement) return false;
    return sqlite3_bind_text(result->statement, 1, result->found, -1, SQLITE_STATIC) == SQLITE_OK ||
           error_memory(error);
}

/* ----------------------------------------------------------------------------------------------------------- running
 */

/* When so many have the values that are asked for, the first hundred by path are found sooner by going through the paths
 * than by sorting all that match. */
#define BROAD 40000

static bool is_broad(const struct query_result *result, const struct query *query) {
    return query->sort == QUERY_BY_PATH && query->limit > 0 && query->limit <= 1000 && !query->labels_count &&
           !query->tags_count && !query->text && !query->under && query_is_selective(query) &&
           have_values(result, query, BROAD);
}

static sqlite3_stmt *prepare_rows(const struct query_result *result, const struct query *query, struct error *error) {
    struct query walking = *query;
    walking.streaming |= is_broad(result, query);
    return prepare(result, query_sql(&walking), error);
}

struct query_result *query_open(struct catalogue *catalogue, const struct query *query, struct error *error) {
    struct query_result *result = calloc(1, sizeof *result);
    if (!result) return error_memory(error), NULL;
    struct query asked = *query;
    if (asked.text && !query_has_words(asked.text)) asked.text = NULL;
    result->catalogue = catalogue;
    result->match = asked.text ? query_match(asked.text) : NULL;
    bool fine = !asked.text || result->match || error_memory(error);
    if (fine && asked.similar_to)
        fine = open_similar(result, &asked, error);
    else if (fine)
        fine = (result->statement = prepare_rows(result, &asked, error)) != NULL;
    if (fine) return result;
    query_close(result);
    return NULL;
}

static double number_at(sqlite3_stmt *from, int column) {
    return sqlite3_column_type(from, column) == SQLITE_NULL ? NAN : sqlite3_column_double(from, column);
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
                              .display = sql_text(from, 4) ? sql_text(from, 4) : "",
                              .status = sql_text(from, 5),
                              .position = sqlite3_column_int64(from, 6),
                              .regions = sqlite3_column_int64(from, 7),
                              .start = number_at(from, 8),
                              .end = number_at(from, 9),
                              .size = sqlite3_column_int64(from, 10),
                              .duration = number_at(from, 11),
                              .bpm = number_at(from, 12),
                              .bpm_confidence = number_at(from, 13),
                              .key = sql_text(from, 14),
                              .key_confidence = number_at(from, 15),
                              .label = sql_text(from, 16),
                              .label_confidence = number_at(from, 17),
                              .content = sql_text(from, 18),
                              .loudness = number_at(from, 19),
                              .tags = sql_text(from, 20),
                              .summary = sql_text(from, 21),
                              .similarity = number_at(from, 22),
                              .measure = sql_text(from, 23)};
    return true;
}

void query_close(struct query_result *result) {
    if (!result) return;
    sqlite3_finalize(result->statement);
    sqlite3_free(result->match);
    sqlite3_free(result->found);
    free(result);
}
