#include "engine/base/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define DEPTH_MAX 16

static void remove_below(int parent, const char *name, int depth) {
    if (unlinkat(parent, name, 0) == 0 || depth > DEPTH_MAX) return;
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        if (fd >= 0) close(fd);
        return;
    }
    for (struct dirent *entry; (entry = readdir(dir));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            remove_below(dirfd(dir), entry->d_name, depth + 1);
    closedir(dir);
    (void)unlinkat(parent, name, AT_REMOVEDIR);
}

void tree_remove(int parent, const char *name) {
    remove_below(parent, name, 0);
}
