/* Loaded before the C library: every file system says that it is NFS. */
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/vfs.h>

__attribute__((visibility("default"))) int statfs(const char *path, struct statfs *about) {
    int (*real)(const char *, struct statfs *) = NULL;
    void *symbol = dlsym(RTLD_NEXT, "statfs");
    memcpy(&real, &symbol, sizeof real);
    int result = real ? real(path, about) : -1;
    if (result == 0) about->f_type = 0x6969;
    return result;
}
