/* Loaded before the C library. With PRETEND_NFS set, every file system says that it is NFS; with PRETEND_MOUNTS, that file is
 * what /proc/self/mountinfo says. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT int statfs(const char *path, struct statfs *about) {
    int (*real)(const char *, struct statfs *) = NULL;
    void *symbol = dlsym(RTLD_NEXT, "statfs64");
    memcpy(&real, &symbol, sizeof real);
    int result = real ? real(path, about) : -1;
    if (result == 0 && getenv("PRETEND_NFS")) about->f_type = 0x6969;
    return result;
}

EXPORT FILE *fopen(const char *path, const char *mode) {
    FILE *(*real)(const char *, const char *) = NULL;
    void *symbol = dlsym(RTLD_NEXT, "fopen64");
    const char *mounts = getenv("PRETEND_MOUNTS");
    memcpy(&real, &symbol, sizeof real);
    if (mounts && strcmp(path, "/proc/self/mountinfo") == 0) path = mounts;
    return real ? real(path, mode) : NULL;
}
