/* Files that were touched and may not be whole yet. A file is settled when its size and modification time are the same at
 * two looks; how far apart those are depends on what is known about who writes it:
 *
 *   SETTLE_CLOSED    a writer closed it, or it was moved in: `soon` (a fraction of a second)
 *   SETTLE_APPEARED  its name appeared and nothing more was heard (a hard link, or a copy about to begin): `quiet`
 *   SETTLE_WRITING   somebody wrote and has not closed it: `stalled` (minutes), for writers that never close
 *
 * A slow copy is therefore taken once, when it is done. Looks themselves are taken by others, for a look may hang with its file
 * system: settle_due tells what to look at, settle_batch_look looks (on a thread that may hang), settle_take hears what was seen.
 * Files have a group, whatever hangs together: each batch is of one. One thread, but for settle_batch_look; times are seconds of
 * a clock of the caller's. */
#ifndef SONDE_WATCH_SETTLE_H
#define SONDE_WATCH_SETTLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum settle_reason { SETTLE_CLOSED, SETTLE_APPEARED, SETTLE_WRITING };

struct settle_delays {
    double soon, quiet, stalled; /* s; 0.25, 5, 600 */
};

struct settle;

struct settle *settle_new(struct settle_delays delays); /* NULL: out of memory */
void settle_free(struct settle *settle);

/* Something happened to the file at `path` (copied). The first look at it is due at once. False: out of memory. */
bool settle_touch(struct settle *settle, const char *path, size_t group, enum settle_reason reason, double now);

/* Forgets the file, or (folder) all files below that path. */
void settle_forget(struct settle *settle, const char *path, bool folder);

/* A look at a file. */
struct settle_look {
    char *path;
    uint64_t touch; /* which touch of the file it is about */
    bool taken;     /* this look, by settle_batch_look */
    bool there;     /* a regular file, a link to whatever, or what could not be looked at */
    int64_t size, mtime_ns;
};

/* Looks to take. It is whole in itself: it may outlive the settle that it came from. */
struct settle_batch {
    size_t n;
    struct settle_look looks[];
};

/* The files of `group` that are due, at most `max`, each only once until settle_take has had it. NULL: none, or out of memory,
 * and then they stay due. */
struct settle_batch *settle_due(struct settle *settle, size_t group, double now, size_t max);

/* Takes the looks. Any thread. */
void settle_batch_look(struct settle_batch *batch);

/* Takes up what was seen, and frees the batch. `settled` is called for each file that is whole, which is then forgotten; files that
 * have vanished are forgotten silently; what was touched since, or not looked at, stays due. */
void settle_take(struct settle *settle, struct settle_batch *batch, double now,
                 void (*settled)(void *context, const char *path), void *context);

void settle_batch_free(struct settle_batch *batch); /* NULL is fine */

size_t settle_waiting(const struct settle *settle);

#endif
