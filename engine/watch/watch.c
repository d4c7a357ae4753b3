/* What happens in watched folders, as inotify tells it. */
#include "engine/watch/looks.h"
#include "engine/watch/state.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIMIT_FILE "/proc/sys/fs/inotify/max_user_watches"
enum {
    FOLDER_EVENTS = IN_CLOSE_WRITE | IN_CREATE | IN_MODIFY | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF |
                    IN_MOVE_SELF | IN_ONLYDIR | IN_EXCL_UNLINK | IN_DONT_FOLLOW,
    TICK_MS = 100,
    MAX_DEPTH = 200,
};

void watch_options_init(struct watch_options *options) {
    *options = (struct watch_options){
        .delays = {.soon = 0.25, .quiet = 5, .stalled = 600}, .sweep_interval = 300, .safety_interval = 86400};
}

double watch_now(const struct watch *watch) {
    return (double)uv_now(watch->loop) / 1000.0;
}

/* The system's limit on watches, less a tenth and at least 500, which are left to other programs. */
static size_t watches_allowed(void) {
    FILE *stream = fopen(LIMIT_FILE, "re");
    unsigned long limit = 0;
    if (!stream) return 8192;
    if (fscanf(stream, "%lu", &limit) != 1) limit = 8192;
    fclose(stream);
    unsigned long spare = limit / 10 > 500 ? limit / 10 : 500;
    return limit > 2 * spare ? limit - spare : limit / 2;
}

void watch_warn(struct watch *watch, const char *sentence) {
    if (watch->events.warning) watch->events.warning(watch->user, sentence);
}

void watch_out_of_memory(struct watch *watch) {
    if (!watch->memory_short) watch_warn(watch, "out of memory while watching: folders will be swept instead");
    watch->memory_short = true;
    for (size_t i = 0; i < watch->roots_count; i++) watch->roots[i].next_sweep = watch_now(watch) + 5;
}

static void say_limit(struct watch *watch, const char *path) {
    if (watch->limited) return;
    watch->limited = true;
    char sentence[5000];
    snprintf(
        sentence, sizeof sentence,
        "%s and other folders can't be watched, for the system's limit is reached (%zu in use); they are swept every %.0f s. "
        "To watch them: sysctl fs.inotify.max_user_watches=%zu",
        path, folders_watched(watch->folders), watch->options.sweep_interval, 4 * watch->options.max_watches);
    watch_warn(watch, sentence);
}

/* A watch on a folder; -1 when the limit is reached or it is gone. */
static int watch_folder(struct watch *watch, const char *path) {
    if (folders_watched(watch->folders) >= watch->options.max_watches) {
        say_limit(watch, path);
        return -1;
    }
    int wd = inotify_add_watch(watch->fd, path, FOLDER_EVENTS);
    if (wd < 0 && errno == ENOSPC) say_limit(watch, path);
    return wd;
}

void watch_drop(void *context, int wd) {
    struct watch *watch = context;
    (void)inotify_rm_watch(watch->fd, wd); /* fails when the folder is gone, and with it the watch */
}

static bool settle_file(struct watch *watch, const char *path, enum settle_reason reason) {
    return settle_touch(watch->settle, path, roots_of(watch, path), reason, watch_now(watch));
}

static void touch(struct watch *watch, const char *path, enum settle_reason reason) {
    if (ignore_matches(watch->ignore, path, false)) return;
    if (!settle_file(watch, path, reason)) watch_out_of_memory(watch);
}

struct folder *watch_tree(struct watch *watch, struct folder *parent, const char *name, const char *path, bool announce,
                          int depth) {
    if (depth > MAX_DEPTH) return NULL;
    int wd = watch_folder(watch, path);
    struct folder *folder = folders_add(watch->folders, parent, name, wd);
    if (!folder || !ignore_read_folder(watch->ignore, path)) watch_out_of_memory(watch);
    if (!folder) return NULL;
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        char *below = folders_path(folder, entry->d_name);
        struct stat st;
        if (!below) {
            watch_out_of_memory(watch);
            break;
        }
        bool is_folder = entry->d_type == DT_DIR ||
                         (entry->d_type == DT_UNKNOWN && lstat(below, &st) == 0 && S_ISDIR(st.st_mode));
        if (is_folder && !roots_is_swept(watch, below) && !ignore_matches(watch->ignore, below, true))
            (void)watch_tree(watch, folder, entry->d_name, below, announce, depth + 1);
        else if (!is_folder && announce)
            touch(watch, below, SETTLE_CLOSED);
        free(below);
    }
    if (dir) closedir(dir);
    return folder;
}

