/* The roots of a watcher: whether they are there, watched or swept, and when they are looked at again. */
#include "engine/base/mounts.h"
#include "engine/watch/looks.h"
#include "engine/watch/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct root *roots_at(const struct watch *watch, const char *path) {
    for (size_t i = 0; i < watch->roots_count; i++)
        if (strcmp(watch->roots[i].path, path) == 0) return &watch->roots[i];
    return NULL;
}

bool roots_is_swept(const struct watch *watch, const char *path) {
    const struct root *root = roots_at(watch, path);
    return root && root->there && root->swept;
}

static bool is_below(const char *path, const char *root) {
    size_t n = strlen(root);
    return strncmp(root, path, n) == 0 && (path[n] == '/' || n == 1);
}

size_t roots_of(const struct watch *watch, const char *path) {
    size_t best = 0, longest = 0;
    for (size_t i = 0; i < watch->roots_count; i++) {
        size_t n = strlen(watch->roots[i].path);
        if (n < longest || !is_below(path, watch->roots[i].path)) continue;
        best = i;
        longest = n;
    }
    return best;
}

static void sweep_root(struct watch *watch, struct root *root, const char *why) {
    bool partial = root->swept || folders_unwatched(watch->folders) > 0;
    if (root->swept) ignore_forget_folder(watch->ignore, root->path);
    root->next_sweep = partial ? watch_now(watch) + watch->options.sweep_interval : 0;
    if (root->there) watch->events.sweep(watch->user, root->path, why);
}

static void add_inner_root(void *context, const char *point) {
    struct watch *watch = context;
    size_t outer = strlen(watch->roots[roots_of(watch, point)].path);
    if (roots_at(watch, point) || ignore_matches_below(watch->ignore, point, outer, true)) return;
    if (!roots_add(watch, point, true)) watch_out_of_memory(watch);
}

/* Remote file systems below a root that is watched become roots of their own. */
static void find_inner_roots(struct watch *watch, size_t index) {
    char *path = strdup(watch->roots[index].path); /* the array may move */
    if (path) (void)mounts_below(path, watch->options.mount_table, add_inner_root, watch, NULL);
    free(path);
}

/* Watches the tree of a root, and notes which folder that is: another may take its place. Only its watch holds it in memory;
 * without one, some file systems give it another number every now and then. */
static void watch_root(struct watch *watch, struct root *root) {
    struct stat st;
    bool found = stat(root->path, &st) == 0;
    (void)mounts_local_below(root->path, watch->options.mount_table, &root->local, NULL);
    root->folder = watch_tree(watch, NULL, root->path, root->path, false, 0);
    bool held = found && root->folder && root->folder->wd >= 0;
    root->device = held ? st.st_dev : 0;
    root->inode = held ? st.st_ino : 0;
}

static void say_swept(struct watch *watch, const struct root *root, const char *type) {
    char sentence[5000];
    double interval = watch->options.sweep_interval;
    if (root->remote)
        snprintf(
            sentence, sizeof sentence,
            "%s is on a %s file system, which tells nothing of what other machines write: it is swept every %.0f s",
            root->path, type, interval);
    else
        snprintf(
            sentence, sizeof sentence,
            "%s can't be watched, for the system's limit of programs that watch is reached: it is swept every %.0f s. "
            "To watch it, raise the limit (sysctl fs.inotify.max_user_instances), then `sonde reload`",
            root->path, interval);
    watch_warn(watch, sentence);
}

/* A root that is there: watched or, on a file system that other machines write to, or where nothing can be watched, swept. */
static void open_root(struct watch *watch, size_t index) {
    struct root *root = &watch->roots[index];
    struct mount mount = {0};
    struct error error = {0};
    root->there = true;
    bool known = mounts_find(root->path, watch->options.mount_table, &mount, &error);
    root->mount = mount.id;
    root->remote = known && mount.remote;
    root->swept = root->remote || watch->fd < 0;
    if (root->swept) {
        say_swept(watch, root, mount.type);
    } else {
        find_inner_roots(watch, index); /* before anything is read there: they might hang */
        root = &watch->roots[index];
        watch_root(watch, root);
    }
    sweep_root(watch, root, NULL);
}

void roots_open_again(struct watch *watch, struct root *root, const char *why) {
    watch_settle_departure(watch); /* it refers to a folder of the old tree */
    if (root->folder) folders_remove(watch->folders, root->folder, watch_drop, watch);
    watch_root(watch, root);
    sweep_root(watch, root, why);
}

