/* Opens input files, carefully: only regular files, never waiting for a FIFO or a terminal, never stuck on a dead share.
 *
 * A path that doesn't answer in time marks its file system as hanging: for a minute, other paths on it are refused at once
 * instead of costing a thread and a deadline each. Loop thread. */
#ifndef SONDE_SCHEDULE_OPENER_H
#define SONDE_SCHEDULE_OPENER_H

#include "engine/catalogue/store.h"
#include "engine/errands/errands.h"

#include <stdbool.h>

struct opener;

struct opened {
    int fd;                 /* the callback's own; -1 when it could not be opened or only a look was asked for */
    bool ok;                /* a regular file that can be read */
    bool missing;           /* there is nothing of that name */
    bool away;              /* missing, and with it the disk that it was on */
    bool passing;           /* not ok for a passing reason of the system's: EIO, ESTALE, too many open files ... */
    bool refused;           /* passing: it wasn't tried, for its file system is known to hang */
    bool looked;            /* the system said what is there; else it may be anything, as before or not ... */
    bool listed;            /* ... but for what its folder lists as a regular file: that is one */
    struct store_stat stat; /* valid when looked */
    char reason[256];       /* a sentence, when not ok */
};

typedef void (*opener_done)(void *context, struct opened *opened);

enum opener_mode { OPENER_OPEN, OPENER_LOOK };

/* `deadline`: seconds for one path. */
struct opener *opener_new(struct errands *errands, double deadline, struct error *error);

/* Opens `path` for reading (OPENER_OPEN), or only looks at it (OPENER_LOOK). `device`: the one it was on when last seen, or
 * 0. `done` comes later on the loop thread, always. False: out of memory, and it doesn't. */
bool opener_open(struct opener *opener, const char *path, uint64_t device, enum opener_mode mode, opener_done done,
                 void *context);

/* Whether the disk that held the missing `path` (when it was last seen: `device`) isn't there either: the nearest folder
 * above it that exists is on another one. `folder` (or NULL) gets that folder's length within `path`. May hang: errand
 * threads. */
bool opener_is_away(const char *path, uint64_t device, size_t *folder);

/* For others who ask things of files: that `path` did not answer in time, and whether its file system is known for that. */
void opener_note_hanging(struct opener *opener, const char *path);
bool opener_is_hanging(const struct opener *opener, const char *path);

/* The same check of what a stat says, for whoever has one: fills in ok, looked, stat, passing and reason. `code` is the errno, or 0. */
void opener_judge(struct opened *opened, const void *stat_buffer, int code);

/* After errands_free. */
void opener_free(struct opener *opener);

#endif
