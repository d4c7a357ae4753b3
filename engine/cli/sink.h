/* Where an export goes: standard output, or a file that appears under its name only when it is complete. One thread. */
#ifndef SONDE_CLI_SINK_H
#define SONDE_CLI_SINK_H

#include "engine/base/error.h"

#include <stdio.h>

struct sink {
    FILE *out;
    char *path, *part; /* NULL: standard output */
};

/* Begins. `path` is NULL for standard output. What is written goes to a file of its own beside it until sink_close. */
bool sink_open(struct sink *sink, const char *path, struct error *error);

/* Ends. With `keep`, the file gets its name (and replaces one that had it) once all of it is on the disk; otherwise, or when
 * that fails, it is removed, and what had the name stays. */
bool sink_close(struct sink *sink, bool keep, struct error *error);

/* Whether writing still works: false when the disk is full, or the reader of a pipe has gone. */
bool sink_works(const struct sink *sink);

#endif
