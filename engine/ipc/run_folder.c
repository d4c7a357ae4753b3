#include "engine/ipc/run_folder.h"

#include "engine/base/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PREFIX "sonde-run-"

/* A folder is left over when it is ours, nobody holds its lock, and it isn't just being made. */
static void sweep(const char *base) {
    DIR *dir = opendir(base);
    if (!dir) return;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0) continue;
        char path[512], lock[600];
        struct stat st;
        int n = snprintf(path, sizeof path, "%s/%s", base, entry->d_name);
        if (n < 0 || (size_t)n >= sizeof path || lstat(path, &st) != 0) continue;
        if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid()) continue;
        snprintf(lock, sizeof lock, "%s/lock", path);
        int fd = open(lock, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0) { /* killed in the middle of its own removal */
            if (errno == ENOENT && time(NULL) - st.st_mtime > 3600) tree_remove(AT_FDCWD, path);
            continue;
        }
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) tree_remove(AT_FDCWD, path);
        close(fd);
    }
    closedir(dir);
}

static bool make_below(const char *base, struct run_folder *folder, struct error *error) {
    int n = snprintf(folder->path, sizeof folder->path, "%s/" PREFIX "XXXXXX", base);
    if (n < 0 || (size_t)n >= sizeof folder->path) return error_set(error, "the path %s is too long for sockets", base);
    sweep(base);
    if (!mkdtemp(folder->path)) return error_system(error, errno, "cannot create a folder in %s", base);
    /* It gets its name when it is locked: another engine that starts now would find it free, and sweep all of it up. */
    char lock[80], unlocked[80];
    snprintf(lock, sizeof lock, "%s/lock", folder->path);
    snprintf(unlocked, sizeof unlocked, "%s/new", folder->path);
    folder->lock = open(unlocked, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (folder->lock >= 0 && flock(folder->lock, LOCK_EX | LOCK_NB) == 0 && rename(unlocked, lock) == 0) return true;
    error_system(error, errno, "cannot lock %s", lock);
    run_folder_close(folder);
    return false;
}

bool run_folder_open(struct run_folder *folder, struct error *error) {
    folder->path[0] = '\0';
    folder->lock = -1;
    const char *base = getenv("XDG_RUNTIME_DIR");
    if (base && base[0] == '/' && make_below(base, folder, NULL)) return true;
    return make_below("/tmp", folder, error);
}

void run_folder_close(struct run_folder *folder) {
    if (folder->path[0] != '\0') tree_remove(AT_FDCWD, folder->path);
    if (folder->lock >= 0) close(folder->lock);
    folder->path[0] = '\0';
    folder->lock = -1;
}
