#include "engine/cli/sink.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A new file beside `path`, with the rights that fopen would give it. */
static FILE *open_part(char *part, struct error *error) {
    int fd = mkstemp(part);
    if (fd < 0) return error_system(error, errno, "can't write %s", part), NULL;
    mode_t mask = umask(0);
    (void)umask(mask);
    (void)fchmod(fd, 0666 & ~mask);
    FILE *out = fdopen(fd, "w");
    if (out) return out;
    error_system(error, errno, "can't write %s", part);
    close(fd);
    (void)unlink(part);
    return NULL;
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
    bool fine = (asprintf(&sink->path, "%s", path) >= 0 && asprintf(&sink->part, "%s.XXXXXX", path) >= 0) ||
                error_memory(error);
    sink->out = fine ? open_part(sink->part, error) : NULL;
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
    if (fine && sink->part) fine = fsync(fileno(sink->out)) == 0;
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
                     sink->part ? "; what was there stays" : "");
    if (sink->part && (!fine || !keep)) (void)unlink(sink->part);
    forget(sink);
    return fine;
}
