#include "engine/cli/show_results.h"

#include "engine/base/json.h"
#include "engine/base/schema.h"
#include "engine/catalogue/keys.h"
#include "engine/catalogue/sql.h"
#include "engine/cli/cells.h"
#include "engine/cli/cli.h"
#include "engine/cli/result_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_REGIONS 3

/* ---------------------------------------------------------------------------------------------------------- regions */

static void print_region(sqlite3_stmt *from) {
    char start[32], length[32];
    int key = sql_text(from, 6) ? keys_parse(sql_text(from, 6)) : -1;
    printf("  %4lld  %9s  %9s  ", sqlite3_column_int64(from, 1),
           cli_duration(sqlite3_column_double(from, 2), start, sizeof start),
           cli_duration(sqlite3_column_double(from, 3), length, sizeof length));
    if (sqlite3_column_type(from, 5) == SQLITE_NULL)
        printf("%6s", "-");
    else
        printf("%6.1f", sqlite3_column_double(from, 5));
    printf("  %-4s  ", key >= 0 ? keys_short(key) : "-");
    cells_print(stdout, sql_text(from, 7) ? sql_text(from, 7) : "-", 20, 0);
    if (sqlite3_column_int(from, 9) > 1)
        printf("  part %d of %d", sqlite3_column_int(from, 8) + 1, sqlite3_column_int(from, 9));
    putchar('\n');
}

#define REGIONS                                                                                                        \
    "SELECT r.region_id, r.position, r.start, r.duration, r.end, s.bpm, s.key, ifnull(s.label, s.content), r.part,"    \
    " r.parts FROM regions AS r LEFT JOIN region_summary AS s USING (region_id) WHERE r.audio_id = ?1 AND r.current"   \
    " AND (?2 IS NULL OR r.region_id = ?2) ORDER BY r.position"

/* The list of regions; *ids (caller frees) are those whose results come below. */
static bool print_regions(const struct show_results *show, int64_t **ids, size_t *n, size_t *total,
                          struct error *error) {
    sqlite3_stmt *from = sql_bind(show->catalogue, error, REGIONS, "io", show->audio, show->region);
    bool row = from != NULL, fine = row;
    *ids = NULL;
    *n = *total = 0;
    while (fine && row) {
        fine = sql_step(show->catalogue, from, &row, error);
        if (!fine || !row) break;
        if ((*total)++ == 0) printf("\n  %4s  %9s  %9s  %6s  %-4s  label\n", "", "start", "length", "bpm", "key");
        print_region(from);
        if (!show->all && *n == FIRST_REGIONS) continue;
        int64_t *grown = realloc(*ids, (*n + 1) * sizeof *grown);
        if (!grown)
            fine = error_memory(error);
        else
            *ids = grown, grown[(*n)++] = sqlite3_column_int64(from, 0);
    }
    if (from) (void)sqlite3_reset(from);
    return fine;
}

/* ---------------------------------------------------------------------------------------------------------- results */

static const char *colour_of(const char *outcome) {
    if (strcmp(outcome, "ok") == 0) return "\033[32m";
    if (strcmp(outcome, "empty") == 0 || strcmp(outcome, "unsupported") == 0) return "\033[2m";
    return "\033[31m";
}

static void print_outcome(const struct show_results *show, sqlite3_stmt *from) {
    const char *outcome = sql_text(from, 2) ? sql_text(from, 2) : "?", *reason = sql_text(from, 3);
    printf("    %-18s %-8s %s%s%s", sql_text(from, 0), sql_text(from, 1), show->colour ? colour_of(outcome) : "",
           outcome, show->colour ? "\033[0m" : "");
    if (sqlite3_column_type(from, 5) != SQLITE_NULL) printf("  %.0f ms", sqlite3_column_double(from, 5) * 1000);
    if (reason && reason[0]) fputs("  ", stdout);
    cells_put(stdout, reason);
    if (sql_text(from, 7)) fputs("  arrays: ", stdout);
    cells_put(stdout, sql_text(from, 7));
    putchar('\n');
}

static void print_result(const struct show_results *show, sqlite3_stmt *from) {
    const char *json = sql_text(from, 4), *schema_text = sql_text(from, 6);
    print_outcome(show, from);
    cJSON *result = json ? json_parse(json, strlen(json), 8 * RESULT_MAX_BYTES, RESULT_MAX_DEPTH + 1, NULL) : NULL;
    cJSON *schema = schema_text ? cJSON_Parse(schema_text) : NULL;
    if (result) result_text_print(stdout, result, schema, 6, show->width - 2);
    cJSON_Delete(result);
    cJSON_Delete(schema);
}

static bool print_results(const struct show_results *show, int64_t region, struct error *error) {
    char start[32], end[32];
    sqlite3_stmt *from = sql_bind(show->catalogue, error,
                                  "SELECT position, start, end FROM regions WHERE region_id = ?", "i", region);
    bool row = false;
    if (!from || !sql_step(show->catalogue, from, &row, error)) return false;
    if (!row) return true;
    printf("\n  region %lld, %s to %s\n", sqlite3_column_int64(from, 0),
           cli_duration(sqlite3_column_double(from, 1), start, sizeof start),
           cli_duration(sqlite3_column_double(from, 2), end, sizeof end));
    (void)sqlite3_reset(from);
    from = sql_bind(show->catalogue, error,
                    "SELECT x.plugin, x.plugin_version, x.outcome, x.reason, x.result, x.cpu, p.schema,"
                    " (SELECT group_concat(name || ' ' || replace(replace(shape, '[', ''), ']', ''), '; ') FROM arrays"
                    "  WHERE analysis_id = x.analysis_id)"
                    " FROM region_analysis AS x LEFT JOIN plugins AS p USING (plugin)"
                    " WHERE x.region_id = ? AND x.current ORDER BY x.plugin",
                    "i", region);
    row = from != NULL;
    while (row) {
        if (!sql_step(show->catalogue, from, &row, error)) return false;
        if (row) print_result(show, from);
    }
    return from != NULL;
}

bool show_results_print(const struct show_results *show, struct error *error) {
    int64_t *ids = NULL;
    size_t n = 0, total = 0;
    bool fine = show->audio == 0 || print_regions(show, &ids, &n, &total, error);
    for (size_t i = 0; i < n && fine; i++) fine = print_results(show, ids[i], error);
    if (fine && n < total)
        printf("\n  %zu more region%s: --all shows the rest\n", total - n, total - n == 1 ? "" : "s");
    free(ids);
    return fine;
}
