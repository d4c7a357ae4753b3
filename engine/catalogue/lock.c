#include "engine/catalogue/lock.h"

#include "engine/base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

static char *side_file(const char *path) {
    char *side = NULL;
    return asprintf(&side, "%s.lock", path) < 0 ? NULL : side;
}

static int64_t read_pid(int fd) {
    char text[32] = "";
    if (pread(fd, text, sizeof text - 1, 0) <= 0) return 0;
    int64_t pid = strtoll(text, NULL, 10);
    return pid > 0 ? pid : 0;
}

static void write_pid(int fd) {
    char text[32];
    int n = snprintf(text, sizeof text, "%" PRId64 "\n", (int64_t)getpid());
    /* Only a help for the reader of a message: a failure (disk full) doesn't matter. */
    if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)n, 0) != n) (void)ftruncate(fd, 0);
}

/* What says that a file is still the same, as text. False when the file can't be looked at, or has just been written: times
 * of files go by the kernel's tick, and a change in the same tick wouldn't show. */
static bool seal_of(const char *path, char seal[160]) {
    struct stat about;
    struct timespec now;
    if (stat(path, &about) != 0 || clock_gettime(CLOCK_REALTIME, &now) != 0) return false;
    int64_t mtime = about.st_mtim.tv_sec * INT64_C(1000000000) + about.st_mtim.tv_nsec;
    snprintf(seal, 160, "clean %" PRIu64 " %" PRIu64 " %" PRId64 " %" PRId64 "\n", (uint64_t)about.st_dev,
             (uint64_t)about.st_ino, (int64_t)about.st_size, mtime);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec - mtime > 20000000;
}

static bool is_sealed(int fd, const char *path) {
    char now[160], then[160] = "";
    return pread(fd, then, sizeof then - 1, 0) > 0 && seal_of(path, now) && strcmp(now, then) == 0;
}

static void write_seal(int fd, const char *path) {
    char seal[160];
    if (!seal_of(path, seal)) {
        (void)usleep(25000);
        if (!seal_of(path, seal)) return;
    }
    if (pwrite(fd, seal, strlen(seal), 0) != (ssize_t)strlen(seal)) (void)ftruncate(fd, 0);
}

static void complain_held(int fd, const char *path, struct error *error) {
    int64_t pid = read_pid(fd);
    if (pid > 0)
        error_set(error,
                  "the catalogue %s is being written by another sonde (process %" PRId64 "): wait for it or stop it",
                  path, pid);
    else
        error_set(error, "the catalogue %s is being written by another sonde: wait for it or stop it", path);
    if (error) error->code = EBUSY;
}

/* Tries for a fifth of a second: somebody who only asks who holds it (lock_holder) has it for a moment. */
static bool lock_soon(int fd) {
    for (int i = 0; i < 20; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) return true;
        if (errno != EWOULDBLOCK && errno != EINTR) return false;
        (void)usleep(10000);
    }
    errno = EWOULDBLOCK;
    return false;
}

int lock_take(const char *path, bool *untouched, struct error *error) {
    char *side = side_file(path);
    if (!side) return error_memory(error), -1;
    int fd = open(side, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
    if (fd < 0) {
        error_system(error, errno, "can't write beside the catalogue (%s); name another with --catalogue", side);
    } else if (!lock_soon(fd)) {
        if (errno == EWOULDBLOCK)
            complain_held(fd, path, error);
        else
            error_system(error, errno, "can't lock %s", side);
        close(fd);
        fd = -1;
    } else {
        *untouched = is_sealed(fd, path);
        write_pid(fd);
    }
    free(side);
    return fd;
}

void lock_release(int lock, const char *path) {
    if (lock < 0) return;
    (void)ftruncate(lock, 0);
    if (path) write_seal(lock, path);
    close(lock);
}

bool lock_holder(const char *path, int64_t *pid) {
    char *side = side_file(path);
    int fd = side ? open(side, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
    free(side);
    if (fd < 0) return false;
    bool held = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (held) *pid = read_pid(fd);
    close(fd);
    return held;
}

/* Numbers from statfs(2) and linux/magic.h. FUSE stays allowed: most of it is local (NTFS, encrypted folders). */
static const char *network_name(uint64_t type) {
    switch (type) {
    case 0x6969: return "NFS";
    case 0x517b:
    case 0xff534d42:
    case 0xfe534d42: return "SMB";
    case 0x00c36400: return "Ceph";
    case 0x5346414f: return "AFS";
    case 0x47504653: return "GPFS";
    default: return NULL;
    }
}

bool lock_local(const char *path, struct error *error) {
    char *folder = path_folder(path);
    if (!folder) return error_memory(error);
    struct statfs about;
    bool known = statfs(folder, &about) == 0;
    const char *network = known ? network_name((uint32_t)about.f_type) : NULL;
    free(folder);
    if (!known) return error_system(error, errno, "can't reach the folder of the catalogue %s", path);
    if (!network) return true;
    return error_set(error,
                     "the catalogue %s lies on a network file system (%s), where it can't be kept safe: name a local "
                     "place with --catalogue",
                     path, network);
}
