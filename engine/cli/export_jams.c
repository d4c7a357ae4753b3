#include "engine/cli/export_jams.h"

#include "engine/catalogue/edit.h"
#include "engine/catalogue/sql.h"
#include "engine/cli/cells.h"

#include <math.h>
#include <string.h>

/* What is being printed. */
struct document {
    FILE *out;
    struct catalogue *catalogue;
    int64_t audio, region;
    double start, end; /* s: what the annotations are about */
    bool any;          /* an annotation has been printed */
};

/* A member of a JSON text if it is of that type, else NULL: plugins of others may put what they like there. */
#define MEMBER(json, path, types)                                                                                      \
    "iif(json_type(" json ", '$." path "') IN (" types "), json_extract(" json ", '$." path "'), NULL)"
#define NUMBER(json, path) MEMBER(json, path, "'integer', 'real'")
#define TEXT(json, path)   MEMBER(json, path, "'text'")
#define KEY(json)          "replace(" TEXT(json, "key") ", ' ', ':')"

/* The objects of a list, with their start and end. What is no object is left out: it would be read as JSON of its own. */
#define START NUMBER("value", "start")
#define STRETCHES(list, value, confidence)                                                                             \
    "SELECT " START ", " NUMBER("value", "end") "-" START ", " value ", " NUMBER("value", confidence) IN_LIST(list)
#define IN_LIST(list) " FROM json_each(?1, '$." list "') WHERE type = 'object'"
#define NO_KEYS       " WHERE ifnull(json_array_length(?1, '$.keys'), 0) = 0"

/* How the result of an interface becomes observations: rows of time, duration, value, confidence, from the result ?1 of the
 * region from ?2 to ?3 s. */
static const struct kind {
    const char *namespace, *interface;
    bool placed;   /* the statement names ?2 and ?3 */
    bool nullable; /* NULL is a value, too */
    const char *observations;
} kinds[] = {
    {"beat", "tempo_meter/1", false, true,
     "WITH beats AS (SELECT value AS time, value IN (SELECT value FROM json_each(?1, '$.downbeats')) AS down"
     " FROM json_each(?1, '$.beats') WHERE type IN ('integer', 'real')),"
     " bars AS (SELECT time, sum(down) OVER (ORDER BY time) AS bar FROM beats)"
     " SELECT time, 0.0, CASE WHEN bar > 0 THEN row_number() OVER (PARTITION BY bar ORDER BY time) END, NULL"
     " FROM bars ORDER BY time"},
    {"tempo", "tempo_meter/1", true, false,
     "SELECT ?2, ?3 - ?2, " NUMBER("?1", "bpm") ", max(0, min(1, ifnull(" NUMBER("?1", "bpm_confidence") ", 0)))"},
    {"key_mode", "key/1", true, false,
     STRETCHES("keys", KEY("value"), "strength") " UNION ALL SELECT ?2, ?3 - ?2, " KEY("?1") ", " NUMBER(
         "?1", "key_confidence") NO_KEYS " ORDER BY 1"},
    {"chord", "key/1", false, false, STRETCHES("chords", TEXT("value", "chord"), "fit") " ORDER BY 1"},
    {"segment_open", "content_timeline/1", false, false,
     STRETCHES("segments", TEXT("value", "label"), "confidence") " ORDER BY 1"},
    {"segment_open", "classifier/1", false, false,
     STRETCHES("segments", TEXT("value", "label"), "confidence") " ORDER BY 1"},
};

/* -------------------------------------------------------------------------------------------------------- annotations */

static void put_text(FILE *out, const char *name, const char *text) {
    fprintf(out, "\"%s\":", name);
    cells_json(out, text ? text : "");
}

/* The head of an annotation, up to its observations. */
static void begin(struct document *document, const char *namespace, const char *tool, const char *version, bool user) {
    FILE *out = document->out;
    fprintf(out, "%s{\"namespace\":\"%s\",\"time\":%.9g,\"duration\":%.9g,\"sandbox\":{},\"annotation_metadata\":{",
            document->any ? "," : "", namespace, document->start, document->end - document->start);
    fputs("\"curator\":{\"name\":\"\",\"email\":\"\"},\"annotator\":{},\"corpus\":\"\",\"annotation_rules\":\"\","
          "\"validation\":\"\",",
          out);
    put_text(out, "version", version);
    fputs(",\"annotation_tools\":", out);
    cells_json(out, tool);
    fprintf(out, ",\"data_source\":\"%s\"},\"data\":[", user ? "user" : "program");
    document->any = true;
}

