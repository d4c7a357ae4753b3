/* resource_map: see library.h. */
#include "workers/host/library.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Walks down one component at a time with O_NOFOLLOW, so that no link leads out of the folder. (openat2 would do it in one
 * call, but kernels and filters that lack it are common.) Returns the descriptor of the file, or -1 with errno. */
static int open_below(const char *dir, const char *name) {
    int at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    while (at >= 0) {
        size_t n = strcspn(name, "/");
        char part[256];
        if (n == 0 || n >= sizeof part || (name[0] == '.' && (n == 1 || (n == 2 && name[1] == '.')))) {
            close(at);
            errno = EINVAL;
            return -1;
        }
        memcpy(part, name, n);
        part[n] = '\0';
        bool last = name[n] == '\0';
        int next = openat(at, part,
                          last ? O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC
                               : O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int code = errno;
        close(at);
        errno = code;
        if (last) return next;
        at = next;
        name += n + 1;
    }
    return -1;
}

bool resource_map(const char *dir, const char *name, struct resource *resource, struct error *error) {
    if (!dir) return error_set(error, "the library has no resource folder for %.100s", name);
    int fd = open_below(dir, name);
    if (fd < 0) return error_system(error, errno, "resource %.100s", name);
    struct stat facts;
    void *data = NULL;
    bool good = fstat(fd, &facts) == 0 || error_system(error, errno, "resource %.100s", name);
    if (good && !S_ISREG(facts.st_mode)) good = error_set(error, "resource %.100s is not a plain file", name);
    if (good && facts.st_size > 0) {
        data = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED) good = error_system(error, errno, "resource %.100s", name);
    }
    close(fd);
    if (!good) return false;
    resource->data = data ? data : "";
    resource->size = (uint64_t)facts.st_size;
    hash_bytes(resource->data, resource->size, resource->hash);
    return true;
}

void resource_unmap(struct resource *resource) {
    /* Only data that a plugin was shown as const loses it again, to be unmapped. */
    if (resource->size) munmap((void *)(uintptr_t)resource->data, resource->size);
}
