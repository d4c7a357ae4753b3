#include "engine/catalogue/similar.h"

#include "engine/base/json.h"
#include "engine/catalogue/sql.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------------------------------------------------- storing */

static double shorten(const struct similar *similar, int8_t *data) {
    float largest = 0;
    for (size_t i = 0; i < similar->dimensions; i++) largest = fmaxf(largest, fabsf(similar->vector[i]));
    for (size_t i = 0; i < similar->dimensions; i++) data[i] = (int8_t)lrintf(similar->vector[i] / largest * 127);
    return (double)largest / 127;
}

bool similar_store(struct catalogue *catalogue, int64_t audio, int64_t region, const char *plugin,
                   const cJSON *embedding, struct error *error) {
    struct similar similar;
    int8_t data[SIMILAR_MAX_DIMENSIONS];
    if (!similar_read(embedding, &similar))
        return audio ? sql_run(catalogue, error, "DELETE FROM audio_vectors WHERE audio_id = ?", "i", audio)
                     : sql_run(catalogue, error, "DELETE FROM region_vectors WHERE region_id = ?", "i", region);
    double scale = shorten(&similar, data);
    return audio
               ? sql_run(catalogue, error,
                         "INSERT OR REPLACE INTO audio_vectors (audio_id, region_id, plugin, model, scale, data)"
                         " VALUES (?, ?, ?, ?, ?, ?)",
                         "iittdb", audio, region, plugin, similar.model, scale, (const void *)data, similar.dimensions)
               : sql_run(catalogue, error,
                         "INSERT OR REPLACE INTO region_vectors (region_id, plugin, model, scale, data)"
                         " VALUES (?, ?, ?, ?, ?)",
                         "ittdb", region, plugin, similar.model, scale, (const void *)data, similar.dimensions);
}

#define RESULT                                                                                                         \
    " AS v JOIN region_analysis AS x ON x.region_id = v.region_id AND x.plugin = v.plugin AND x.current"               \
    " AND x.outcome = 'ok' WHERE v."

bool similar_load(struct catalogue *catalogue, int64_t audio, int64_t region, struct similar *similar,
                  struct error *error) {
    sqlite3_stmt *from =
        region ? sql_bind(catalogue, error, "SELECT x.result FROM region_vectors" RESULT "region_id = ?", "i", region)
               : sql_bind(catalogue, error, "SELECT x.result FROM audio_vectors" RESULT "audio_id = ?", "i", audio);
    bool row = false;
    if (!from || !sql_step(catalogue, from, &row, error)) return false;
    const char *text = row ? (const char *)sqlite3_column_text(from, 0) : NULL;
    cJSON *result = text ? cJSON_Parse(text) : NULL;
    (void)sqlite3_reset(from);
    bool found = result && similar_read(json_member(result, "embedding"), similar);
    cJSON_Delete(result);
    return found || error_set(error, "this sound has no embedding to compare by (the features plugin makes it)");
}

/* ------------------------------------------------------------------------------------------------------- comparing */

static void near_function(sqlite3_context *context, int argc, sqlite3_value **argv) {
    const struct similar *similar = sqlite3_user_data(context);
    const int8_t *data = sqlite3_value_blob(argv[1]);
    (void)argc;
    if (!data || (size_t)sqlite3_value_bytes(argv[1]) != similar->dimensions) {
        sqlite3_result_null(context);
        return;
    }
    float sum = 0;
    for (size_t i = 0; i < similar->dimensions; i++) sum += similar->vector[i] * (float)data[i];
    sqlite3_result_double(context, (double)sum * sqlite3_value_double(argv[0]));
}

static void cosine_function(sqlite3_context *context, int argc, sqlite3_value **argv) {
    const struct similar *similar = sqlite3_user_data(context);
    const char *text = (const char *)sqlite3_value_text(argv[0]);
    struct similar other;
    (void)argc;
    cJSON *result = text ? cJSON_Parse(text) : NULL;
    bool comparable = result && similar_read(json_member(result, "embedding"), &other) &&
                      other.dimensions == similar->dimensions && strcmp(other.model, similar->model) == 0;
    cJSON_Delete(result);
    if (!comparable) {
        sqlite3_result_null(context);
        return;
    }
    sqlite3_result_double(context, similar_cosine(similar, &other));
}

bool similar_register(struct catalogue *catalogue, const struct similar *similar, struct error *error) {
    const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY;
    static const struct {
        const char *name;
        int arguments;
        void (*function)(sqlite3_context *, int, sqlite3_value **);
    } functions[] = {{"sonde_near", 2, near_function}, {"sonde_cosine", 1, cosine_function}};
    for (int i = 0; i < 2; i++) {
        struct similar *copy = malloc(sizeof *copy);
        if (!copy) return error_memory(error);
        *copy = *similar;
        /* SQLite calls free also when this fails. */
        if (sqlite3_create_function_v2(catalogue_db(catalogue), functions[i].name, functions[i].arguments, flags, copy,
                                       functions[i].function, NULL, NULL, free) != SQLITE_OK)
            return catalogue_failed(catalogue, error, "can't compare sounds");
    }
    return true;
}
