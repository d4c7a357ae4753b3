#include "engine/schedule/opener.h"

#include "engine/base/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HANGING_MAX     8
#define HANGING_SECONDS 60
#define AHEAD_MAX       (1 << 20) /* bytes asked for in advance */
/* Bytes. Beyond that numbers in messages are not exact, and deadlines (which go by size) not of this world. Such files are all holes. */
#define FILE_MAX ((int64_t)1 << 53)

struct hanging {
    char *mount;
    uint64_t until; /* uv_hrtime */
};

struct opener {
    struct errands *errands;
    double deadline;
    struct hanging hanging[HANGING_MAX];
    size_t hanging_next;
};

struct request {
    struct opener *opener;
    enum opener_mode mode;
    opener_done done;
    void *context;
    uint64_t device;
    struct opened opened;
    char path[];
};

static void say(struct opened *opened, const char *sentence) {
    (void)snprintf(opened->reason, sizeof opened->reason, "%s", sentence);
}

static void judge_error(struct opened *opened, int code) {
    opened->missing = code == ENOENT || code == ENOTDIR;
    if (opened->missing)
        say(opened, "no such file");
    else if (code == EACCES || code == EPERM)
        say(opened, "cannot be read: permission denied");
    else if (code == ELOOP)
        say(opened, "is a symbolic link that leads in a circle");
    else
        (void)snprintf(opened->reason, sizeof opened->reason, "cannot be opened: %s", strerror(code));
    opened->passing = !opened->missing && code != EACCES && code != EPERM && code != ELOOP && code != ENAMETOOLONG;
}

