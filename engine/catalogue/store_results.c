/* Results and their arrays. */
#include "engine/catalogue/sql.h"
#include "engine/catalogue/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------------------------------------------------- storing */

/* [4, 128] */
static void shape_text(const struct store_array *array, char out[120]) {
    int n = 0;
    for (uint32_t i = 0; i < array->dimensions && i < 4; i++)
        n += snprintf(out + n, (size_t)(120 - n), "%s%" PRIu64, i == 0 ? "[" : ", ", array->shape[i]);
    snprintf(out + n, (size_t)(120 - n), n == 0 ? "[]" : "]");
}

static bool put_arrays(struct catalogue *catalogue, const struct store_result *result, int64_t analysis,
                       struct error *error) {
    if (!sql_run(catalogue, error, "DELETE FROM arrays WHERE analysis_id = ?", "i", analysis)) return false;
    for (size_t i = 0; i < result->arrays_count; i++) {
        const struct store_array *array = &result->arrays[i];
        char shape[120];
        shape_text(array, shape);
        if (!sql_run(catalogue, error,
                     "INSERT INTO arrays (analysis_id, name, dtype, shape, unit, hop, start, data)"
                     " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                     "ittttddb", analysis, array->name, array->dtype, shape, array->unit ? array->unit : "", array->hop,
                     array->start, array->data, array->bytes))
            return false;
    }
    return true;
}

/* Not measured (-1) becomes NULL: SQLite stores NaN as NULL. */
static double seconds(int64_t us) {
    return us < 0 ? __builtin_nan("") : (double)us * 1e-6;
}

bool store_result(struct catalogue *catalogue, const struct store_result *result, int64_t *analysis,
                  struct error *error) {
    return sql_run(catalogue, error,
                   "UPDATE region_analysis SET current = 0 WHERE region_id = ? AND plugin = ? AND current"
                   " AND identity <> ?",
                   "itt", result->region, result->plugin, result->identity) &&
           sql_number(catalogue, error, analysis,
                      "INSERT INTO region_analysis (region_id, plugin, plugin_version, identity, current, outcome,"
                      " reason, result, interfaces, inputs, sandbox, run_id, created, cpu, wall, peak_bytes)"
                      " VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, nullif(?, -1))"
                      " ON CONFLICT (region_id, plugin, identity) DO UPDATE SET current = 1,"
                      " plugin_version = excluded.plugin_version, outcome = excluded.outcome, reason = excluded.reason,"
                      " result = excluded.result, interfaces = excluded.interfaces, inputs = excluded.inputs,"
                      " sandbox = excluded.sandbox, run_id = excluded.run_id, created = excluded.created,"
                      " cpu = excluded.cpu, wall = excluded.wall, peak_bytes = excluded.peak_bytes"
                      " RETURNING analysis_id",
                      "ittttttttt"
                      "oddd"
                      "i",
                      result->region, result->plugin, result->version, result->identity, result->outcome,
                      result->reason, result->json, result->interfaces, result->inputs, result->sandbox, result->run,
                      sql_now(), seconds(result->cpu_us), seconds(result->wall_us), result->peak_bytes) &&
           put_arrays(catalogue, result, *analysis, error);
}

bool store_result_retire(struct catalogue *catalogue, int64_t region, const char *plugin, struct error *error) {
    return sql_run(catalogue, error,
                   "UPDATE region_analysis SET current = 0 WHERE region_id = ? AND plugin = ? AND current", "it",
                   region, plugin);
}

/* ---------------------------------------------------------------------------------------------------------- reading */

void store_known_free(struct store_known_list *list) {
    for (size_t i = 0; i < list->n; i++) {
        struct store_known *item = &list->items[i];
        char *texts[] = {item->plugin, item->version, item->identity, item->outcome, item->reason, item->json};
        for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) free(texts[k]);
    }
    free(list->items);
    *list = (struct store_known_list){0};
}

static bool read_known(sqlite3_stmt *from, bool json, struct store_known *item, struct error *error) {
    *item = (struct store_known){.analysis = sqlite3_column_int64(from, 0), .region = sqlite3_column_int64(from, 1)};
    return sql_copy(from, 2, &item->plugin, error) && sql_copy(from, 3, &item->version, error) &&
           sql_copy(from, 4, &item->identity, error) && sql_copy(from, 5, &item->outcome, error) &&
           sql_copy(from, 6, &item->reason, error) && (!json || sql_copy(from, 7, &item->json, error));
}

