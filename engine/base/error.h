/* Errors are values: a sentence that its reader can act on.
 *
 * A function that can fail returns false (or NULL) and fills in the `struct error *` it was given, which may be NULL when
 * the caller doesn't care. The sentence names the thing concerned and what to do, without a final full stop.
 * Any thread. */
#ifndef SONDE_BASE_ERROR_H
#define SONDE_BASE_ERROR_H

#include <stdbool.h>

struct error {
    int code;       /* an errno value where there is one, else 0 */
    char text[500]; /* UTF-8, zero-terminated; cut between characters when too long */
};

/* Fills in `error` (if not NULL) from a printf format. Always returns false, so that `return error_set(...)` reads well. */
bool error_set(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* As error_set, followed by ": " and what `code` (an errno value) means. */
bool error_system(struct error *error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Out of memory; always returns false. */
bool error_memory(struct error *error);

#endif
