/* Walks what the user or a watcher named, a batch at a time, on an errand thread. */
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
    char *
        rules; /* not NULL: `path` is a folder, and this the text of its .sondeignore, owned; entries of that folder follow */
    bool
        share; /* a remote file system is mounted at `path`: it isn't entered, for it may hang, and is a walk of its own */
};

struct walk_options {
    bool hidden; /* names that begin with a dot count too */
    bool rules;  /* .sondeignore files are read */
    /* The catalogue, without links: what belongs to it is left out of folders. NULL: nothing is. Copied. */
    const char *own;
};

/* The walk of some paths, one after the other. What it finds is in `entries` after each walk_step; the caller may take
 * `path` and `rules` (set them to NULL). */
struct walker;

/* `paths`: `n` (1 or more) absolute ones. NULL: out of memory. */
struct walker *walker_new(const char *const *paths, size_t n, const struct walk_options *options);
/* On an errand thread: clears the last batch and finds the next. */
void walker_step(struct walker *walker);
/* After a step. */
struct walk_entry *walker_entries(struct walker *walker, size_t *n);
bool walker_is_over(const struct walker *walker);
bool walker_has_started(const struct walker *walker);
/* A sentence about what could not be read since the last step, or NULL. */
const char *walker_problem(const struct walker *walker);
/* Path `index` of those that it was made with; once it has been walked, without links and "..". */
const char *walker_root(const struct walker *walker, size_t index);
size_t walker_roots(const struct walker *walker);
/* Whether it is a folder; known once it has been walked. */
bool walker_root_is_folder(const struct walker *walker, size_t index);
void walker_free(struct walker *walker);

/* Whether a name inside a folder is left out: hidden (unless those count), or with the extension of something that isn't
 * sound. Any thread. */
bool walk_leaves_out(const char *name, bool hidden);

#endif