static void close_root(struct watch *watch, struct root *root) {
    watch_settle_departure(watch);
    if (root->folder) folders_remove(watch->folders, root->folder, watch_drop, watch);
    root->folder = NULL;
    root->inode = 0;
    root->there = false;
    looks_forget(watch->looks, (size_t)(root - watch->roots));
    settle_forget(watch->settle, root->path, true);
    ignore_forget_folder(watch->ignore, root->path);
    if (watch->events.root) watch->events.root(watch->user, root->path, false);
}

void roots_lose(struct watch *watch, const struct folder *folder) {
    for (size_t i = 0; i < watch->roots_count; i++)
        if (watch->roots[i].folder == folder) close_root(watch, &watch->roots[i]);
}

/* Whether the root is there, on the mount it was on: an empty mount point under an unmounted disk is not the root, nor is a new
 * folder in the place of a renamed one (roots_lose hears of most, but not when the folder above has been renamed). A share that
 * has stopped answering would keep us for ever, so it is not asked: its mount tells, and what is gone from it its sweeps do. */
static bool root_is_there(const struct watch *watch, const struct root *root) {
    struct mount mount = {0};
    bool found = mounts_find(root->path, watch->options.mount_table, &mount, NULL);
    if (root->inner && !(found && mount.remote && strcmp(mount.point, root->path) == 0)) return false;
    bool known = found && root->there && root->mount != 0;
    if (known && mount.id != root->mount) return false;
    if ((known && root->remote) || root->inner) return true;
    struct stat st;
    if (stat(root->path, &st) != 0 || !S_ISDIR(st.st_mode)) return false;
    return !root->there || root->inode == 0 || (root->device == st.st_dev && root->inode == st.st_ino);
}

/* What lay under a mount that is gone belongs to the root around it. */
static void uncover(struct watch *watch, const char *path) {
    for (size_t i = 0; i < watch->roots_count; i++) {
        struct root *root = &watch->roots[i];
        if (root->folder && is_below(path, root->path))
            roots_open_again(watch, root, "what was mounted below it is gone");
    }
}

/* Whether a disk has come or gone below a root that is watched: nobody is told of what lies under a new mount. */
static bool disks_differ(const struct watch *watch, const struct root *root) {
    uint64_t local = 0;
    return root->folder && mounts_local_below(root->path, watch->options.mount_table, &local, NULL) &&
           local != root->local;
}

void roots_look_after(struct watch *watch) {
    double t = watch_now(watch);
    for (size_t i = 0; i < watch->roots_count; i++)
        if (watch->roots[i].there && !watch->roots[i].swept) find_inner_roots(watch, i);
    for (size_t i = 0; i < watch->roots_count; i++) {
        struct root *root = &watch->roots[i];
        bool there = root_is_there(watch, root);
        if (root->there && !there) {
            close_root(watch, root);
            if (root->inner) uncover(watch, root->path);
        } else if (!root->there && there) {
            if (watch->events.root) watch->events.root(watch->user, root->path, true);
            open_root(watch, i);
        } else if (root->there && disks_differ(watch, root)) {
            roots_open_again(watch, root, "a disk below it has come or gone");
        } else if (root->there && root->next_sweep > 0 && t >= root->next_sweep) {
            sweep_root(watch, root, "folders that can't be watched are looked at now and then");
        } else if (root->there && root->next_sweep <= 0 && folders_unwatched(watch->folders) > 0) {
            /* Such a folder came later, or its disk has been away meanwhile. */
            root->next_sweep = t + watch->options.sweep_interval;
        }
    }
    if (t >= watch->next_safety) {
        watch->next_safety = t + watch->options.safety_interval;
        for (size_t i = 0; i < watch->roots_count; i++)
            sweep_root(watch, &watch->roots[i], "the daily look at everything");
    }
}

bool roots_add(struct watch *watch, const char *path, bool inner) {
    struct root *grown = realloc(watch->roots, (watch->roots_count + 1) * sizeof *grown);
    if (!grown) return false;
    watch->roots = grown;
    struct root root = {.path = strdup(path), .inner = inner};
    if (!root.path) return false;
    size_t index = watch->roots_count++;
    watch->roots[index] = root;
    if (root_is_there(watch, &root))
        open_root(watch, index);
    else if (watch->events.root)
        watch->events.root(watch->user, root.path, false);
    return true;
}
