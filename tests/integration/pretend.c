/* Loaded before the C library. With PRETEND_NFS set, every file system says that it is NFS; with PRETEND_MOUNTS, that file is
 * what /proc/self/mountinfo says; with PRETEND_NO_INOTIFY, as many programs watch folders as may; with PRETEND_DEAD=FOLDER,
 * nothing below the folder answers any more once FOLDER.dead exists; with PRETEND_GONE=FILE, that one is listed, and gone when
 * somebody looks at it; with PRETEND_SICK=FILE, a look at that one is an error of its disk; with PRETEND_FULL=FILE, there is
 * no room for what SQLite writes while FILE exists; with PRETEND_SIGNAL=FILE, a signal comes just when it gets its default action
 * back, while FILE exists. */
#define _LARGEFILE64_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT int statfs(const char *path, struct statfs *about) {
    int (*real)(const char *, struct statfs *) = NULL;
    void *symbol = dlsym(RTLD_NEXT, "statfs64");
    memcpy(&real, &symbol, sizeof real);
    int result = real ? real(path, about) : -1;
    if (result == 0 && getenv("PRETEND_NFS")) about->f_type = 0x6969;
    return result;
}

static void hang_if_dead(const char *path) {
    char flag[4096];
    const char *dead = getenv("PRETEND_DEAD");
    if (!dead || strncmp(path, dead, strlen(dead)) != 0) return;
    int n = snprintf(flag, sizeof flag, "%s.dead", dead);
    while (n > 0 && (size_t)n < sizeof flag && access(flag, F_OK) == 0) (void)usleep(100000);
}

static bool is_sick(const char *path) {
    const char *sick = getenv("PRETEND_SICK");
    return sick && strcmp(path, sick) == 0;
}

/* The names behind stat and lstat with large files. */
EXPORT int stat64(const char *path, struct stat64 *about) {
    hang_if_dead(path);
    if (is_sick(path)) return errno = EIO, -1;
    return fstatat64(AT_FDCWD, path, about, 0);
}

EXPORT int lstat64(const char *path, struct stat64 *about) {
    const char *gone = getenv("PRETEND_GONE");
    hang_if_dead(path);
    if (is_sick(path)) return errno = EIO, -1;
    if (gone && strcmp(path, gone) == 0) return errno = ENOENT, -1;
    return fstatat64(AT_FDCWD, path, about, AT_SYMLINK_NOFOLLOW);
}

EXPORT int sigaction(int number, const struct sigaction *action, struct sigaction *before) {
    int (*real)(int, const struct sigaction *, struct sigaction *) = NULL;
    void *symbol = dlsym(RTLD_NEXT, "sigaction");
    const char *comes = getenv("PRETEND_SIGNAL");
    memcpy(&real, &symbol, sizeof real);
    int result = real ? real(number, action, before) : -1;
    if (action && action->sa_handler == SIG_DFL && comes && access(comes, F_OK) == 0) (void)raise(number);
    return result;
}

EXPORT int inotify_init1(int flags) {
    int (*real)(int) = NULL;
    void *symbol = dlsym(RTLD_NEXT, "inotify_init1");
    memcpy(&real, &symbol, sizeof real);
    if (real && !getenv("PRETEND_NO_INOTIFY")) return real(flags);
    errno = EMFILE;
    return -1;
}

EXPORT ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at) {
    ssize_t (*real)(int, const void *, size_t, off64_t) = NULL;
    void *symbol = dlsym(RTLD_NEXT, "pwrite64");
    const char *full = getenv("PRETEND_FULL");
    memcpy(&real, &symbol, sizeof real);
    if (real && !(full && access(full, F_OK) == 0)) return real(fd, data, n, at);
    errno = ENOSPC;
    return -1;
}

EXPORT FILE *fopen(const char *path, const char *mode) {
    FILE *(*real)(const char *, const char *) = NULL;
    void *symbol = dlsym(RTLD_NEXT, "fopen64");
    const char *mounts = getenv("PRETEND_MOUNTS");
    memcpy(&real, &symbol, sizeof real);
    if (mounts && strcmp(path, "/proc/self/mountinfo") == 0) path = mounts;
    return real ? real(path, mode) : NULL;
}