static void end(struct document *document) {
    fputs("]}", document->out);
}

static bool is_number(sqlite3_stmt *from, int column) {
    const int type = sqlite3_column_type(from, column);
    return (type == SQLITE_INTEGER || type == SQLITE_FLOAT) && isfinite(sqlite3_column_double(from, column));
}

/* A column as JSON: numbers as numbers, text as text, all else as null. */
static void put_value(FILE *out, sqlite3_stmt *from, int column) {
    if (sqlite3_column_type(from, column) == SQLITE_TEXT)
        cells_json(out, sql_text(from, column));
    else
        fputs(is_number(from, column) ? sql_text(from, column) : "null", out);
}

/* Whether a row of time, duration, value, confidence has what an observation needs. */
static bool is_observation(sqlite3_stmt *from, bool nullable) {
    return is_number(from, 0) && (nullable || is_number(from, 2) || sqlite3_column_type(from, 2) == SQLITE_TEXT);
}

static void put_observation(FILE *out, sqlite3_stmt *from, bool first) {
    double duration = is_number(from, 1) ? sqlite3_column_double(from, 1) : 0;
    fprintf(out, "%s{\"time\":%.9g,\"duration\":%.9g,\"value\":", first ? "" : ",", sqlite3_column_double(from, 0),
            duration > 0 ? duration : 0);
    put_value(out, from, 2);
    fputs(",\"confidence\":", out);
    put_value(out, from, 3);
    fputc('}', out);
}

/* The annotations of one kind under way: one for each plugin, over all regions, begun with its first observation. */
struct series {
    char plugin[200], version[100];
    bool open;
};

static bool put_observations(struct document *document, const struct kind *kind, struct series *series,
                             sqlite3_stmt *from, struct error *error) {
    bool row = from != NULL;
    while (row) {
        if (!sql_step(document->catalogue, from, &row, error)) return false;
        if (!row || !is_observation(from, kind->nullable)) continue;
        if (!series->open) begin(document, kind->namespace, series->plugin, series->version, false);
        put_observation(document->out, from, !series->open);
        series->open = true;
    }
    return from != NULL;
}

/* The next result: its observations, in an annotation of its own when the plugin is another. */
static bool put_result(struct document *document, const struct kind *kind, struct series *series, sqlite3_stmt *from,
                       struct error *error) {
    const char *plugin = sql_text(from, 0) ? sql_text(from, 0) : "", *version = sql_text(from, 1);
    if (strncmp(series->plugin, plugin, sizeof series->plugin - 1) != 0) {
        if (series->open) end(document);
        series->open = false;
        snprintf(series->plugin, sizeof series->plugin, "%s", plugin);
        snprintf(series->version, sizeof series->version, "%s", version ? version : "");
    }
    return put_observations(document, kind, series,
                            sql_bind(document->catalogue, error, kind->observations, kind->placed ? "tdd" : "t",
                                     sql_text(from, 2), sqlite3_column_double(from, 3), sqlite3_column_double(from, 4)),
                            error);
}

static bool put_kind(struct document *document, const struct kind *kind, struct error *error) {
    sqlite3_stmt *from = sql_bind(document->catalogue, error,
                                  "SELECT x.plugin, x.plugin_version, x.result, r.start, r.end FROM regions AS r"
                                  " JOIN region_analysis AS x USING (region_id) WHERE r.audio_id = ?1 AND r.current"
                                  " AND x.current AND x.outcome = 'ok' AND (?2 IS NULL OR r.region_id = ?2)"
                                  " AND EXISTS (SELECT 1 FROM json_each(x.interfaces) WHERE value = ?3)"
                                  " ORDER BY x.plugin, r.position",
                                  "iot", document->audio, document->region, kind->interface);
    struct series series = {0};
    bool row = from != NULL, fine = row;
    while (fine && row) {
        fine = sql_step(document->catalogue, from, &row, error);
        if (fine && row) fine = put_result(document, kind, &series, from, error);
    }
    if (series.open) end(document);
    if (from) (void)sqlite3_reset(from);
    return fine;
}

/* An annotation with the rows of a statement, when there are any. */
static bool put_rows(struct document *document, const char *namespace, bool user, sqlite3_stmt *from,
                     struct error *error) {
    bool row = from != NULL, first = true;
    while (row) {
        if (!sql_step(document->catalogue, from, &row, error)) return false;
        if (!row) break;
        if (first) begin(document, namespace, "sonde", "", user);
        put_observation(document->out, from, first);
        first = false;
    }
    if (!first) end(document);
    return from != NULL;
}

