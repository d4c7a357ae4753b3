/* sonde_sqlite: an extension for the sqlite3 shell, Python and others that read the catalogue.
 *
 *     .load sonde_sqlite
 *     sonde_camelot(key)             "A minor", "Am" ... as "8A"; NULL when it is no key
 *     sonde_bpm_near(a, b, ratio)    1 when a is within the ratio (0.02: 2 %) of b, of half or of double of it; else 0
 *     sonde_similarity(a, b)         cosine, -1 to 1, of two embeddings: a result's '$.embedding'. NULL when they can't be
 *                                    compared (another model or version), or are none. Or of two BLOBs of region_vectors
 *                                    (whose models the query must compare)
 *
 * All are deterministic. A NULL argument gives NULL. */
#include "engine/base/json.h"
#include "engine/catalogue/keys.h"
#include "engine/catalogue/similar.h"

#include <math.h>
#include <sqlite3ext.h>
#include <string.h>

SQLITE_EXTENSION_INIT1

static void camelot(sqlite3_context *context, int argc, sqlite3_value **argv) {
    const char *text = (const char *)sqlite3_value_text(argv[0]), *code = text ? keys_camelot(keys_parse(text)) : NULL;
    (void)argc;
    if (code) sqlite3_result_text(context, code, -1, SQLITE_STATIC);
}

static void bpm_near(sqlite3_context *context, int argc, sqlite3_value **argv) {
    static const double octaves[] = {0.5, 1, 2};
    for (int i = 0; i < argc; i++)
        if (sqlite3_value_type(argv[i]) == SQLITE_NULL) return;
    double a = sqlite3_value_double(argv[0]), b = sqlite3_value_double(argv[1]), ratio = sqlite3_value_double(argv[2]);
    int near = 0;
    for (int i = 0; i < 3; i++) near |= fabs(a - b * octaves[i]) <= ratio * b * octaves[i];
    sqlite3_result_int(context, near);
}

static bool read_argument(sqlite3_value *value, struct similar *similar) {
    if (sqlite3_value_type(value) == SQLITE_BLOB) {
        size_t bytes = (size_t)sqlite3_value_bytes(value);
        if (bytes == 0 || bytes % sizeof(float) != 0 || bytes > sizeof similar->vector) return false;
        similar->model[0] = '\0';
        similar->dimensions = bytes / sizeof(float);
        memcpy(similar->vector, sqlite3_value_blob(value), bytes);
        return true;
    }
    const char *text = (const char *)sqlite3_value_text(value);
    cJSON *embedding = text ? json_parse(text, (size_t)sqlite3_value_bytes(value), 1 << 20, 8, NULL) : NULL;
    bool fine = similar_read(embedding, similar);
    cJSON_Delete(embedding);
    return fine;
}

static void similarity(sqlite3_context *context, int argc, sqlite3_value **argv) {
    struct similar a, b;
    (void)argc;
    if (!read_argument(argv[0], &a) || !read_argument(argv[1], &b) || a.dimensions != b.dimensions ||
        strcmp(a.model, b.model) != 0)
        return;
    sqlite3_result_double(context, similar_cosine(&a, &b));
}

__attribute__((visibility("default"))) int sqlite3_sondesqlite_init(sqlite3 *db, char **message,
                                                                    const sqlite3_api_routines *api);

int sqlite3_sondesqlite_init(sqlite3 *db, char **message, const sqlite3_api_routines *api) {
    const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
    (void)message;
    SQLITE_EXTENSION_INIT2(api);
    int code = sqlite3_create_function(db, "sonde_camelot", 1, flags, NULL, camelot, NULL, NULL);
    if (code == SQLITE_OK) code = sqlite3_create_function(db, "sonde_bpm_near", 3, flags, NULL, bpm_near, NULL, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_create_function(db, "sonde_similarity", 2, flags, NULL, similarity, NULL, NULL);
    return code;
}
