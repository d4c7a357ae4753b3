#include "engine/cli/sink.h"

#include "engine/base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 40 /* one after the other */

/* A stream to the open file; closes it on failure. */
static FILE *stream_to(int fd, const char *path, struct error *error) {
    FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (out) return out;
    error_system(error, errno, "can't write %s", path);
    if (fd >= 0) close(fd);
    return NULL;
}

/* Whoever may not read what is replaced may not read what replaces it. */
static void take_rights(int fd, const struct stat *from) {
    struct stat own;
    mode_t rights = from->st_mode & (S_IRWXU | S_IRWXG | S_IRWXO);
    bool same = fstat(fd, &own) == 0 && own.st_uid == from->st_uid && own.st_gid == from->st_gid;
    if (!same && fchown(fd, from->st_uid, from->st_gid) != 0 && fchown(fd, (uid_t)-1, from->st_gid) != 0)
        rights &= ~(mode_t)S_IRWXG; /* another group has it now */
    (void)fchmod(fd, rights);
}

/* A new file in the folder of `path` that has no name yet; -1: there is no such thing here. */
static int open_nameless(const char *path, mode_t rights) {
    char *folder = path_folder(path);
    int fd = folder && access("/proc/self/fd", X_OK) == 0 /* where it gets its name from */
                 ? open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, rights)
                 : -1;
    free(folder);
    return fd;
}

/* A new file beside `path`, with the rights of the one that it will replace, or (`old` is NULL) those that fopen would give it. */
static FILE *open_part(struct sink *sink, const char *path, const struct stat *old, struct error *error) {
    int fd = open_nameless(path, old ? 0600 : 0666);
    if (fd >= 0) {
        if (old) take_rights(fd, old);
        return stream_to(fd, path, error);
    }
    if (asprintf(&sink->part, "%s.XXXXXX", path) < 0) {
        sink->part = NULL;
        error_memory(error);
        return NULL;
    }
    fd = mkstemp(sink->part);
    if (fd >= 0 && old) {
        take_rights(fd, old);
    } else if (fd >= 0) {
        mode_t mask = umask(0);
        (void)umask(mask);
        (void)fchmod(fd, 0666 & ~mask);
    }
    FILE *out = stream_to(fd, path, error);
    if (!out && fd >= 0) (void)unlink(sink->part);
    return out;
}

/* Gives the nameless file a name that nobody has; only a name can replace another. */
static bool name_it(struct sink *sink) {
    char self[40];
    (void)snprintf(self, sizeof self, "/proc/self/fd/%d", fileno(sink->out));
    if (linkat(AT_FDCWD, self, AT_FDCWD, sink->path, AT_SYMLINK_FOLLOW) == 0) return true;
    for (int i = 0; errno == EEXIST && i < 100; i++) {
        free(sink->part);
        if (asprintf(&sink->part, "%s.%d-%d", sink->path, (int)getpid(), i) < 0) {
            sink->part = NULL;
            errno = ENOMEM;
        } else if (linkat(AT_FDCWD, self, AT_FDCWD, sink->part, AT_SYMLINK_FOLLOW) == 0) {
            return true;
        }
    }
    int code = errno;
    free(sink->part); /* which is somebody else's */
    sink->part = NULL;
    errno = code;
    return false;
}

static void forget(struct sink *sink) {
    free(sink->path);
    free(sink->part);
    *sink = (struct sink){0};
}

/* "/proc/PID/fd", "/proc/PID/task/TID/fd" */
static bool holds_descriptors(const char *folder) {
    size_t n = strlen(folder);
    return strncmp(folder, "/proc/", 6) == 0 && n > 9 && strcmp(folder + n - 3, "/fd") == 0;
}

/* Whether `path` leads to what a process has open (/dev/stdout, /dev/fd/3): no file's name, so that none can be given to another
 * file. *fd: which of ours it is, or -1. */