static void forget_departure(struct departure *departure) {
    free(departure->name);
    free(departure->path);
    *departure = (struct departure){0};
}

void watch_settle_departure(struct watch *watch) {
    struct departure departure = watch->departure;
    if (!departure.path) return;
    watch->departure = (struct departure){0};
    if (departure.folder) {
        struct folder *folder = folders_child(departure.parent, departure.name);
        if (folder) folders_remove(watch->folders, folder, watch_drop, watch);
        ignore_forget_folder(watch->ignore, departure.path);
    }
    settle_forget(watch->settle, departure.path, departure.folder);
    watch->events.gone(watch->user, departure.path, departure.folder);
    forget_departure(&departure);
}

static void depart(struct watch *watch, struct folder *parent, const struct inotify_event *event, char *path) {
    watch_settle_departure(watch);
    char *name = strdup(event->name), *copy = strdup(path);
    if (!name || !copy) {
        free(name);
        free(copy);
        watch_out_of_memory(watch);
        return;
    }
    watch->departure = (struct departure){event->cookie,         parent, name, copy, (event->mask & IN_ISDIR) != 0,
                                          watch_now(watch) + 0.2};
    // cppcheck-suppress memleak ; the departure owns them now
}

/* A new folder, with what may already be in it. */
static void folder_came(struct watch *watch, struct folder *parent, const char *name, const char *path) {
    struct folder *old = folders_child(parent, name);
    if (old) folders_remove(watch->folders, old, watch_drop, watch);
    if (!ignore_matches(watch->ignore, path, true)) (void)watch_tree(watch, parent, name, path, true, 0);
}

/* The departed folder has another place in the tree. If it had its new name before it could be watched, it is a new one. */
static void folder_moved(struct watch *watch, struct folder *parent, const char *name, const char *path) {
    const struct departure *from = &watch->departure;
    struct folder *moved = folders_child(from->parent, from->name);
    ignore_forget_folder(watch->ignore, from->path);
    if (!moved || moved->wd < 0) {
        if (moved) folders_remove(watch->folders, moved, watch_drop, watch);
        folder_came(watch, parent, name, path);
        return;
    }
    struct folder *replaced = folders_child(parent, name);
    if (replaced && replaced != moved) folders_remove(watch->folders, replaced, watch_drop, watch);
    if (!folders_move(watch->folders, moved, parent, name) || !ignore_read_folder(watch->ignore, path))
        watch_out_of_memory(watch);
}

static void arrive(struct watch *watch, struct folder *parent, const struct inotify_event *event, const char *path) {
    struct departure *from = &watch->departure;
    bool is_folder = (event->mask & IN_ISDIR) != 0;
    bool paired = from->path && from->cookie == event->cookie;
    bool was_out = paired && ignore_matches(watch->ignore, from->path, is_folder);
    bool is_out = ignore_matches(watch->ignore, path, is_folder);
    if (!paired || was_out || is_out) {
        if (paired && was_out) forget_departure(from);
        if (is_out) return;
        if (is_folder)
            folder_came(watch, parent, event->name, path);
        else
            touch(watch, path, SETTLE_CLOSED);
        return;
    }
    if (is_folder) folder_moved(watch, parent, event->name, path);
    settle_forget(watch->settle, from->path, is_folder);
    watch->events.moved(watch->user, from->path, path, is_folder);
    if (is_folder) /* nobody knows yet of files that were settling in it, or were about to be looked at under the old name */
        watch->events.sweep(watch->user, path, "it has another name");
    else
        touch(watch, path, SETTLE_CLOSED); /* its content may be new as well (written, then renamed over) */
    forget_departure(from);
}

