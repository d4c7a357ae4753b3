/* What the parts of the watcher share: watch.c reads what happens in folders, roots.c looks after the roots. Private to
 * engine/watch; loop thread only. */
#ifndef SONDE_WATCH_STATE_H
#define SONDE_WATCH_STATE_H

#include "engine/watch/folders.h"
#include "engine/watch/watch.h"

#include <sys/types.h>

struct root {
    char *path;
    struct folder *folder; /* NULL: not there, or swept */
    bool there, swept;
    bool remote;    /* on a file system that other machines write to: it may hang */
    bool inner;     /* such a one, mounted below another root */
    int64_t mount;  /* its mount's id when it was last there */
    uint64_t local; /* what mounts_local_below says of it, as it is watched */
    dev_t device;
    ino_t inode; /* of the folder that is watched; 0: not known */
    double next_sweep;
};

/* The first half of a move, waiting for the second. */
struct departure {
    uint32_t cookie;
    struct folder *parent;
    char *name, *path;
    bool folder;
    double deadline;
};

struct watch {
    uv_loop_t *loop;
    uv_poll_t poll;
    uv_timer_t timer;
    int handles; /* not yet closed */
    int fd;      /* -1: the system lets nobody else listen, so all roots are swept */
    struct watch_options options;
    struct watch_events events;
    void *user;
    struct ignore *ignore;
    struct folders *folders;
    struct settle *settle;
    struct looks *looks;
    struct root *roots;
    size_t roots_count;
    struct departure departure;
    bool limited, memory_short; /* said once each */
    unsigned long overflows;
    double next_safety, next_roots; /* s: when to sweep everything, and to look whether the roots are there */
};

/* watch.c */

double watch_now(const struct watch *watch); /* s */
void watch_warn(struct watch *watch, const char *sentence);
void watch_out_of_memory(struct watch *watch);

/* Adds the folder at `path` and all below it. With `announce` the files found are new ones: they came in before the watch
 * stood. Links to folders are not followed, so loops end. */
struct folder *watch_tree(struct watch *watch, struct folder *parent, const char *name, const char *path, bool announce,
                          int depth);

/* Of folders_remove: its watch is given back. `context`: the watcher. */
void watch_drop(void *context, int wd);

/* The departed did not arrive anywhere that is watched: it is gone. */
void watch_settle_departure(struct watch *watch);

/* roots.c */

/* The root at `path`, or NULL. */
struct root *roots_at(const struct watch *watch, const char *path);

/* Whether the folder at `path` is swept as a root of its own. */
bool roots_is_swept(const struct watch *watch, const char *path);

/* The innermost root that holds `path`. */
size_t roots_of(const struct watch *watch, const char *path);

/* Adds a root, and opens it if it is there. False: out of memory. */
bool roots_add(struct watch *watch, const char *path, bool inner);

/* Watches the tree of a root anew, for folders may have come unseen, and looks at all of it. */
void roots_open_again(struct watch *watch, struct root *root, const char *why);

/* `folder` has been removed or renamed: the root that it was, if it was one, is not there until it is looked for again. */
void roots_lose(struct watch *watch, const struct folder *folder);

/* Once a second: which roots have come or gone, and what is due to be swept. */
void roots_look_after(struct watch *watch);

#endif
