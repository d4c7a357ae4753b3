#include "workers/sandbox/trial.h"

#include "engine/base/json.h"
#include "engine/ipc/message.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* Every attempt returns 0 when nothing stopped it (it has then cleaned up), or the error it got. System calls are made
 * directly where the C library would ask something else first. */

static int result(long value) {
    return value < 0 ? errno : 0;
}

static int closing(int fd) {
    if (fd < 0) return errno;
    close(fd);
    return 0;
}

static int try_open(const struct worker *worker) {
    (void)worker;
    return closing(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
}

static int try_stat(const struct worker *worker) {
    (void)worker;
    struct stat st;
    return result(stat("/etc/passwd", &st));
}

static int try_list(const struct worker *worker) {
    (void)worker;
    return closing(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static void own_file(char *path, size_t n) {
    snprintf(path, n, "/tmp/sonde-trial-%d", (int)getpid());
}

static int try_write(const struct worker *worker) {
    (void)worker;
    char path[64];
    own_file(path, sizeof path);
    int code = closing(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (code == 0) unlink(path);
    return code;
}

/* The three that follow name a file that isn't there: where they are allowed the answer is ENOENT. */
static int not_there(long value) {
    return value < 0 && errno != ENOENT ? errno : 0;
}

static int try_unlink(const struct worker *worker) {
    (void)worker;
    char path[64];
    own_file(path, sizeof path);
    return not_there(unlink(path));
}

static int try_chmod(const struct worker *worker) {
    (void)worker;
    char path[64];
    own_file(path, sizeof path);
    return not_there(chmod(path, 0600));
}

static int try_truncate(const struct worker *worker) {
    (void)worker;
    char path[64];
    own_file(path, sizeof path);
    return not_there(truncate(path, 0));
}

/* Only being refused by the system counts, not that nobody listens. */
static int refused(int fd, long value) {
    int code = value < 0 ? errno : 0;
    close(fd);
    return code == EACCES || code == EPERM ? code : 0;
}

static const struct sockaddr_in nobody = {
    .sin_family = AF_INET, .sin_port = 0x0900 /* 9, discard */, .sin_addr = {0x0100007f}};

static int try_connect(const struct worker *worker) {
    (void)worker;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd < 0 ? errno : refused(fd, connect(fd, (const struct sockaddr *)&nobody, sizeof nobody));
}

static int try_send(const struct worker *worker) {
    (void)worker;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return fd < 0 ? errno : refused(fd, sendto(fd, "", 1, 0, (const struct sockaddr *)&nobody, sizeof nobody));
}

static int try_local(const struct worker *worker) {
    (void)worker;
    const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/run/dbus/system_bus_socket"};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd < 0 ? errno : refused(fd, connect(fd, (const struct sockaddr *)&address, sizeof address));
}

/* Where nothing stops it this process becomes `true` and exits without an answer. */
static int try_exec(const struct worker *worker) {
    (void)worker;
    char *const arguments[] = {(char *)"true", NULL}, *const environment[] = {NULL};
    return result(execve("/bin/true", arguments, environment));
}

static int try_fork(const struct worker *worker) {
    (void)worker;
    pid_t child = fork();
    if (child == 0) _exit(0);
    if (child > 0) waitpid(child, NULL, 0);
    return result(child);
}

static void *do_nothing(void *context) {
    return context;
}

static int try_thread(const struct worker *worker) {
    (void)worker;
    pthread_t thread;
    int code = pthread_create(&thread, NULL, do_nothing, NULL);
    if (code == 0) pthread_join(thread, NULL);
    return code;
}

static int try_kill(const struct worker *worker) {
    (void)worker;
    return result(kill(getppid(), 0)); /* signal 0 only asks whether it could be done */
}

static int try_killall(const struct worker *worker) {
    (void)worker;
    return result(kill(-1, 0));
}

static int try_owner(const struct worker *worker) {
    return result(fcntl(worker->descriptor_socket, F_SETOWN, (int)getppid()));
}

static int try_ptrace(const struct worker *worker) {
    (void)worker;
    return result(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int try_peek(const struct worker *worker) {
    (void)worker;
    char byte;
    struct iovec here = {&byte, 1}, there = {(void *)(uintptr_t)4096, 1};
    long n = process_vm_readv(getppid(), &here, 1, &there, 1, 0);
    return n < 0 && errno != EFAULT ? errno : 0;
}

static int mapping(void *memory, size_t bytes) {
    if (memory == MAP_FAILED) return errno;
    munmap(memory, bytes);
    return 0;
}

static int try_execmem(const struct worker *worker) {
    (void)worker;
    return mapping(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 4096);
}

static int try_protect(const struct worker *worker) {
    (void)worker;
    void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return 0;
    int code = result(mprotect(memory, 4096, PROT_READ | PROT_EXEC));
    munmap(memory, 4096);
    return code;
}

static int try_shared(const struct worker *worker) {
    (void)worker;
    return mapping(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), 4096);
}

static int try_memfd(const struct worker *worker) {
    (void)worker;
    return closing(memfd_create("sonde-trial", MFD_CLOEXEC));
}

static int try_growsdown(const struct worker *worker) {
    (void)worker;
    return mapping(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0), 4096);
}

/* Writable memory in the place of such as isn't, which the limit doesn't see. */
static int try_over(const struct worker *worker) {
    void *place = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)worker;
    if (place == MAP_FAILED) return errno;
    return mapping(mmap(place, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), 4096);
}

static int try_memory(const struct worker *worker) {
    if (worker->memory_limit <= 0) return 0;
    size_t bytes = (size_t)worker->memory_limit;
    return mapping(mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
                   bytes);
}

static int try_handler(const struct worker *worker) {
    (void)worker;
    struct sigaction ours;
    return result(sigaction(SIGSYS, NULL, &ours)) != 0 ? errno : result(sigaction(SIGSYS, &ours, NULL));
}

static int try_orphan(const struct worker *worker) {
    (void)worker;
    return result(prctl(PR_SET_PDEATHSIG, 0));
}

static int try_filter(const struct worker *worker) {
    (void)worker;
    return result(syscall(SYS_seccomp, 2 /* SECCOMP_GET_ACTION_AVAIL: asks, changes nothing */, 0, &(uint32_t){0}));
}

static int try_limits(const struct worker *worker) {
    (void)worker;
    struct rlimit now;
    return getrlimit(RLIMIT_NOFILE, &now) != 0 ? errno : result(setrlimit(RLIMIT_NOFILE, &now));
}

static int try_priority(const struct worker *worker) {
    (void)worker;
    return result(setpriority(PRIO_PROCESS, 0, 0));
}

static int try_mount(const struct worker *worker) {
    (void)worker;
    return not_there(syscall(SYS_mount, "none", "/nonexistent/sonde-trial", "tmpfs", 0UL, NULL));
}

static int try_keyring(const struct worker *worker) {
    (void)worker;
    return result(syscall(SYS_keyctl, 0L /* KEYCTL_GET_KEYRING_ID */, -4L, 0L));
}

static int try_io_uring(const struct worker *worker) {
    (void)worker;
    long fd = syscall(SYS_io_uring_setup, 1, NULL);
    return fd < 0 && errno != EFAULT ? errno : 0;
}

static int try_bpf(const struct worker *worker) {
    (void)worker;
    long fd = syscall(SYS_bpf, 0, NULL, 0);
    return fd < 0 && errno != EINVAL && errno != EFAULT ? errno : 0;
}

static int try_userfaultfd(const struct worker *worker) {
    (void)worker;
    return closing((int)syscall(SYS_userfaultfd, O_CLOEXEC));
}

/* getpid through the 32-bit gate, where the numbers mean other calls. */
static int try_foreign(const struct worker *worker) {
    (void)worker;
#if defined(__x86_64__)
    long value;
    __asm__ volatile("int $0x80" : "=a"(value) : "a"(20L) : "memory", "r8", "r9", "r10", "r11");
    return value < 0 ? (int)-value : 0;
#else
    return ENOSYS; /* arm64 has no second gate in a 64-bit process */
#endif
}

static const struct {
    const char *name;
    int (*attempt)(const struct worker *worker);
} attempts[] = {
    {"open", try_open},
    {"stat", try_stat},
    {"list", try_list},
    {"write", try_write},
    {"unlink", try_unlink},
    {"chmod", try_chmod},
    {"truncate", try_truncate},
    {"connect", try_connect},
    {"send", try_send},
    {"local", try_local},
    {"exec", try_exec},
    {"fork", try_fork},
    {"thread", try_thread},
    {"kill", try_kill},
    {"killall", try_killall},
    {"owner", try_owner},
    {"ptrace", try_ptrace},
    {"peek", try_peek},
    {"execmem", try_execmem},
    {"protect", try_protect},
    {"shared", try_shared},
    {"memfd", try_memfd},
    {"growsdown", try_growsdown},
    {"over", try_over},
    {"memory", try_memory},
    {"handler", try_handler},
    {"orphan", try_orphan},
    {"filter", try_filter},
    {"limits", try_limits},
    {"priority", try_priority},
    {"mount", try_mount},
    {"keyring", try_keyring},
    {"io_uring", try_io_uring},
    {"bpf", try_bpf},
    {"userfaultfd", try_userfaultfd},
    {"foreign", try_foreign},
};

static bool answer(struct worker *worker, const char *what) {
    int code = -1;
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++)
        if (strcmp(attempts[i].name, what) == 0) code = attempts[i].attempt(worker);
    cJSON *tried = message_new("tried");
    const char *by = code < 0 ? "unknown" : code == 0 ? "nothing" : strerrorname_np(code);
    if (tried && cJSON_AddStringToObject(tried, "what", what) && cJSON_AddBoolToObject(tried, "stopped", code > 0) &&
        cJSON_AddStringToObject(tried, "by", by ? by : "an error"))
        return worker_send(worker, tried, NULL);
    cJSON_Delete(tried);
    return false;
}

int trial_run(struct worker *worker) {
    struct error error;
    if (!worker_lock_down(worker, &error)) {
        fprintf(stderr, "sonde-worker: %s\n", error.text);
        return WORKER_EXIT_NO_RESPAWN;
    }
    if (!worker_send_ready(worker, NULL, &error)) return 1;
    for (cJSON *message; (message = worker_receive(worker));) {
        bool known = strcmp(json_string(message, "type", ""), "try") == 0;
        bool ok = known && answer(worker, json_string(message, "what", ""));
        cJSON_Delete(message);
        if (!ok) return 1;
    }
    return 0;
}
