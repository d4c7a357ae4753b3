/* The lock of the one who writes: flock on PATH.lock, which holds the process id of the holder as text. The kernel
 * frees it when the process dies, however it dies. Any thread. */
#ifndef SONDE_CATALOGUE_LOCK_H
#define SONDE_CATALOGUE_LOCK_H

#include "engine/base/error.h"

#include <stdint.h>

/* Takes the lock for the catalogue at `path` and returns a descriptor to keep, or -1 with a sentence that names the
 * holder. *untouched: the file is as the last writer left it after a clean end (lock_release with `path`). */
int lock_take(const char *path, bool *untouched, struct error *error);

/* Gives it back; -1 is fine. The side file stays. `path` is not NULL: the catalogue was sound and is closed, which is written
 * down with the file's size and times, so that the next writer needn't read all of it to know. */
void lock_release(int lock, const char *path);

/* Whether somebody (this process too) holds it; *pid is 0 when the file doesn't say who. */
bool lock_holder(const char *path, int64_t *pid);

/* False with a sentence when `path` lies on a network file system, where neither locks nor SQLite's log can be relied
 * on. */
bool lock_local(const char *path, struct error *error);

#endif
