#include "engine/cli/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A stream to the open file; closes it on failure. */
static FILE *stream_to(int fd, const char *path, struct error *error) {
    FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (out) return out;
    error_system(error, errno, "can't write %s", path);
    if (fd >= 0) close(fd);
    return NULL;
}

/* A new file in the folder of `path` that has no name yet; -1: there is no such thing here. */
static int open_nameless(const char *path) {
    char *folder = strdup(path), *slash = folder ? strrchr(folder, '/') : NULL;
    if (slash) slash[slash == folder] = '\0';
    int fd = folder && access("/proc/self/fd", X_OK) == 0 /* where it gets its name from */
                 ? open(slash ? folder : ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666)
                 : -1;
    free(folder);
    return fd;
}

/* A new file beside `path`, with the rights that fopen would give it. */
static FILE *open_part(struct sink *sink, const char *path, struct error *error) {
    int fd = open_nameless(path);
    if (fd >= 0) return stream_to(fd, path, error);
    if (asprintf(&sink->part, "%s.XXXXXX", path) < 0) {
        sink->part = NULL;
        error_memory(error);
        return NULL;
    }
    fd = mkstemp(sink->part);
    mode_t mask = umask(0);
    (void)umask(mask);
    if (fd >= 0) (void)fchmod(fd, 0666 & ~mask);
    FILE *out = stream_to(fd, sink->part, error);
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

bool sink_open(struct sink *sink, const char *path, struct error *error) {
    *sink = (struct sink){.out = stdout};
    if (!path) return true;
    struct stat about;
    if (stat(path, &about) == 0 && !S_ISREG(about.st_mode)) {
        /* A pipe or a device has no name to be given: it is written as it stands. */
        if (S_ISDIR(about.st_mode)) return error_set(error, "%s is a folder", path);
        sink->out = fopen(path, "w");
        if (!sink->out) return error_system(error, errno, "can't write %s", path);
        return (sink->path = realpath(path, NULL)) != NULL || error_memory(error);
    }
    sink->out = NULL;
    sink->fresh = true;
    sink->path = strdup(path);
    sink->out = sink->path ? open_part(sink, path, error) : NULL;
    if (sink->out) return true;
    if (!sink->path) error_memory(error);
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
