/* Preloaded into the engine by faults.py: makes the Nth call of one kind fail, as a full disk, a spent descriptor table or a
 * machine without memory would.
 *
 *     SONDE_FAIL=KIND:N:MODE     KIND: malloc read write fsync spawn memfd send receive ftruncate
 *                                MODE: once, some (that call and the 4 after it), or many (and the 39 after it)
 *     SONDE_FAIL_MARK=FILE       is made when the call was reached, so that the driver knows when to stop
 *
 * Only the program named "sonde" is touched, never a worker. Reads and writes fail on regular files only: the kernel's event
 * descriptors, pipes between threads and memory files don't fail on any system. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { MALLOC, READ, WRITE, FSYNC, SPAWN, MEMFD, SEND, RECEIVE, FTRUNCATE, KINDS };
static const char *const names[KINDS] = {"malloc", "read", "write",   "fsync",    "spawn",
                                         "memfd",  "send", "receive", "ftruncate"};

static int chosen = -1;
static long target;
static long run_length = 1;
static atomic_long calls;
static const char *mark;

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

__attribute__((constructor)) static void choose(void) {
    const char *wish = getenv("SONDE_FAIL");
    if (!wish || strcmp(program_invocation_short_name, "sonde") != 0) return;
    const char *colon = strchr(wish, ':');
    if (!colon) return;
    target = strtol(colon + 1, NULL, 10);
    if (strstr(colon + 1, ":some")) run_length = 5;
    if (strstr(colon + 1, ":many")) run_length = 40;
    mark = getenv("SONDE_FAIL_MARK");
    for (int k = 0; k < KINDS; k++)
        if (strlen(names[k]) == (size_t)(colon - wish) && strncmp(wish, names[k], (size_t)(colon - wish)) == 0)
            chosen = k;
}

static bool fails(enum kind kind) {
    if ((int)kind != chosen) return false;
    long call = atomic_fetch_add(&calls, 1) + 1;
    if (call < target || call >= target + run_length) return false;
    if (call == target && mark) {
        long fd = syscall(SYS_openat, AT_FDCWD, mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd >= 0) syscall(SYS_close, fd);
    }
    return true;
}

static bool fails_on_file(enum kind kind, int fd) {
    struct stat st;
    return (int)kind == chosen && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink > 0 &&
           fails(kind); /* memory files have no link */
}

/* The next definition of a symbol; looked up without allocating in our own name. */
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* For an engine that brings a malloc of its own (fail_malloc.c). */
bool fail_nth_malloc(void) {
    return fails(MALLOC);
}

void *malloc(size_t size) {
    if (fails(MALLOC)) return errno = ENOMEM, NULL;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    if (fails(MALLOC)) return errno = ENOMEM, NULL;
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
    if (fails(MALLOC)) return errno = ENOMEM, NULL;
    return __libc_realloc(old, size);
}

/* Who gives up matters: a library that ends the process for want of memory is not the engine's doing. */
void abort(void) {
    Dl_info info;
    const char *name = dladdr(__builtin_return_address(0), &info) && info.dli_fname ? info.dli_fname : "?";
    (void)!syscall(SYS_write, 2, "abort called by ", 16);
    (void)!syscall(SYS_write, 2, name, strlen(name));
    (void)!syscall(SYS_write, 2, "\n", 1);
    syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
    for (;;) {
    }
}

ssize_t read(int fd, void *buffer, size_t n) {
    if (fails_on_file(READ, fd)) return errno = EIO, -1;
    return syscall(SYS_read, fd, buffer, n);
}

ssize_t pread64(int fd, void *buffer, size_t n, off64_t at) {
    if (fails_on_file(READ, fd)) return errno = EIO, -1;
    return syscall(SYS_pread64, fd, buffer, n, at);
}

ssize_t write(int fd, const void *buffer, size_t n) {
    if (fails_on_file(WRITE, fd)) return errno = ENOSPC, -1;
    return syscall(SYS_write, fd, buffer, n);
}

ssize_t pwrite64(int fd, const void *buffer, size_t n, off64_t at) {
    if (fails_on_file(WRITE, fd)) return errno = ENOSPC, -1;
    return syscall(SYS_pwrite64, fd, buffer, n, at);
}

int fsync(int fd) {
    if (fails(FSYNC)) return errno = EIO, -1;
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd) {
    if (fails(FSYNC)) return errno = EIO, -1;
    return (int)syscall(SYS_fdatasync, fd);
}

int ftruncate64(int fd, off64_t size) {
    if (fails(FTRUNCATE)) return errno = ENOSPC, -1;
    return (int)syscall(SYS_ftruncate, fd, size);
}

int ftruncate(int fd, off_t size) {
    if (fails(FTRUNCATE)) return errno = ENOSPC, -1;
    return (int)syscall(SYS_ftruncate, fd, size);
}

pid_t fork(void) {
    if (fails(SPAWN)) return errno = EAGAIN, -1;
    return NEXT(fork)();
}

int memfd_create(const char *name, unsigned flags) {
    if (fails(MEMFD)) return errno = EMFILE, -1;
    return (int)syscall(SYS_memfd_create, name, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    if (fails(SEND)) return errno = ENOBUFS, -1;
    return syscall(SYS_sendmsg, fd, message, flags);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
    if (fails(RECEIVE)) return errno = EIO, -1;
    return syscall(SYS_recvmsg, fd, message, flags);
}

ssize_t readv(int fd, const struct iovec *parts, int count) {
    if (fails(RECEIVE)) return errno = ECONNRESET, -1;
    return syscall(SYS_readv, fd, parts, count);
}
