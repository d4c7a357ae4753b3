/* Short forms for prepared statements. The thread of the connection. */
#ifndef SONDE_CATALOGUE_SQL_H
#define SONDE_CATALOGUE_SQL_H

#include "engine/base/error.h"
#include "engine/catalogue/catalogue.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

/* The statement `sql` (a string constant, kept prepared) with its parameters bound. `types` has a letter for each:
 * i int64_t, k int, d double, t const char * (NULL: null), b const void * and size_t, o int64_t (0: null). Pointers
 * must stay valid until the statement is reset. NULL with a sentence on failure. */
sqlite3_stmt *sql_bind(struct catalogue *catalogue, struct error *error, const char *sql, const char *types, ...);

/* Runs such a statement to its end and resets it. */
bool sql_run(struct catalogue *catalogue, struct error *error, const char *sql, const char *types, ...);

/* Runs it for at most one row of at most one number: *value (which may be NULL) is left alone when there is no row or a
 * null. */
bool sql_number(struct catalogue *catalogue, struct error *error, int64_t *value, const char *sql, const char *types,
                ...);

/* Steps: *row says whether there is one. After the last row, and on failure, the statement is reset. */
bool sql_step(struct catalogue *catalogue, sqlite3_stmt *statement, bool *row, struct error *error);

/* Column as text, until the next step; NULL for null. */
const char *sql_text(sqlite3_stmt *statement, int column);

/* Column as a copy of its own (NULL for null), or false when out of memory. */
bool sql_copy(sqlite3_stmt *statement, int column, char **text, struct error *error);

/* Seconds since 1970. */
double sql_now(void);

#endif