static bool read_known_list(struct catalogue *catalogue, sqlite3_stmt *from, bool json, struct store_known_list *list,
                            struct error *error) {
    *list = (struct store_known_list){0};
    size_t room = 0;
    bool row = from != NULL, fine = row;
    while (fine && row) {
        fine = sql_step(catalogue, from, &row, error);
        if (!fine || !row) break;
        if (list->n == room) {
            room = room ? 2 * room : 8;
            struct store_known *grown = realloc(list->items, room * sizeof *grown);
            if (!grown) {
                fine = error_memory(error);
                break;
            }
            list->items = grown;
        }
        fine = read_known(from, json, &list->items[list->n++], error);
    }
    if (from) (void)sqlite3_reset(from);
    if (!fine) store_known_free(list);
    return fine;
}

#define KNOWN "SELECT x.analysis_id, x.region_id, x.plugin, x.plugin_version, x.identity, x.outcome, x.reason"

bool store_known_region(struct catalogue *catalogue, int64_t region, bool json, struct store_known_list *list,
                        struct error *error) {
    return read_known_list(catalogue,
                           sql_bind(catalogue, error,
                                    KNOWN ", iif(?2, x.result, NULL) FROM region_analysis AS x"
                                          " WHERE x.region_id = ?1 AND x.current ORDER BY x.plugin",
                                    "ik", region, (int)json),
                           json, list, error);
}

bool store_known_audio(struct catalogue *catalogue, int64_t audio, bool json, struct store_known_list *list,
                       struct error *error) {
    return read_known_list(catalogue,
                           sql_bind(catalogue, error,
                                    KNOWN ", iif(?2, x.result, NULL) FROM regions AS r JOIN region_analysis AS x"
                                          " USING (region_id) WHERE r.audio_id = ?1 AND r.current AND x.current"
                                          " ORDER BY r.position, x.plugin",
                                    "ik", audio, (int)json),
                           json, list, error);
}

/* ----------------------------------------------------------------------------------------------------------- arrays */

void store_arrays_free(struct store_array_list *list) {
    for (size_t i = 0; i < list->n; i++) {
        free((void *)(uintptr_t)list->items[i].name);
        free((void *)(uintptr_t)list->items[i].dtype);
        free((void *)(uintptr_t)list->items[i].unit);
        free((void *)(uintptr_t)list->items[i].data);
    }
    free(list->items);
    *list = (struct store_array_list){0};
}

/* "[4, 128]" */
static void read_shape(const char *text, struct store_array *array) {
    while (text && array->dimensions < 4 && *text) {
        if (*text >= '0' && *text <= '9')
            array->shape[array->dimensions++] = strtoull(text, (char **)&text, 10);
        else
            text++;
    }
}

static bool read_array(sqlite3_stmt *from, struct store_array *array, struct error *error) {
    char *name = NULL, *dtype = NULL, *unit = NULL;
    bool fine = sql_copy(from, 0, &name, error) && sql_copy(from, 1, &dtype, error) && sql_copy(from, 3, &unit, error);
    *array = (struct store_array){.name = name,
                                  .dtype = dtype,
                                  .unit = unit,
                                  .hop = sqlite3_column_double(from, 4),
                                  .start = sqlite3_column_double(from, 5)};
    if (!fine) return false;
    read_shape((const char *)sqlite3_column_text(from, 2), array);
    const void *data = sqlite3_column_blob(from, 6);
    array->bytes = (size_t)sqlite3_column_bytes(from, 6);
    void *copy = aligned_alloc(64, (array->bytes / 64 + 1) * 64);
    if (!copy) return error_memory(error);
    if (array->bytes > 0) memcpy(copy, data, array->bytes);
    array->data = copy;
    return true;
}

bool store_arrays_load(struct catalogue *catalogue, int64_t analysis, struct store_array_list *list,
                       struct error *error) {
    *list = (struct store_array_list){0};
    int64_t count = 0;
    if (!sql_number(catalogue, error, &count, "SELECT count(*) FROM arrays WHERE analysis_id = ?", "i", analysis))
        return false;
    list->items = calloc((size_t)count + 1, sizeof *list->items);
    if (!list->items) return error_memory(error);
    sqlite3_stmt *from = sql_bind(catalogue, error,
                                  "SELECT name, dtype, shape, unit, hop, start, data FROM arrays WHERE analysis_id = ?"
                                  " ORDER BY name",
                                  "i", analysis);
    bool fine = from != NULL, row = fine;
    while (fine && row && (int64_t)list->n <= count) {
        fine = sql_step(catalogue, from, &row, error);
        if (fine && row && (int64_t)list->n < count) fine = read_array(from, &list->items[list->n++], error);
    }
    if (from) (void)sqlite3_reset(from);
    if (!fine) store_arrays_free(list);
    return fine;
}
