#include "engine/ipc/memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3 */
#endif
#define SEALED_SIZE (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW)
#define SEALED      (SEALED_SIZE | F_SEAL_WRITE)
#define SEAL_TRIES  5

/* fstat by its own system call: the C library's is newfstatat, which also looks at paths and is therefore forbidden to
 * workers after lock-down. */
static bool size_of(int fd, uint64_t *bytes) {
    struct stat st;
    if (syscall(SYS_fstat, fd, &st) != 0 || st.st_size < 0) return false;
    *bytes = (uint64_t)st.st_size;
    return true;
}

/* Whoever gets it could otherwise write beyond its end, and so take memory that nobody counts. */
int memfd_new(const char *name, uint64_t bytes, struct error *error) {
    if (bytes == 0 || bytes > INT64_MAX) {
        error_set(error, "a shared memory of %llu bytes was asked for", (unsigned long long)bytes);
        return -1;
    }
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL) fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING); /* before Linux 6.3 */
    if (fd < 0) {
        error_system(error, errno, "cannot create shared memory");
        return -1;
    }
    if (ftruncate(fd, (off_t)bytes) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) == 0) return fd;
    error_system(error, errno, "cannot get %llu bytes of shared memory%s", (unsigned long long)bytes,
                 errno == EFBIG ? " (the limit on the size of files, ulimit -f, counts for it, too)" : "");
    close(fd);
    return -1;
}

int memfd_new_fixed(const char *name, uint64_t bytes, struct error *error) {
    int fd = memfd_new(name, bytes, error);
    if (fd < 0 || fcntl(fd, F_ADD_SEALS, SEALED_SIZE) == 0) return fd;
    error_system(error, errno, "cannot seal the size of shared memory");
    close(fd);
    return -1;
}

/* Linux waits about 150 ms for whoever holds on to a page for a moment (it moves pages about, and looks which are in use) and
 * then says EBUSY, as it does at once for a writable mapping: the one gets more time, and the other costs none. */
static bool add_seals(int fd) {
    bool ok = false;
    for (int tries = 0; !ok && tries < SEAL_TRIES && (tries == 0 || errno == EBUSY); tries++)
        ok = fcntl(fd, F_ADD_SEALS, SEALED) == 0;
    return ok;
}

bool memfd_seal(int fd, uint64_t bytes, struct error *error) {
    uint64_t size;
    if (!size_of(fd, &size)) return error_system(error, errno, "cannot look at shared memory");
    if (bytes == 0 || bytes > size)
        return error_set(error, "%llu bytes of a shared memory of %llu were said to be filled",
                         (unsigned long long)bytes, (unsigned long long)size);
    if (bytes < size && ftruncate(fd, (off_t)bytes) != 0)
        return error_system(error, errno, "cannot shrink shared memory");
    if (!add_seals(fd)) {
        if (errno == EBUSY) {
            error_system(error, EBUSY, "shared memory is still mapped by the worker that says it has filled it");
            return false;
        }
        return error_system(error, errno, "cannot seal shared memory");
    }
    return true;
}

bool memfd_is_sealed(int fd, uint64_t *bytes) {
    int seals = fcntl(fd, F_GET_SEALS);
    uint64_t size;
    if (seals < 0 || (seals & SEALED) != SEALED || !size_of(fd, &size)) return false;
    if (bytes) *bytes = size;
    return true;
}

void *memfd_map(int fd, size_t bytes, bool writable, struct error *error) {
    uint64_t size;
    if (!size_of(fd, &size)) {
        error_system(error, errno, "cannot look at shared memory");
        return NULL;
    }
    if (bytes == 0 || size < bytes) {
        error_set(error, "%zu bytes of a shared memory of %llu were asked for", bytes, (unsigned long long)size);
        return NULL;
    }
    void *memory = mmap(NULL, bytes, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
    if (memory != MAP_FAILED) return memory;
    error_system(error, errno, "cannot map %zu bytes of shared memory", bytes);
    return NULL;
}

void memfd_unmap(void *memory, size_t bytes) {
    if (memory) munmap(memory, bytes);
}

bool memfd_write(int fd, const void *data, size_t bytes, uint64_t at, struct error *error) {
    for (size_t done = 0; done < bytes;) {
        ssize_t n = pwrite(fd, (const char *)data + done, bytes - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return error_system(error, n < 0 ? errno : ENOSPC, "cannot write to shared memory");
        done += (size_t)n;
    }
    return true;
}

bool memfd_read(int fd, void *data, size_t bytes, uint64_t at, struct error *error) {
    for (size_t done = 0; done < bytes;) {
        ssize_t n = pread(fd, (char *)data + done, bytes - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return error_system(error, errno, "cannot read shared memory");
        if (n == 0) return error_set(error, "a shared memory ends before what was said to lie in it");
        done += (size_t)n;
    }
    return true;
}

bool memfd_punch(int fd, uint64_t offset, uint64_t bytes, struct error *error) {
    if (bytes == 0) return true;
    if (offset > INT64_MAX || bytes > INT64_MAX) return error_set(error, "a range outside shared memory");
    if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)bytes) == 0) return true;
    return error_system(error, errno, "cannot free pages of shared memory");
}