static bool is_descriptor(const char *path, int *fd) {
    char at[PATH_MAX], folder[PATH_MAX], own[40], whole[2 * PATH_MAX];
    *fd = -1;
    (void)snprintf(own, sizeof own, "/proc/%d/", (int)getpid());
    if (snprintf(at, sizeof at, "%s", path) >= (int)sizeof at) return false;
    for (int i = 0; i < LINKS_MAX; i++) {
        char *slash = strrchr(at, '/');
        const char *name = slash ? slash + 1 : at;
        (void)snprintf(whole, sizeof whole, "%.*s", slash ? (int)(name - at) : 1, slash ? at : ".");
        if (!realpath(whole, folder)) return false;
        if (holds_descriptors(folder)) {
            bool number = name[0] != '\0' && name[strspn(name, "0123456789")] == '\0';
            if (number && strncmp(folder, own, strlen(own)) == 0) *fd = atoi(name);
            return true;
        }
        (void)snprintf(whole, sizeof whole, "%s/%s", folder, name);
        char link[PATH_MAX];
        ssize_t n = readlink(whole, link, sizeof link - 1);
        if (n <= 0) return false;
        link[n] = '\0';
        int used = link[0] == '/' ? snprintf(at, sizeof at, "%s", link)
                                  : snprintf(at, sizeof at, "%s/%s", folder, link);
        if (used >= (int)sizeof at) return false;
    }
    return false;
}

/* Another descriptor of what somebody had open before us: what is behind it is neither emptied nor begun anew. What we have opened
 * ourselves, and close for whoever comes after us, is not meant: the catalogue could be among it. */
static int copy_descriptor(int fd) {
    int flags = fcntl(fd, F_GETFD);
    if (flags >= 0 && !(flags & FD_CLOEXEC)) return fcntl(fd, F_DUPFD_CLOEXEC, 3);
    errno = EBADF;
    return -1;
}

/* What has no name to be given: a pipe, a device, what a process has open (`fd`, if it's this one). */
static bool open_as_it_stands(struct sink *sink, const char *path, int fd, struct error *error) {
    sink->path = strdup(path);
    if (!sink->path) return error_memory(error);
    int to = fd >= 0 ? copy_descriptor(fd) : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    sink->out = stream_to(to, path, error);
    if (sink->out) return true;
    forget(sink);
    return false;
}

bool sink_open(struct sink *sink, const char *path, struct error *error) {
    *sink = (struct sink){.out = stdout};
    if (!path) return true;
    struct stat about;
    int fd = -1;
    bool there = stat(path, &about) == 0;
    if (there && S_ISDIR(about.st_mode)) return error_set(error, "%s is a folder", path);
    if (is_descriptor(path, &fd) || (there && !S_ISREG(about.st_mode))) return open_as_it_stands(sink, path, fd, error);
    sink->out = NULL;
    sink->fresh = true;
    sink->path = there ? realpath(path, NULL) : strdup(path); /* of a link, what it leads to is replaced */
    if (!sink->path) return error_system(error, errno, "can't write %s", path);
    sink->out = open_part(sink, sink->path, there ? &about : NULL, error);
    if (sink->out) return true;
    forget(sink);
    return false;
}

bool sink_works(const struct sink *sink) {
    return ferror(sink->out) == 0;
}

bool sink_close(struct sink *sink, bool keep, struct error *error) {
    if (!sink->out) return false;
    errno = 0;
    bool fine = fflush(sink->out) == 0 && !ferror(sink->out);
    if (sink->out == stdout) return fine; /* the reader of a pipe may stop when it likes */
    if (fine && sink->fresh) fine = fsync(fileno(sink->out)) == 0;
    if (fine && keep && sink->fresh && !sink->part) fine = name_it(sink);
    int code = errno;
    if (fclose(sink->out) != 0 && fine) {
        code = errno;
        fine = false;
    }
    if (fine && keep && sink->part && rename(sink->part, sink->path) != 0) {
        code = errno;
        fine = false;
    }
    if (!fine && keep)
        error_system(error, code ? code : EIO, "can't write %s%s", sink->path,
                     sink->fresh ? "; what was there stays" : "");
    if (sink->part && (!fine || !keep)) (void)unlink(sink->part);
    forget(sink);
    return fine;
}
