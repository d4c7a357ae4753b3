#include "engine/catalogue/query_sql.h"

#include "engine/catalogue/keys.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *name, *column; /* what to sort by */
    bool of_file;              /* also of regions it is the file's */
} sorts[] = {
    [QUERY_BY_PATH] = {"path", "path_text", true},
    [QUERY_BY_NAME] = {"name", "name", true},
    [QUERY_BY_BPM] = {"bpm", "bpm", false},
    [QUERY_BY_KEY] = {"key", "key", false},
    [QUERY_BY_LABEL] = {"label", "label", false},
    [QUERY_BY_DURATION] = {"duration", "duration", false},
    [QUERY_BY_LOUDNESS] = {"loudness", "loudness", false},
    [QUERY_BY_ADDED] = {"added", "added", true},
    [QUERY_BY_MODIFIED] = {"modified", "mtime_ns", true},
    [QUERY_BY_CONFIDENCE] = {"confidence", "bpm_confidence", false},
    [QUERY_BY_MEASURE] = {"value", NULL, false},
    [QUERY_BY_SIMILARITY] = {"similarity", "similarity", false},
    [QUERY_BY_SOUND] = {"sound", "file_audio_id", true},
};

const char *query_sort_name(enum query_sort sort) {
    return sorts[sort].name;
}

int query_sort_parse(const char *name) {
    for (int i = 0; i < QUERY_BY_SIMILARITY; i++)
        if (strcasecmp(sorts[i].name, name) == 0) return i;
    return -1;
}

void query_init(struct query *query) {
    const struct query_range open = {NAN, NAN};
    *query = (struct query){
        .bpm = open, .duration = open, .loudness = open, .modified = open, .added = open, .limit = -1};
}

/* ------------------------------------------------------------------------------------------------------- conditions */

struct builder {
    sqlite3_str *sql;
    bool single; /* whether one row meets the conditions (the text isn't among them): each is asked about this row */
};

/* Where tempo, key and the like stand: of a file in its own row, of a region in that of its summary. */
static const char *values_of(const struct query *query) {
    return query->regions ? "r" : "f";
}

/* table.column >= low AND table.column <= high, as far as they are there. */
static void add_range(struct builder *builder, const char *table, const char *column, struct query_range range,
                      double factor) {
    if (!isnan(range.low)) sqlite3_str_appendf(builder->sql, "%s.%s >= %!.17g", table, column, range.low * factor);
    if (!isnan(range.low) && !isnan(range.high)) sqlite3_str_appendall(builder->sql, " AND ");
    if (!isnan(range.high)) sqlite3_str_appendf(builder->sql, "%s.%s <= %!.17g", table, column, range.high * factor);
}

static bool is_open(struct query_range range) {
    return isnan(range.low) && isnan(range.high);
}

static void add_range_condition(struct builder *builder, const char *table, const char *column,
                                struct query_range range) {
    if (is_open(range)) return;
    sqlite3_str_appendall(builder->sql, " AND ");
    add_range(builder, table, column, range, 1);
}

static void add_bpm(struct builder *builder, const struct query *query) {
    static const double factors[] = {1, 0.5, 2};
    if (is_open(query->bpm)) return;
    sqlite3_str_appendall(builder->sql, " AND (");
    for (int i = 0; i < (query->octaves ? 3 : 1); i++) {
        sqlite3_str_appendall(builder->sql, i ? " OR (" : "(");
        add_range(builder, values_of(query), "bpm", query->bpm, factors[i]);
        sqlite3_str_appendall(builder->sql, ")");
    }
    sqlite3_str_appendall(builder->sql, ")");
}

static void add_key(void *context, const char *name) {
    sqlite3_str_appendf(((struct builder *)context)->sql, "%Q,", name);
}

static void add_keys(struct builder *builder, const struct query *query) {
    if (query->keys == 0) return;
    sqlite3_str_appendf(builder->sql, " AND %s.key IN (", values_of(query));
    for (int key = 0; key < KEYS_COUNT; key++)
        if (query->keys & 1u << key) keys_each_spelling(key, add_key, builder);
    sqlite3_str_appendall(builder->sql, "NULL)");
}

