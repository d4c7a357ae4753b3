#include "workers/sandbox/fatal.h"

#include "engine/base/sanitizer.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1 /* si_code of a SIGSYS from a filter; the C library's headers leave it out */
#endif
#define STACK_BYTES ((size_t)128 << 10)

/* A signal handler is given no context of ours: the one global of a worker. */
static struct fatal *watched;

/* Ends the process by `signal`: its handler is reset (SA_RESETHAND) and not blocked (SA_NODEFER). */
static void die_of(int signal) {
    syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), signal);
}

static void on_forbidden(int signal, siginfo_t *info, void *context) {
    (void)context;
    struct note *note = watched ? watched->note : NULL;
    if (note && info->si_code == SYS_SECCOMP) {
        note->forbidden_arch = info->si_arch;
        atomic_store_explicit(&note->forbidden, info->si_syscall, memory_order_release);
    }
    die_of(signal);
}

/* Private memory in use: the sixth number of statm, in pages. */
static uint64_t data_in_use(int fd) {
    char text[128];
    ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof text - 1, 0);
    uint64_t pages = 0;
    int field = 1;
    for (ssize_t i = 0; i < n && field <= 6; i++) {
        if (text[i] == ' ')
            field++;
        else if (field == 6 && text[i] >= '0' && text[i] <= '9')
            pages = pages * 10 + (uint64_t)(text[i] - '0');
    }
    return pages * 4096u;
}

static void describe_frame(struct note_frame *frame, void *address) {
    struct dl_find_object found;
    memset(frame, 0, sizeof *frame);
    frame->offset = (uint64_t)(uintptr_t)address;
    if (_dl_find_object(address, &found) != 0 || !found.dlfo_link_map) return; /* safe in handlers, unlike dladdr */
    frame->offset -= (uint64_t)found.dlfo_link_map->l_addr;
    const char *name = found.dlfo_link_map->l_name;
    const char *slash = name ? strrchr(name, '/') : NULL;
    if (slash) name = slash + 1;
    for (size_t i = 0; name && name[i] != '\0' && i + 1 < NOTE_OBJECT; i++) frame->object[i] = name[i];
}

static void on_crash(int signal, siginfo_t *info, void *context) {
    (void)context;
    if (!watched) die_of(signal);
    struct note *note = watched->note;
    note->frame_count = 0;
    note->fault_address = info->si_code > 0 ? (uint64_t)(uintptr_t)info->si_addr : 0;
    uint64_t in_use = data_in_use(watched->memory_fd);
    note->data_bytes = in_use > watched->shadow_bytes ? in_use - watched->shadow_bytes : 0;
    atomic_store_explicit(&note->died, signal, memory_order_release);
    /* From here on a fault of our own ends the process by the default action, with what is noted so far. */
    void *addresses[NOTE_FRAMES + 2];
    int n = backtrace(addresses, NOTE_FRAMES + 2);
    for (int i = 2; i < n; i++) { /* not this handler and the kernel's way into it */
        describe_frame(&note->frames[i - 2], addresses[i]);
        note->frame_count = (uint32_t)(i - 1);
    }
    atomic_thread_fence(memory_order_release);
    die_of(signal);
}

static bool install(int signal, void (*handler)(int, siginfo_t *, void *), struct error *error) {
    struct sigaction action = {.sa_sigaction = handler,
                               .sa_flags = (int)(SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESETHAND)};
    sigemptyset(&action.sa_mask);
    return sigaction(signal, &action, NULL) == 0 || error_system(error, errno, "cannot watch for signal %d", signal);
}

static bool ignore(int signal, struct error *error) {
    struct sigaction action = {.sa_handler = SIG_IGN};
    sigemptyset(&action.sa_mask);
    return sigaction(signal, &action, NULL) == 0 || error_system(error, errno, "cannot ignore signal %d", signal);
}

static bool install_crashes(struct error *error) {
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP};
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++)
        if (!install(crashes[i], on_crash, error)) return false;
    /* Writing to an engine that is gone, or beyond RLIMIT_FSIZE, is an error like others. */
    return ignore(SIGPIPE, error) && ignore(SIGXFSZ, error);
}

static bool use_own_stack(const struct fatal *fatal, struct error *error) {
    stack_t stack = {.ss_sp = fatal->stack, .ss_size = STACK_BYTES};
    return sigaltstack(&stack, NULL) == 0 || error_system(error, errno, "cannot set a stack for signal handlers");
}

bool fatal_watch(struct fatal *fatal, struct note *note, struct error *error) {
    fatal->note = note;
    fatal->memory_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC); /* without /proc the figure is unknown */
    fatal->shadow_bytes = SANITIZED ? data_in_use(fatal->memory_fd) : 0;
    fatal->stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (fatal->stack == MAP_FAILED) return error_system(error, errno, "cannot get a stack for signal handlers");
    void *once[1];
    backtrace(once, 1); /* makes the C library load its unwinder while that is possible */
    watched = fatal;
    return use_own_stack(fatal, error) && install(SIGSYS, on_forbidden, error) && install_crashes(error);
}

bool fatal_watch_again(struct fatal *fatal, struct error *error) {
    return use_own_stack(fatal, error) && install_crashes(error);
}

void fatal_forget(void) {
    watched = NULL;
}
