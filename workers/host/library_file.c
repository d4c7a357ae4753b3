/* The loader of POSIX systems. */
#include "workers/host/library_file.h"

#include <dlfcn.h>
#include <stdio.h>

void *library_file_open(const char *path, char *why, size_t room) {
    void *file = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const char *reason = file ? "" : dlerror();
    snprintf(why, room, "%s", reason ? reason : "no reason given");
    return file;
}

const void *library_file_symbol(void *file, const char *name) {
    return dlsym(file, name);
}

void library_file_close(void *file) {
    (void)dlclose(file);
}
