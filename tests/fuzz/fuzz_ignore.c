/* Fuzzes the rules of a .sondeignore file, and the names that they are held against: the input is a name, a line break, rules. */
#include "engine/watch/ignore.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    const uint8_t *split = n ? memchr(data, '\n', n) : NULL;
    size_t name = split ? (size_t)(split - data) : 0;
    char folder[] = "/dev/shm/sonde-fuzz-XXXXXX", file[128], path[512]; /* in memory: no disk is to be worn out */
    if (!mkdtemp(folder)) return 0;
    (void)snprintf(file, sizeof file, "%s/.sondeignore", folder);
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) abort();
    if (split && write(fd, split + 1, n - name - 1) < 0) abort();
    close(fd);
    struct ignore *ignore = ignore_new(n % 2 == 0, n % 3 ? NULL : "*.wav *.flac", n % 5 ? NULL : "old/*");
    if (!ignore || !ignore_read_folder(ignore, folder)) abort();
    (void)snprintf(path, sizeof path, "%s/%.*s", folder, (int)(name > 200 ? 200 : name), (const char *)data);
    bool out = ignore_matches(ignore, path, false);
    (void)ignore_matches(ignore, path, true);
    if (ignore_matches(ignore, path, false) != out) abort(); /* asking changes nothing */
    ignore_forget_folder(ignore, folder);
    ignore_free(ignore);
    (void)unlink(file);
    (void)rmdir(folder);
    return 0;
}
