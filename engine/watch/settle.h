/* Files that were touched and may not be whole yet. A file is settled when its size and modification time are the same at
 * two looks; how far apart those are depends on what is known about who writes it:
 *
 *   SETTLE_CLOSED    a writer closed it, or it was moved in: `soon` (a fraction of a second)
 *   SETTLE_APPEARED  its name appeared and nothing more was heard (a hard link, or a copy about to begin): `quiet`
 *   SETTLE_WRITING   somebody wrote and has not closed it: `stalled` (minutes), for writers that never close
 *
 * A slow copy is therefore taken once, when it is done. One thread; times are seconds of a clock of the caller's. */
#ifndef SONDE_WATCH_SETTLE_H
#define SONDE_WATCH_SETTLE_H

#include <stdbool.h>
#include <stddef.h>

enum settle_reason { SETTLE_CLOSED, SETTLE_APPEARED, SETTLE_WRITING };

struct settle_delays {
    double soon, quiet, stalled; /* s; 0.25, 5, 600 */
};

struct settle;

struct settle *settle_new(struct settle_delays delays); /* NULL: out of memory */
void settle_free(struct settle *settle);

/* Something happened to the file at `path` (copied). False: out of memory. */
bool settle_touch(struct settle *settle, const char *path, enum settle_reason reason, double now);

/* Forgets the file, or (folder) all files below that path. */
void settle_forget(struct settle *settle, const char *path, bool folder);

/* Looks at all files that are due; `settled` is called for each that is whole, which is then forgotten. Files that have
 * vanished are forgotten silently. At most `max` looks, so that a loop stays responsive. */
void settle_look(struct settle *settle, double now, size_t max, void (*settled)(void *context, const char *path),
                 void *context);

size_t settle_waiting(const struct settle *settle);

#endif