#define STRETCH                                                                                                        \
    "SELECT ifnull(t.start_frame * 1.0 / a.rate, ?3), ifnull((t.end_frame - t.start_frame) * 1.0 / a.rate, ?4 - ?3), "
#define OF                                                                                                             \
    " JOIN audio AS a USING (audio_id) WHERE t.audio_id = ?1 AND (?2 IS NULL OR t.start_frame IS NULL OR t.region_id = ?2)"
#define BIND "iodd", document->audio, document->region, document->start, document->end

static bool put_tags(struct document *document, struct error *error) {
    static const char *const own = STRETCH "t.name, t.confidence FROM tags AS t" OF
                                           " AND NOT t.automatic ORDER BY 1, t.name";
    static const char *const heard = STRETCH "t.name, t.confidence FROM tags AS t" OF
                                             " AND t.automatic AND t.source <> 'user' ORDER BY 1, t.name";
    return put_rows(document, "tag_open", true, sql_bind(document->catalogue, error, own, BIND), error) &&
           put_rows(document, "tag_open", false, sql_bind(document->catalogue, error, heard, BIND), error);
}

/* Users' corrections. */
static bool put_edits(struct document *document, struct error *error) {
    static const struct {
        const char *namespace, *sql;
    } fields[] = {
        {"tempo", STRETCH "CAST(t.value AS REAL), 1 FROM edits AS t" OF
                          " AND t.field = 'bpm' AND t.value <> '" EDIT_NONE "' ORDER BY 1"},
        {"key_mode", STRETCH "iif(t.value = '" EDIT_NONE "', 'N', replace(t.value, ' ', ':')), 1 FROM edits AS t" OF
                             " AND t.field = 'key' ORDER BY 1"},
        {"tag_open",
         STRETCH "t.value, 1 FROM edits AS t" OF " AND t.field = 'label' AND t.value <> '" EDIT_NONE "' ORDER BY 1"},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (!put_rows(document, fields[i].namespace, true, sql_bind(document->catalogue, error, fields[i].sql, BIND),
                      error))
            return false;
    return true;
}

/* ----------------------------------------------------------------------------------------------------------- document */

static void put_head(struct document *document, sqlite3_stmt *from) {
    FILE *out = document->out;
    fputs("{\"file_metadata\":{", out);
    put_text(out, "title", sql_text(from, 1));
    fputc(',', out);
    put_text(out, "artist", sql_text(from, 2));
    fputc(',', out);
    put_text(out, "release", sql_text(from, 3));
    fprintf(out, ",\"duration\":%.9g,\"jams_version\":\"0.3.4\",\"identifiers\":{", sqlite3_column_double(from, 4));
    put_text(out, "path", sql_text(from, 5));
    fputc(',', out);
    put_text(out, "audio_hash", sql_text(from, 6));
    fputc(',', out);
    put_text(out, "bytes_hash", sql_text(from, 7));
    fputs("}},\"annotations\":[", out);
    document->audio = sqlite3_column_int64(from, 0);
    document->start = sqlite3_column_double(from, 8);
    document->end = sqlite3_column_double(from, 9);
}

bool export_jams_print(FILE *out, struct catalogue *catalogue, int64_t file, int64_t region, struct error *error) {
    struct document document = {.out = out, .catalogue = catalogue, .region = region};
    sqlite3_stmt *from = sql_bind(
        catalogue, error,
        "SELECT a.audio_id, ifnull(nullif(c.title, ''), f.name), c.artist, c.album, a.duration, f.path_text, a.audio_hash,"
        " c.bytes_hash, ifnull(r.start, 0), ifnull(r.end, a.duration) FROM files AS f JOIN contents AS c USING (content_id)"
        " JOIN audio AS a USING (audio_id) LEFT JOIN regions AS r ON r.region_id = ?2 WHERE f.file_id = ?1",
        "io", file, region);
    bool row = false;
    if (!from || !sql_step(catalogue, from, &row, error)) return false;
    if (!row) return true;
    put_head(&document, from);
    (void)sqlite3_reset(from);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!put_kind(&document, &kinds[i], error)) return false;
    if (!put_edits(&document, error) || !put_tags(&document, error)) return false;
    fputs("],\"sandbox\":{}}", out);
    return true;
}