static void on_named_event(struct watch *watch, struct folder *folder, const struct inotify_event *event) {
    char *path = folders_path(folder, event->name);
    if (!path) {
        watch_out_of_memory(watch);
        return;
    }
    bool is_folder = (event->mask & IN_ISDIR) != 0;
    if (strcmp(event->name, IGNORE_FILE) == 0 && (event->mask & (IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE))) {
        char *owner = folders_path(folder, NULL);
        if (!owner || !ignore_read_folder(watch->ignore, owner)) watch_out_of_memory(watch);
        if (owner) watch->events.sweep(watch->user, owner, "its " IGNORE_FILE " has changed");
        free(owner);
    }
    if (event->mask & IN_MOVED_FROM)
        depart(watch, folder, event, path);
    else if (event->mask & IN_MOVED_TO)
        arrive(watch, folder, event, path);
    else if (event->mask & IN_DELETE) {
        struct folder *child = is_folder ? folders_child(folder, event->name) : NULL;
        if (child) folders_remove(watch->folders, child, watch_drop, watch);
        settle_forget(watch->settle, path, is_folder);
        if (!ignore_matches(watch->ignore, path, is_folder)) watch->events.gone(watch->user, path, is_folder);
    } else if (is_folder && (event->mask & IN_CREATE))
        folder_came(watch, folder, event->name, path);
    else if (!is_folder && (event->mask & IN_CLOSE_WRITE))
        touch(watch, path, SETTLE_CLOSED);
    else if (!is_folder && (event->mask & IN_MODIFY))
        touch(watch, path, SETTLE_WRITING);
    else if (!is_folder && (event->mask & IN_CREATE))
        touch(watch, path, SETTLE_APPEARED);
    free(path);
}

static void on_event(struct watch *watch, const struct inotify_event *event) {
    if (event->mask & IN_Q_OVERFLOW) {
        watch->overflows++;
        for (size_t i = 0; i < watch->roots_count; i++) {
            struct root *root = &watch->roots[i];
            if (!root->there || root->swept) continue;
            roots_open_again(watch, root, "more happened at once than the system's event queue holds");
        }
        return;
    }
    /* A move's second half follows its first at once, or never. */
    bool second_half = (event->mask & IN_MOVED_TO) && event->cookie == watch->departure.cookie;
    if (watch->departure.path && !second_half) watch_settle_departure(watch);
    struct folder *folder = folders_by_wd(watch->folders, event->wd);
    if (!folder) return;
    if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)) {
        if (event->mask & IN_IGNORED) (void)folders_set_wd(watch->folders, folder, -1);
        if (!folder->parent) roots_lose(watch, folder);
        return; /* of any other its parent tells the story */
    }
    if (event->len > 0) on_named_event(watch, folder, event);
}

static void on_readable(uv_poll_t *poll, int status, int events) {
    (void)status, (void)events;
    struct watch *watch = poll->data;
    _Alignas(struct inotify_event) char buffer[65536];
    for (int rounds = 0; rounds < 16; rounds++) { /* then the loop gets its turn */
        ssize_t n = read(watch->fd, buffer, sizeof buffer);
        if (n <= 0) return;
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *event = (const struct inotify_event *)(const void *)(buffer + at);
            on_event(watch, event);
            at += (ssize_t)(sizeof *event + event->len);
        }
    }
}

static void on_settled(void *context, const char *path) {
    struct watch *watch = context;
    watch->events.file(watch->user, path);
}

static void on_tick(uv_timer_t *timer) {
    struct watch *watch = timer->data;
    double t = watch_now(watch);
    if (watch->departure.path && t >= watch->departure.deadline) watch_settle_departure(watch);
    for (size_t i = 0; i < watch->roots_count; i++) looks_send(watch->looks, i);
    if (t < watch->next_roots) return;
    watch->next_roots = t + 1;
    roots_look_after(watch);
}

