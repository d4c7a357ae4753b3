/* What kind of file system a path is on, from /proc/self/mountinfo. Any thread. */
#ifndef SONDE_BASE_MOUNTS_H
#define SONDE_BASE_MOUNTS_H

#include "engine/base/error.h"

#include <stdint.h>

struct mount {
    char type[64];    /* "ext4", "nfs4", "fuse.sshfs" ... */
    char point[4096]; /* where it is mounted */
    int64_t id;       /* changes when something else is mounted there */
    bool remote;      /* changes made by other machines raise no events here: it has to be swept */
};

/* The mount that holds the absolute `path`. `table`: NULL for /proc/self/mountinfo, else a file in its format. */
bool mounts_find(const char *path, const char *table, struct mount *mount, struct error *error);

/* Calls `found` with each place below `path` where a remote file system is mounted, as far as it can be seen from here. */
bool mounts_below(const char *path, const char *table, void (*found)(void *context, const char *point), void *context,
                  struct error *error);

/* A number that is another one when a local file system has been mounted or unmounted below `path`; 0: none is there. (All but
 * always: it is the sum of their ids, which the kernel uses again.) */
bool mounts_local_below(const char *path, const char *table, uint64_t *sum, struct error *error);

#endif
