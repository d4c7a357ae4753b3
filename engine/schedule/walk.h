/* Walks what the user named, a batch at a time, on an errand thread. */
#ifndef SONDE_SCHEDULE_WALK_H
#define SONDE_SCHEDULE_WALK_H

#include "engine/schedule/opener.h"

#include <stdbool.h>
#include <stddef.h>

#define WALK_BATCH         256
#define WALK_BATCH_SECONDS 0.5 /* a batch ends after so long, full or not */

struct walk_entry {
    char *path;         /* absolute, owned */
    struct opened seen; /* fd is -1 */
};

/* The walk of one path. What it finds is in `entries` after each walk_step; the caller may take `path` (set it to NULL). */
struct walker;

/* `path`: absolute. NULL: out of memory. */
struct walker *walker_new(const char *path);
/* On an errand thread: clears the last batch and finds the next. */
void walker_step(struct walker *walker);
/* After a step. */
struct walk_entry *walker_entries(struct walker *walker, size_t *n);
bool walker_is_over(const struct walker *walker);
bool walker_has_started(const struct walker *walker);
/* A sentence about what could not be read since the last step, or NULL. */
const char *walker_problem(const struct walker *walker);
const char *walker_root(const struct walker *walker);
void walker_free(struct walker *walker);

/* Whether a name inside a folder is left out: hidden, or with the extension of something that isn't sound. */
bool walk_leaves_out(const char *name);

#endif