/* COLUMN IN (the labels) */
static void add_label_in(struct builder *builder, const struct query *query, const char *column) {
    sqlite3_str_appendf(builder->sql, "%s IN (", column);
    for (size_t i = 0; i < query->labels_count; i++)
        sqlite3_str_appendf(builder->sql, "%s%Q", i ? "," : "", query->labels[i]);
    sqlite3_str_appendall(builder->sql, ")");
}

/* Files by their automatic tags, regions by their own label or content. */
static void add_labels(struct builder *builder, const struct query *query) {
    if (query->labels_count == 0) return;
    if (query->regions) {
        sqlite3_str_appendall(builder->sql, " AND (");
        add_label_in(builder, query, "r.label");
        sqlite3_str_appendall(builder->sql, " OR ");
        add_label_in(builder, query, "r.content");
    } else if (builder->single) {
        sqlite3_str_appendall(builder->sql, " AND EXISTS (SELECT 1 FROM tags AS t WHERE t.audio_id = f.file_audio_id"
                                            " AND t.automatic AND ");
        add_label_in(builder, query, "t.name");
    } else {
        sqlite3_str_appendall(builder->sql, " AND f.file_audio_id IN (SELECT audio_id FROM tags WHERE automatic AND ");
        add_label_in(builder, query, "name");
    }
    sqlite3_str_appendall(builder->sql, ")");
}

/* Of a region: tags of the whole sound, and those on the region. The list of sounds that have the tag at all is where SQLite
 * can begin. */
static void add_tags(struct builder *builder, const struct query *query) {
    for (size_t i = 0; i < query->tags_count; i++) {
        const char *tag = query->tags[i];
        if (builder->single) {
            sqlite3_str_appendf(
                builder->sql,
                " AND EXISTS (SELECT 1 FROM tags AS t WHERE t.audio_id = f.file_audio_id AND t.name = %Q%s)", tag,
                query->regions ? " AND (t.start_frame IS NULL OR t.region_id = r.region_id)" : "");
            continue;
        }
        sqlite3_str_appendf(builder->sql, " AND f.file_audio_id IN (SELECT audio_id FROM tags WHERE name = %Q)", tag);
        if (query->regions)
            sqlite3_str_appendf(
                builder->sql,
                " AND (r.region_id IN (SELECT region_id FROM tags WHERE name = %Q AND start_frame > -1) OR"
                " f.file_audio_id IN (SELECT audio_id FROM tags WHERE name = %Q AND start_frame IS NULL))",
                tag, tag);
    }
}

/* The summary with the plugins' values, as "w", of the row in question. */
static const char *summary_of(const struct query *query) {
    return query->regions ? "region_summary AS w WHERE w.region_id = r.region_id"
                          : "audio_summary AS w WHERE w.audio_id = f.file_audio_id";
}

/* json_each walks the entries of a list, and has one row for any other value. */
static void add_measures(struct builder *builder, const struct query *query) {
    for (size_t i = 0; i < query->measures_count; i++) {
        const struct query_measure *measure = &query->measures[i];
        sqlite3_str_appendf(builder->sql,
                            " AND EXISTS (SELECT 1 FROM json_each((SELECT w.summary FROM %s), '$.\"%w\"') AS e WHERE ",
                            summary_of(query), measure->name);
        if (measure->text) {
            sqlite3_str_appendf(builder->sql, "iif(e.type IN ('true', 'false'), e.type, e.atom) = %Q COLLATE NOCASE",
                                measure->text);
        } else if (is_open(measure->range)) {
            sqlite3_str_appendall(builder->sql, "e.type <> 'null'");
        } else {
            sqlite3_str_appendall(builder->sql, "e.type IN ('integer', 'real') AND ");
            add_range(builder, "e", "atom", measure->range, 1);
        }
        sqlite3_str_appendall(builder->sql, ")");
    }
}

#define BETWEEN_WORDS " \t\r\n"

bool query_has_words(const char *text) {
    return text[strspn(text, BETWEEN_WORDS)] != '\0';
}

