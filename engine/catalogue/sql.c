#include "engine/catalogue/sql.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static int bind_one(sqlite3_stmt *statement, int index, char type, va_list *args) {
    int64_t number;
    switch (type) {
    case 'i': return sqlite3_bind_int64(statement, index, va_arg(*args, int64_t));
    case 'k': return sqlite3_bind_int(statement, index, va_arg(*args, int));
    case 'd': return sqlite3_bind_double(statement, index, va_arg(*args, double));
    case 't': return sqlite3_bind_text(statement, index, va_arg(*args, const char *), -1, SQLITE_STATIC);
    case 'o':
        number = va_arg(*args, int64_t);
        return number == 0 ? sqlite3_bind_null(statement, index) : sqlite3_bind_int64(statement, index, number);
    case 'b': {
        const void *data = va_arg(*args, const void *);
        size_t n = va_arg(*args, size_t);
        return n == 0 ? sqlite3_bind_zeroblob(statement, index, 0)
                      : sqlite3_bind_blob64(statement, index, data, n, SQLITE_STATIC);
    }
    default: return SQLITE_MISUSE;
    }
}

static sqlite3_stmt *bind_all(struct catalogue *catalogue, struct error *error, const char *sql, const char *types,
                              va_list *args) {
    sqlite3_stmt *statement = catalogue_statement(catalogue, sql, error);
    if (!statement) return NULL;
    for (int i = 0; types[i]; i++)
        if (bind_one(statement, i + 1, types[i], args) != SQLITE_OK)
            return catalogue_failed(catalogue, error, "can't use the catalogue"), NULL;
    return statement;
}

sqlite3_stmt *sql_bind(struct catalogue *catalogue, struct error *error, const char *sql, const char *types, ...) {
    va_list args;
    va_start(args, types);
    sqlite3_stmt *statement = bind_all(catalogue, error, sql, types, &args);
    va_end(args);
    return statement;
}

bool sql_step(struct catalogue *catalogue, sqlite3_stmt *statement, bool *row, struct error *error) {
    int code = sqlite3_step(statement);
    *row = code == SQLITE_ROW;
    if (code == SQLITE_ROW) return true;
    bool fine = code == SQLITE_DONE;
    if (!fine)
        catalogue_failed(catalogue, error,
                         sqlite3_stmt_readonly(statement) ? "can't read the catalogue" : "can't write the catalogue");
    (void)sqlite3_reset(statement);
    return fine;
}

bool sql_run(struct catalogue *catalogue, struct error *error, const char *sql, const char *types, ...) {
    va_list args;
    va_start(args, types);
    sqlite3_stmt *statement = bind_all(catalogue, error, sql, types, &args);
    va_end(args);
    if (!statement) return false;
    bool row = true;
    while (row)
        if (!sql_step(catalogue, statement, &row, error)) return false;
    return true;
}

bool sql_number(struct catalogue *catalogue, struct error *error, int64_t *value, const char *sql, const char *types,
                ...) {
    va_list args;
    va_start(args, types);
    sqlite3_stmt *statement = bind_all(catalogue, error, sql, types, &args);
    va_end(args);
    bool row = false;
    if (!statement || !sql_step(catalogue, statement, &row, error)) return false;
    if (row && value && sqlite3_column_type(statement, 0) != SQLITE_NULL) *value = sqlite3_column_int64(statement, 0);
    while (row)
        if (!sql_step(catalogue, statement, &row, error)) return false;
    return true;
}

const char *sql_text(sqlite3_stmt *statement, int column) {
    return (const char *)sqlite3_column_text(statement, column);
}

bool sql_copy(sqlite3_stmt *statement, int column, char **text, struct error *error) {
    const char *value = sql_text(statement, column);
    *text = NULL;
    if (!value) return sqlite3_column_type(statement, column) == SQLITE_NULL || error_memory(error);
    *text = strdup(value);
    return *text || error_memory(error);
}

double sql_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}