void opener_judge(struct opened *opened, const void *stat_buffer, int code) {
    const struct stat *st = stat_buffer;
    opened->ok = opened->passing = false;
    opened->looked = code == 0;
    if (code != 0) {
        judge_error(opened, code);
        return;
    }
    opened->stat = (struct store_stat){
        .size = st->st_size,
        .mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
        .device = st->st_dev,
        .inode = st->st_ino,
        .ctime_ns = (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec,
    };
    if (S_ISREG(st->st_mode) && st->st_size <= FILE_MAX)
        opened->ok = true;
    else if (S_ISREG(st->st_mode))
        (void)snprintf(opened->reason, sizeof opened->reason, "claims to be %lld bytes long: no sound is",
                       (long long)st->st_size);
    else
        say(opened, S_ISDIR(st->st_mode)    ? "is a folder"
                    : S_ISFIFO(st->st_mode) ? "is a pipe, not a file"
                    : S_ISSOCK(st->st_mode) ? "is a socket, not a file"
                                            : "is a device, not a file");
}

/* A broken symbolic link deserves its own words. */
static void judge_link(struct opened *opened, const char *path) {
    struct stat st;
    if (!opened->missing || lstat(path, &st) != 0 || !S_ISLNK(st.st_mode)) return;
    opened->missing = false;
    say(opened, "is a symbolic link to something that isn't there");
}

bool opener_is_away(const char *path, uint64_t device, size_t *folder) {
    char above[4096];
    size_t n = strlen(path);
    struct stat st;
    if (folder) *folder = 0;
    if (n >= sizeof above) return false;
    memcpy(above, path, n + 1);
    while (n > 0) {
        while (n > 0 && above[n] != '/') n--;
        above[n == 0 ? 1 : n] = '\0';
        if (stat(n == 0 ? "/" : above, &st) != 0) continue;
        if (folder) *folder = n;
        return device != 0 && st.st_dev != device;
    }
    return false;
}

/* Looks before it opens: opening a device can do things, opening a FIFO would wake its writer. */
static void work(void *errand) {
    struct request *request = errand;
    struct opened *opened = &request->opened;
    if (opened->refused) return;
    struct stat st;
    int code = stat(request->path, &st) == 0 ? 0 : errno;
    opener_judge(opened, &st, code);
    judge_link(opened, request->path);
    opened->away = opened->missing && opener_is_away(request->path, request->device, NULL);
    if (!opened->ok || request->mode == OPENER_LOOK) return;
    int fd = open(request->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    code = fd >= 0 && fstat(fd, &st) == 0 ? 0 : errno;
    opener_judge(opened, &st, code);
    if (opened->ok) {
        (void)posix_fadvise(fd, 0, AHEAD_MAX, POSIX_FADV_WILLNEED);
        opened->fd = fd;
    } else if (fd >= 0) {
        close(fd);
    }
}

static bool is_below(const char *path, const char *mount) {
    size_t n = strlen(mount);
    return strncmp(path, mount, n) == 0 && (path[n] == '/' || path[n] == '\0' || (n > 0 && mount[n - 1] == '/'));
}

/* The mount point that `path` lies on (reading /proc never hangs), or NULL. Caller frees. */
static char *find_mount(const char *path) {
    struct mount *mount = malloc(sizeof *mount);
    char *point = mount && mounts_find(path, NULL, mount, NULL) ? strdup(mount->point) : NULL;
    free(mount);
    return point;
}

void opener_note_hanging(struct opener *opener, const char *path) {
    char *mount = find_mount(path);
    if (!mount) return;
    if (strcmp(mount, "/") == 0) { /* everything is below it: a single slow disk access must not refuse the rest */
        free(mount);
        return;
    }
    struct hanging *entry = &opener->hanging[opener->hanging_next];
    opener->hanging_next = (opener->hanging_next + 1) % HANGING_MAX;
    free(entry->mount);
    *entry = (struct hanging){.mount = mount, .until = uv_hrtime() + (uint64_t)HANGING_SECONDS * 1000000000};
}

bool opener_is_hanging(const struct opener *opener, const char *path) {
    for (size_t i = 0; i < HANGING_MAX; i++)
        if (opener->hanging[i].mount && opener->hanging[i].until > uv_hrtime() &&
            is_below(path, opener->hanging[i].mount))
            return true;
    return false;
}

static void done(void *errand, bool returned) {
    struct request *request = errand;
    if (returned) {
        request->done(request->context, &request->opened);
        free(request);
        return;
    }
    opener_note_hanging(request->opener, request->path);
    struct opened opened = {.fd = -1, .passing = true};
    (void)snprintf(opened.reason, sizeof opened.reason,
                   "could not be opened within %.0f s: its file system doesn't answer", request->opener->deadline);
    request->done(request->context, &opened);
}

static void drop(void *errand) {
    struct request *request = errand;
    if (request->opened.fd >= 0) close(request->opened.fd);
    free(request);
}

static const struct errand_calls calls = {work, done, drop};

struct opener *opener_new(struct errands *errands, double deadline, struct error *error) {
    struct opener *opener = calloc(1, sizeof *opener);
    if (!opener) {
        error_memory(error);
        return NULL;
    }
    opener->errands = errands;
    opener->deadline = deadline;
    return opener;
}

bool opener_open(struct opener *opener, const char *path, uint64_t device, enum opener_mode mode, opener_done on_done,
                 void *context) {
    size_t n = strlen(path) + 1;
    struct request *request = calloc(1, sizeof *request + n);
    if (!request) return false;
    *request = (struct request){.opener = opener, .mode = mode, .done = on_done, .context = context, .device = device};
    request->opened.fd = -1;
    if (opener_is_hanging(opener, path)) {
        request->opened.refused = request->opened.passing = true;
        say(&request->opened, "cannot be opened: its file system has stopped answering");
    }
    memcpy(request->path, path, n);
    if (errands_post(opener->errands, &calls, request, opener->deadline)) return true;
    free(request);
    return false;
}

void opener_free(struct opener *opener) {
    if (!opener) return;
    for (size_t i = 0; i < HANGING_MAX; i++) free(opener->hanging[i].mount);
    free(opener);
}
