/* Fuzzes the table of mounts, in which other users' mount points and share names stand. */
#include "engine/base/mounts.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    int fd = memfd_create("mounts", MFD_CLOEXEC);
    if (fd < 0) return 0;
    if (n > 0 && write(fd, data, n) != (ssize_t)n) abort();
    char table[64];
    (void)snprintf(table, sizeof table, "/proc/self/fd/%d", fd);
    static const char *const paths[] = {"/", "/home/a b/sounds", "/mnt/share/x.wav"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct mount mount = {0};
        struct error error = {0};
        if (mounts_find(paths[i], table, &mount, &error)) {
            if (!memchr(mount.type, '\0', sizeof mount.type) || !memchr(mount.point, '\0', sizeof mount.point)) abort();
        } else if (error.text[0] == '\0') {
            abort();
        }
    }
    close(fd);
    return 0;
}
