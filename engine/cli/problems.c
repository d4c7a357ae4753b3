#include "engine/cli/problems.h"

#include "engine/catalogue/sql.h"
#include "engine/cli/cells.h"

#include <stdio.h>

#define OF_ALL  " FROM " PROBLEMS_ALL " AS p CROSS JOIN files AS f USING (file_id)"
#define IN_ROWS " ORDER BY f.path, p.region, p.plugin"

static const char *const queries[] = {
    [PROBLEMS_LINES] = "SELECT p.path, p.region, p.plugin, p.outcome, p.reason" OF_ALL IN_ROWS,
    [PROBLEMS_JSON] = "SELECT json_object('path', p.path, 'path_hex', CASE WHEN CAST(f.path AS TEXT) IS NOT f.path_text"
                      " THEN lower(hex(f.path)) END, 'file_id', f.file_id, 'region', p.region, 'plugin', p.plugin,"
                      " 'outcome', p.outcome, 'reason', p.reason)" OF_ALL IN_ROWS,
    [PROBLEMS_PATHS] = "SELECT DISTINCT f.path" OF_ALL
                       " WHERE f.status <> 'missing' AND p.outcome <> 'warning' ORDER BY f.path",
};

static void print_line(sqlite3_stmt *row) {
    cells_put(stdout, sql_text(row, 0));
    if (sqlite3_column_type(row, 1) != SQLITE_NULL) printf(", region %lld", (long long)sqlite3_column_int64(row, 1));
    fputs(sql_text(row, 2) ? ", " : "", stdout);
    cells_put(stdout, sql_text(row, 2));
    fputs(": ", stdout);
    cells_put(stdout, sql_text(row, 3));
    fputs(sql_text(row, 4) ? ": " : "", stdout);
    cells_put(stdout, sql_text(row, 4));
    putchar('\n');
}

static void print(sqlite3_stmt *row, enum problems_style style) {
    if (style == PROBLEMS_LINES) {
        print_line(row);
    } else if (style == PROBLEMS_JSON) {
        printf("%s\n", sql_text(row, 0) ? sql_text(row, 0) : "null"); /* null: out of memory */
    } else {
        fwrite(sqlite3_column_blob(row, 0), 1, (size_t)sqlite3_column_bytes(row, 0), stdout);
        putchar('\0');
    }
}

int64_t problems_print(struct catalogue *catalogue, enum problems_style style, struct error *error) {
    sqlite3_stmt *from = sql_bind(catalogue, error, queries[style], "");
    int64_t count = 0;
    bool row = true;
    while (from && row) {
        if (!sql_step(catalogue, from, &row, error)) return -1;
        if (row) print(from, style);
        count += row;
    }
    return from ? count : -1;
}