static void free_parts(struct watch *watch) {
    for (size_t i = 0; i < watch->roots_count; i++) free(watch->roots[i].path);
    free(watch->roots);
    forget_departure(&watch->departure);
    folders_free(watch->folders);
    settle_free(watch->settle);
    if (watch->fd >= 0) close(watch->fd);
    free(watch);
}

static void close_part(void *context) {
    struct watch *watch = context;
    if (--watch->handles == 0) free_parts(watch);
}

static void on_closed(uv_handle_t *handle) {
    close_part(handle->data);
}

struct watch *watch_new(uv_loop_t *loop, const struct watch_options *options, struct ignore *ignore,
                        const struct watch_events *events, void *user, struct error *error) {
    struct watch *watch = calloc(1, sizeof *watch);
    if (!watch) {
        error_memory(error);
        return NULL;
    }
    watch->loop = loop;
    watch->options = *options;
    watch->events = *events;
    watch->user = user;
    watch->ignore = ignore;
    watch->folders = folders_new();
    watch->settle = settle_new(options->delays);
    if (watch->options.max_watches == 0) watch->options.max_watches = watches_allowed();
    uv_update_time(loop);
    watch->next_safety = watch_now(watch) + options->safety_interval;
    watch->fd = -1;
    if (!watch->folders || !watch->settle) {
        error_memory(error);
        free_parts(watch);
        return NULL;
    }
    watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    bool full = watch->fd < 0 && (errno == EMFILE || errno == ENFILE);
    if (watch->fd < 0 && !full) {
        error_system(error, errno, "cannot watch folders (inotify)");
        free_parts(watch);
        return NULL;
    }
    if (watch->fd >= 0 && uv_poll_init(loop, &watch->poll, watch->fd) != 0) {
        error_set(error, "cannot watch folders: the event loop refuses the inotify descriptor");
        free_parts(watch);
        return NULL;
    }
    (void)uv_timer_init(loop, &watch->timer); /* cannot fail */
    watch->handles = watch->fd < 0 ? 1 : 2;
    watch->poll.data = watch->timer.data = watch;
    watch->looks = looks_new(loop, watch->settle, on_settled, watch, error);
    if (!watch->looks) {
        watch_free(watch);
        return NULL;
    }
    if ((watch->fd >= 0 && uv_poll_start(&watch->poll, UV_READABLE, on_readable) != 0) ||
        uv_timer_start(&watch->timer, on_tick, TICK_MS, TICK_MS) != 0) {
        error_set(error, "cannot watch folders: the event loop refuses the handles");
        watch_free(watch);
        return NULL;
    }
    return watch;
}

bool watch_add_root(struct watch *watch, const char *path, struct error *error) {
    char plain[PATH_MAX];
    size_t n = strlen(path);
    if (path[0] != '/') return error_set(error, "%s: a watched folder needs an absolute path", path);
    while (n > 1 && path[n - 1] == '/') n--;
    if (n >= sizeof plain) return error_set(error, "%s: the path is too long", path);
    memcpy(plain, path, n);
    plain[n] = '\0';
    uv_update_time(watch->loop);
    struct root *there = roots_at(watch, plain);
    if (there) there->inner = false;
    return there || roots_add(watch, plain, false) || error_memory(error);
}

bool watch_settle(struct watch *watch, const char *path) {
    uv_update_time(watch->loop);
    return settle_file(watch, path, SETTLE_APPEARED);
}

void watch_count(const struct watch *watch, struct watch_counts *counts) {
    *counts = (struct watch_counts){folders_watched(watch->folders), folders_unwatched(watch->folders),
                                    settle_waiting(watch->settle), watch->overflows};
    for (size_t i = 0; i < watch->roots_count; i++) counts->folders_swept += watch->roots[i].swept;
}

void watch_free(struct watch *watch) {
    if (!watch) return;
    if (watch->looks) {
        watch->handles++;
        looks_free(watch->looks, close_part, watch);
    }
    if (watch->fd >= 0) uv_close((uv_handle_t *)&watch->poll, on_closed);
    uv_close((uv_handle_t *)&watch->timer, on_closed);
}