/* "drum loop" -> "drum"* "loop"*: whatever people type is words, never syntax. */
char *query_match(const char *text) {
    sqlite3_str *match = sqlite3_str_new(NULL);
    while (*text) {
        size_t space = strspn(text, BETWEEN_WORDS), n = strcspn(text + space, BETWEEN_WORDS);
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
    if (query->text)
        sqlite3_str_appendall(builder->sql, " AND f.file_id IN (SELECT rowid FROM search WHERE search MATCH ?1)");
}

static void add_under(struct builder *builder, const struct query *query) {
    if (!query->under || !query->under[0]) return;
    size_t n = strlen(query->under);
    while (n > 0 && query->under[n - 1] == '/') n--; /* of the root nothing is left: all that begins with a slash */
    sqlite3_str_appendf(builder->sql,
                        " AND (f.path_text = %.*Q OR (f.path_text >= %.*Q || '/' AND f.path_text < %.*Q || '0'))",
                        (int)n, query->under, (int)n, query->under, (int)n, query->under);
}

static void add_duplicates(struct builder *builder, const struct query *query) {
    if (!query->duplicates) return;
    sqlite3_str_appendall(
        builder->sql, builder->single ? " AND EXISTS (SELECT 1 FROM files AS o WHERE o.file_audio_id = f.file_audio_id"
                                        " AND o.file_id <> f.file_id AND o.status <> 'missing')"
                                      : " AND f.file_audio_id IN (SELECT audio_id FROM duplicates)");
}

/* Whether regions are found or sorted by what stands in their summaries: those are large, and reading them takes time. */
static bool needs_summary(const struct query *query) {
    return query->regions &&
           (query_has_values(query) || query->labels_count > 0 || (!sorts[query->sort].of_file && !query->similar_to));
}

/* Conditions on tempo, key, duration and loudness. */
static void add_values(struct builder *builder, const struct query *query) {
    add_bpm(builder, query);
    add_keys(builder, query);
    add_range_condition(builder, values_of(query), "duration", query->duration);
    add_range_condition(builder, values_of(query), "loudness", query->loudness);
}

/* Whether regions are walked in the order of what they are sorted by, until there are enough of them. */
static bool walks_regions(const struct query *query) {
    return query->regions && !sorts[query->sort].of_file && !query->similar_to && !query_is_selective(query);
}

/* Conditions on the file. Without a summary there is nothing to say of it. */
static void add_file_conditions(struct builder *builder, const struct query *query) {
    const struct query_range modified = {query->modified.low * 1e9, query->modified.high * 1e9};
    /* A condition on files alone has SQLite read all of them first, into a Bloom filter. */
    const char *there = walks_regions(query) ? "iif(r.audio_id > 0, f.status, 'missing') <> 'missing'"
                                             : "f.status <> 'missing'";
    sqlite3_str_appendf(builder->sql, " WHERE %s", query->missing ? "1" : there);
    if (!needs_summary(query)) sqlite3_str_appendall(builder->sql, " AND f.regions IS NOT NULL");
    add_text(builder, query);
    add_under(builder, query);
    add_range_condition(builder, "f", "mtime_ns", modified);
    add_range_condition(builder, "f", "added", query->added);
    add_duplicates(builder, query);
}

/* Whether some condition can find its rows through an index: then sorting comes after it. Without one, walking an index
 * in the wanted order and stopping at the limit is best. */
bool query_is_selective(const struct query *query) {
    return query_has_values(query) || query->labels_count > 0 || query->tags_count > 0 || query->text ||
           !is_open(query->modified) || !is_open(query->added) || query->duplicates;
}

bool query_has_values(const struct query *query) {
    return !is_open(query->bpm) || !is_open(query->duration) || !is_open(query->loudness) || query->keys != 0;
}

/* Whether the rows come in the order of an index that is walked from end to end. */
static bool is_streaming(const struct query *query) {
    return query->streaming && query->sort == QUERY_BY_PATH && !query->similar_to;
}

/* Whether the rows come sorted by a value that is asked for: walking its index in order, the first of them are found at once. */
static bool is_sorted_by_condition(const struct query *query) {
    switch (query->sort) {
    case QUERY_BY_BPM: return !is_open(query->bpm);
    case QUERY_BY_KEY: return query->keys != 0;
    case QUERY_BY_DURATION: return !is_open(query->duration);
    case QUERY_BY_LOUDNESS: return !is_open(query->loudness);
    default: return false;
    }
}

/* Whether rows are first found by their values, then by the rest: a list of their ids, in order, so that each page of the tables
 * is read once. Not for a single row, nor for regions that are sorted by their values. */
static bool is_list(const struct builder *builder, const struct query *query) {
    if (builder->single || is_streaming(query) || !query_is_selective(query)) return false;
    return query->regions ? needs_summary(query) && sorts[query->sort].of_file
                          : query_has_values(query) && !is_sorted_by_condition(query);
}

static void add_list(struct builder *builder, const struct query *query) {
    sqlite3_str_appendall(builder->sql, " AND f.file_id IN (SELECT f.file_id FROM files AS f WHERE 1");
    add_values(builder, query); /* labels are tags, and a list already */
    sqlite3_str_appendall(builder->sql, ")");
}

/* All that is needed of them stands in the indexes. Two questions instead of an OR, which would look at the rows. (Without a
 * LIMIT SQLite sees no reason for an order in here.) */
static void add_region_list(struct builder *builder, const struct query *query) {
    static const char select[] = "SELECT region_id, audio_id, start_frame FROM region_summary AS r WHERE 1";
    sqlite3_str_appendf(builder->sql, " (%s", select);
    add_values(builder, query);
    if (query->labels_count > 0) {
        sqlite3_str_appendall(builder->sql, " AND ");
        add_label_in(builder, query, "r.label");
        sqlite3_str_appendf(builder->sql, " UNION ALL %s", select);
        add_values(builder, query);
        sqlite3_str_appendall(builder->sql, " AND ");
        add_label_in(builder, query, "r.content");
        sqlite3_str_appendall(builder->sql, " AND NOT ifnull(");
        add_label_in(builder, query, "r.label");
        sqlite3_str_appendall(builder->sql, ", 0)");
    }
    sqlite3_str_appendall(builder->sql, " ORDER BY audio_id LIMIT -1) AS r");
}

/* Whether conditions and order are the files' alone: then so many files have all regions that are wanted. */
static bool is_of_first_files(const struct builder *builder, const struct query *query) {
    return query->regions && !builder->single && !query->similar_to && sorts[query->sort].of_file &&
           query->limit >= 0 && query_is_selective(query) && !is_streaming(query) && !needs_summary(query) &&
           query->tags_count == 0 && query->measures_count == 0;
}

/* plus: "+" tells SQLite not to take an index for it. Files of one sound, and regions of files that are equal, come by their
 * paths. */
static void add_file_order(struct builder *builder, const struct query *query, const char *plus) {
    sqlite3_str_appendf(builder->sql, " ORDER BY %sf.%s%s", plus, sorts[query->sort].column,
                        query->descending ? " DESC" : "");
    if ((query->regions && query->sort != QUERY_BY_PATH) || query->sort == QUERY_BY_SOUND)
        sqlite3_str_appendf(builder->sql, ", %sf.path_text", plus);
}

static void add_first_files(struct builder *builder, const struct query *query) {
    sqlite3_str_appendall(builder->sql, " (SELECT f.file_id, f.file_audio_id, f.path_text");
    if (query->sort != QUERY_BY_PATH && query->sort != QUERY_BY_SOUND)
        sqlite3_str_appendf(builder->sql, ", f.%s", sorts[query->sort].column);
    sqlite3_str_appendall(builder->sql, " FROM files AS f");
    add_file_conditions(builder, query);
    sqlite3_str_appendall(builder->sql, " AND f.regions > 0");
    add_file_order(builder, query, "+");
    sqlite3_str_appendf(builder->sql,
                        " LIMIT %lld) AS f CROSS JOIN regions AS r INDEXED BY regions_current"
                        " ON r.audio_id = f.file_audio_id AND r.current",
                        (long long)query->limit);
}

/* Regions come with their files, in the files' order; or from a list, or an index, of their values; or it is a single one. CROSS
 * JOINs keep their order; otherwise SQLite chooses where to begin. */
static void add_regions(struct builder *builder, const struct query *query) {
    bool summary = needs_summary(query), chosen = query_is_selective(query) || query->similar_to;
    if (is_streaming(query) || (!summary && !builder->single)) {
        const char *own = summary ? "p" : "r";
        sqlite3_str_appendf(builder->sql, " files AS f%s CROSS JOIN regions AS %s INDEXED BY regions_current",
                            is_streaming(query) ? " INDEXED BY files_text" : "", own);
        sqlite3_str_appendf(builder->sql, " ON %s.audio_id = f.file_audio_id AND %s.current", own, own);
        if (summary) sqlite3_str_appendall(builder->sql, " CROSS JOIN region_summary AS r USING (region_id)");
        return;
    }
    if (is_list(builder, query))
        add_region_list(builder, query);
    else
        sqlite3_str_appendf(builder->sql, " %s AS r", summary ? "region_summary" : "regions");
    sqlite3_str_appendf(builder->sql, " %s files AS f ON f.file_audio_id = r.audio_id%s",
                        is_list(builder, query) || !chosen ? "CROSS JOIN" : "JOIN", summary ? "" : " AND r.current");
}

/* Where the ids come from, and all conditions. Regions with a summary are current ones. */
static void add_tables(struct builder *builder, const struct query *query) {
    bool list = is_list(builder, query);
    if (is_of_first_files(builder, query)) {
        add_first_files(builder, query);
        return;
    }
    if (query->regions)
        add_regions(builder, query);
    else
        sqlite3_str_appendf(builder->sql, " files AS f%s", is_streaming(query) ? " INDEXED BY files_text" : "");
    add_file_conditions(builder, query);
    if (!list) add_values(builder, query);
    if (list && !query->regions) add_list(builder, query);
    if (!list || !query->regions) add_labels(builder, query);
    add_tags(builder, query);
    add_measures(builder, query);
}

static void add_order(struct builder *builder, const struct query *query) {
    const char *down = query->descending ? " DESC" : "";
    if (sorts[query->sort].of_file) {
        const char *summary = is_list(builder, query) ? "r.start_frame" : "p.position";
        add_file_order(builder, query, query_is_selective(query) && !is_streaming(query) ? "+" : "");
        if (query->regions) sqlite3_str_appendf(builder->sql, ", %s", needs_summary(query) ? summary : "r.position");
        return;
    }
    if (query->sort == QUERY_BY_MEASURE)
        sqlite3_str_appendf(builder->sql, " ORDER BY (SELECT w.summary ->> '$.\"%w\"' FROM %s)%s NULLS LAST",
                            query->measures[0].name, summary_of(query), down);
    else
        sqlite3_str_appendf(builder->sql, " ORDER BY %s.%s%s NULLS LAST", values_of(query), sorts[query->sort].column,
                            down);
    /* Equal values come in the order that the index has anyway. */
    if (query->regions && query->sort == QUERY_BY_KEY) sqlite3_str_appendf(builder->sql, ", r.bpm%s", down);
    if (query->regions) sqlite3_str_appendf(builder->sql, ", r.audio_id%s, r.start_frame%s", down, down);
}

/* Of the rows with the ids of q, all that a struct query_row has. */
static void add_columns(struct builder *builder, const struct query *query) {
    sqlite3_str_appendall(builder->sql,
                          query->regions ? "SELECT f.file_id, q.audio_id, q.region_id, f.path, f.path_text, f.status,"
                                           " r.position, 0, r.start, r.end, "
                                         : "SELECT f.file_id, q.audio_id, 0, f.path, f.path_text, f.status, -1,"
                                           " f.regions, 0, f.duration, ");
    const char *v = query->regions ? "s" : "f";
    sqlite3_str_appendf(
        builder->sql,
        "f.size, %s.duration, %s.bpm, %s.bpm_confidence, %s.key, s.key_confidence, %s.label, s.label_confidence,"
        " %s.content, %s.loudness, (SELECT group_concat(name) FROM tags AS t WHERE t.audio_id = q.audio_id"
        " AND NOT t.automatic%s), %s, %s, ",
        v, v, v, v, v, v, v, query->regions ? " AND (t.start_frame IS NULL OR t.region_id = q.region_id)" : "",
        query->with_summary ? "s.summary" : "NULL", query->similar_to ? "q.similarity" : "NULL");
    if (query->measures_count > 0)
        sqlite3_str_appendf(builder->sql, "s.summary ->> '$.\"%w\"'", query->measures[0].name);
    else
        sqlite3_str_appendall(builder->sql, "NULL");
    sqlite3_str_appendf(builder->sql, " FROM (SELECT f.file_id, f.file_audio_id AS audio_id%s%s FROM",
                        query->similar_to ? ", v.id AS region_id"
                        : query->regions  ? ", r.region_id"
                                          : "",
                        query->similar_to ? ", v.rank, v.similarity" : "");
}

static void add_end(struct builder *builder, const struct query *query) {
    sqlite3_str_appendall(
        builder->sql,
        query->regions ? ") AS q CROSS JOIN regions AS r USING (region_id) CROSS JOIN region_summary AS s USING"
                         " (region_id) CROSS JOIN files AS f USING (file_id)"
                       : ") AS q CROSS JOIN audio_summary AS s USING (audio_id) CROSS JOIN files AS f USING (file_id)");
}

/* Rows are found and sorted by their ids first, and only those within the limit are read whole. The CROSS JOINs keep
 * their order. */
char *query_sql(const struct query *query) {
    struct builder builder = {.sql = sqlite3_str_new(NULL)};
    add_columns(&builder, query);
    add_tables(&builder, query);
    add_order(&builder, query);
    sqlite3_str_appendf(builder.sql, " LIMIT %lld", (long long)query->limit); /* -1: none */
    add_end(&builder, query);
    return sqlite3_str_finish(builder.sql);
}

static const char *id_of(const struct query *query) {
    return query->regions ? "r.region_id" : "f.file_audio_id";
}

char *query_sql_ids(const struct query *query, int64_t limit) {
    struct builder builder = {.sql = sqlite3_str_new(NULL), .single = limit == 0};
    const char *id = id_of(query);
    sqlite3_str_appendf(builder.sql, "SELECT %s%s FROM", builder.single ? "" : "DISTINCT ",
                        builder.single ? "f.file_id" : id);
    add_tables(&builder, query);
    if (builder.single)
        sqlite3_str_appendf(builder.sql, " AND %s = ?2", id);
    else
        sqlite3_str_appendf(builder.sql, " LIMIT %lld", (long long)limit);
    return sqlite3_str_finish(builder.sql);
}

char *query_sql_breadth(const struct query *query, int64_t most) {
    struct builder builder = {.sql = sqlite3_str_new(NULL)};
    sqlite3_str_appendf(builder.sql, "SELECT count(*) FROM (SELECT 1 FROM %s AS %s WHERE 1",
                        query->regions ? "region_summary" : "files", values_of(query));
    add_values(&builder, query);
    sqlite3_str_appendf(builder.sql, " LIMIT %lld)", (long long)most);
    return sqlite3_str_finish(builder.sql);
}

/* A region's values decide of themselves, and so do the files; whether both hold is asked of those that pass. */
char *query_sql_sieve(const struct query *query, bool of_regions, int64_t most) {
    struct builder builder = {.sql = sqlite3_str_new(NULL)};
    struct query of_files = *query;
    if (of_regions) {
        sqlite3_str_appendall(builder.sql, "SELECT r.region_id FROM region_summary AS r WHERE 1");
        add_values(&builder, query);
        add_labels(&builder, query);
    } else {
        of_files.regions = false;
        sqlite3_str_appendall(builder.sql, "SELECT f.file_audio_id FROM files AS f");
        add_file_conditions(&builder, &of_files);
        add_tags(&builder, &of_files);
        if (!query->regions && query_has_values(query)) add_list(&builder, query);
        if (!query->regions) add_labels(&builder, query);
    }
    sqlite3_str_appendf(builder.sql, " LIMIT %lld", (long long)most);
    return sqlite3_str_finish(builder.sql);
}

char *query_sql_words(void) {
    return sqlite3_mprintf("SELECT rowid FROM search WHERE search MATCH ?1");
}

char *query_sql_found(const struct query *query) {
    struct builder builder = {.sql = sqlite3_str_new(NULL)};
    add_columns(&builder, query);
    sqlite3_str_appendf(builder.sql,
                        " (SELECT json_extract(value, '$[0]') AS rank, json_extract(value, '$[1]') AS file,"
                        " json_extract(value, '$[2]') AS id, json_extract(value, '$[3]') AS similarity"
                        " FROM json_each(?1)) AS v CROSS JOIN files AS f ON f.file_id = v.file"
                        " ORDER BY v.rank, f.path_text LIMIT %lld",
                        (long long)query->limit);
    add_end(&builder, query);
    sqlite3_str_appendall(builder.sql, " ORDER BY q.rank, f.path_text");
    return sqlite3_str_finish(builder.sql);
}
