/* Where an export goes: standard output, or a file that appears under its name only when it is complete. One thread. */
#ifndef SONDE_CLI_SINK_H
#define SONDE_CLI_SINK_H

#include "engine/base/error.h"

#include <stdio.h>

struct sink {
    FILE *out;
    char *path; /* NULL: standard output */
    char *part; /* the name it has until it is complete; NULL: none */
    bool fresh; /* a new file, which gets its name in the end; not what is written as it stands */
};

/* Begins. `path` is NULL for standard output. Until sink_close, what is written goes to a file in the same folder that has no
 * name, so that nothing is left of it whatever ends the program; where the file system knows no such files, to PATH.XXXXXX. It
 * has the rights of the one that it replaces. Of a link, the file that it leads to is meant. A pipe, a device and what is open already (/dev/stdout, /dev/fd/3) are written as they stand. */
bool sink_open(struct sink *sink, const char *path, struct error *error);

/* Ends. With `keep`, the file gets its name (and replaces one that had it) once all of it is on the disk; otherwise, or when
 * that fails, it is removed, and what had the name stays. */
bool sink_close(struct sink *sink, bool keep, struct error *error);

/* Whether writing still works: false when the disk is full, or the reader of a pipe has gone. */
bool sink_works(const struct sink *sink);

#endif
