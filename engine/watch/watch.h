/* Watches folders, with all that is below them, for new, changed, moved and vanished files.
 *
 * It reads inotify itself, its descriptor under uv_poll: libuv's own watcher knows neither close-write nor overflow. What
 * inotify can't tell is swept, and said so:
 *   - a file system that other machines write to (mounts.h), be it a root or mounted below one, now or later,
 *   - all roots, when no more programs may listen to inotify (fs.inotify.max_user_instances),
 *   - folders beyond the limit fs.inotify.max_user_watches, of which a part is left to other programs,
 *   - a root below which a disk has been mounted or unmounted,
 *   - a folder that has got another name, for what was just coming into it,
 *   - everything, after the kernel's queue has overflowed.
 * A sweep is a call of `sweep`: whoever owns the watcher walks that folder and compares (engine_sweep does).
 * Nothing is read below a folder that is swept, for that might hang: who sweeps finds the .sondeignore files too, and tells
 * them to `ignore` (ignore_set_folder). They are forgotten before each sweep.
 *
 * Loop thread only. Paths are absolute, zero-terminated bytes, valid during the call. */
#ifndef SONDE_WATCH_WATCH_H
#define SONDE_WATCH_WATCH_H

#include "engine/base/error.h"
#include "engine/watch/ignore.h"
#include "engine/watch/settle.h"

#include <stddef.h>
#include <uv.h>

struct watch;

struct watch_events {
    /* A file is new or changed, and settled (settle.h). */
    void (*file)(void *user, const char *path);
    /* A file or folder has another path now; both are watched. */
    void (*moved)(void *user, const char *from, const char *to, bool folder);
    /* A file or folder is no longer there. */
    void (*gone)(void *user, const char *path, bool folder);
    /* Look at everything below `folder`; `why` is a sentence, or NULL for the first look at a root. */
    void (*sweep)(void *user, const char *folder, const char *why);
    /* A root is not there (an unmounted disk, say, or it has been renamed), or is back, perhaps as another folder (`there`).
     * Nothing below it counts as gone meanwhile. */
    void (*root)(void *user, const char *root, bool there);
    void (*warning)(void *user, const char *sentence);
};

struct watch_options {
    struct settle_delays delays;
    double sweep_interval;   /* s between sweeps of what can't be watched; 300 */
    double safety_interval;  /* s between sweeps of everything, in case an event was lost; 86400 */
    size_t max_watches;      /* 0: the system's limit, less what is left to others */
    const char *mount_table; /* NULL: /proc/self/mountinfo; a file, for tests */
};

void watch_options_init(struct watch_options *options);

/* `ignore` stays the caller's and must outlive the watcher, which reads .sondeignore files into it. NULL with a sentence. */
struct watch *watch_new(uv_loop_t *loop, const struct watch_options *options, struct ignore *ignore,
                        const struct watch_events *events, void *user, struct error *error);

/* Adds a root. A root that isn't there is waited for. It is swept soon. False: out of memory, or not an absolute path. */
bool watch_add_root(struct watch *watch, const char *path, struct error *error);

/* A sweep met a file that was written a moment ago: `file` is called for it when it is settled. False: out of memory. */
bool watch_settle(struct watch *watch, const char *path);

struct watch_counts {
    size_t folders_watched, folders_swept, files_settling;
    unsigned long overflows;
};
void watch_count(const struct watch *watch, struct watch_counts *counts);

/* Closes; its memory goes when the loop has run once more. NULL is fine. */
void watch_free(struct watch *watch);

#endif
