#include "workers/sandbox/policy.h"

#include "engine/base/sanitizer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

/* ------------------------------------------------------------------------------------------------------- the language
 */

/* What is done about a call in a stage. What no row allows is a violation. */
enum action {
    VIOLATION = 0, /* trapped, recorded, the worker dies */
    ALLOW,
    NO_ACCESS,  /* EACCES */
    NO_PERMIT,  /* EPERM */
    NO_CALL,    /* ENOSYS: the C library falls back to an older call */
    NO_TERMINAL /* ENOTTY */
};

/* "(argument & mask) == value"; mask 0: no condition. */
struct condition {
    unsigned argument;
    uint64_t mask, value;
};

enum who { EVERYONE = 0, DECODER = 1 };

struct rule {
    int call;
    enum action load, work; /* stage 1, stage 2 */
    struct condition when, and;
    enum who who;
};

#define CALL(name) .call = SCMP_SYS(name)
#define ARGUMENT(n, bits, wanted)                                                                                      \
    { (n), (bits), (wanted) }
/* The kernel looks at the low 32 bits only of an int: so does the filter, or a set upper half would evade it. */
#define EQUALS(n, wanted) ARGUMENT(n, UINT32_MAX, wanted)
#define IS_NULL(n)        ARGUMENT(n, UINT64_MAX, 0)
#define OWN_PROCESS       UINT64_MAX /* stands for getpid() */

#define NOT_READING       (O_ACCMODE | O_CREAT | O_TRUNC)
#define MAP_KIND          (0x0f /* MAP_TYPE */ | MAP_GROWSDOWN) /* what grows down isn't counted by RLIMIT_DATA */
/* Over what isn't counted: the system takes it as if it had been. A sanitizer's malloc does no other than that. */
#define MAP_PLACED  (MAP_KIND | (SANITIZED ? 0 : MAP_FIXED))
#define MAP_KIND_OF (MAP_KIND | MAP_ANONYMOUS)

/* -------------------------------------------------------------------------------------------------------- the policy
 */

static const struct rule rules[] = {
    /* What is open already: the input, the pipe to the engine, NNG's socket. */
    {CALL(read), ALLOW, ALLOW},
    {CALL(readv), ALLOW, ALLOW},
    {CALL(pread64), ALLOW, ALLOW},
    {CALL(write), ALLOW, ALLOW},
    {CALL(pwrite64), ALLOW, ALLOW, .who = DECODER}, /* into memory that the engine hands over */
    {CALL(writev), ALLOW, ALLOW},
    {CALL(lseek), ALLOW, ALLOW},
    {CALL(close), ALLOW, ALLOW},
    {CALL(dup), ALLOW, ALLOW},
    {CALL(fstat), ALLOW, ALLOW},
    {CALL(fadvise64), ALLOW, ALLOW},
    {CALL(poll), ALLOW, ALLOW},
    {CALL(ppoll), ALLOW, ALLOW},
    {CALL(select), ALLOW, ALLOW},
    {CALL(pselect6), ALLOW, ALLOW},
    {CALL(recvmsg), ALLOW, ALLOW},
    {CALL(sendmsg), ALLOW, ALLOW},
    {CALL(shutdown), ALLOW, ALLOW},
    {CALL(getsockopt), ALLOW, ALLOW},
    {CALL(getsockname), ALLOW, ALLOW},
    {CALL(getpeername), ALLOW, ALLOW},
    {CALL(epoll_wait), ALLOW, ALLOW},
    {CALL(epoll_pwait), ALLOW, ALLOW},
    {CALL(epoll_ctl), ALLOW, ALLOW},
    {CALL(eventfd2), ALLOW, NO_PERMIT},
    {CALL(ioctl), NO_TERMINAL, NO_TERMINAL}, /* isatty; FIOSETOWN would let it have signals sent */
    /* F_SETOWN and F_SETSIG could have any signal sent to the engine: not among these. */
    {CALL(fcntl), ALLOW, ALLOW, EQUALS(1, F_GETFD)},
    {CALL(fcntl), ALLOW, ALLOW, EQUALS(1, F_SETFD)},
    {CALL(fcntl), ALLOW, ALLOW, EQUALS(1, F_GETFL)},
    {CALL(fcntl), ALLOW, ALLOW, EQUALS(1, F_SETFL)},
    {CALL(fcntl), ALLOW, ALLOW, EQUALS(1, F_DUPFD_CLOEXEC)},
    {CALL(fcntl), ALLOW, ALLOW, EQUALS(1, F_GET_SEALS)},
    {CALL(fcntl), NO_PERMIT, NO_PERMIT, EQUALS(1, F_SETLK)},
    {CALL(fcntl), NO_PERMIT, NO_PERMIT, EQUALS(1, F_GETLK)},

    /* Files by name. While loading, Landlock says which; after lock-down none. libsndfile looks for resource forks even
     * of virtual files, strerror and localtime look for their tables: those get an error and go on. Opening to write is
     * a violation at any time. */
    {CALL(openat), ALLOW, NO_ACCESS, ARGUMENT(2, NOT_READING, O_RDONLY)},
    {CALL(open), ALLOW, NO_ACCESS, ARGUMENT(1, NOT_READING, O_RDONLY)},
    {CALL(openat2), NO_CALL, NO_CALL},
    {CALL(newfstatat), ALLOW, NO_ACCESS}, /* also the C library's fstat */
    {CALL(statx), NO_CALL, NO_ACCESS},
    {CALL(stat), NO_ACCESS, NO_ACCESS},
    {CALL(lstat), NO_ACCESS, NO_ACCESS},
    {CALL(access), NO_ACCESS, NO_ACCESS},
    {CALL(faccessat), NO_ACCESS, NO_ACCESS},
    {CALL(faccessat2), NO_ACCESS, NO_ACCESS},
    {CALL(readlink), NO_ACCESS, NO_ACCESS},
    {CALL(readlinkat), NO_ACCESS, NO_ACCESS},
    {CALL(statfs), NO_ACCESS, NO_ACCESS},
    {CALL(fstatfs), NO_ACCESS, NO_ACCESS},
    {CALL(getcwd), ALLOW, NO_ACCESS}, /* dlopen of a relative path */
    {CALL(getdents64), ALLOW, NO_ACCESS},

    /* Sockets. NNG dials again when the engine hangs up: an error, or an innocent worker would die of a violation. */
    {CALL(socket), NO_PERMIT, NO_PERMIT},
    {CALL(socketpair), NO_PERMIT, NO_PERMIT},
    {CALL(setsockopt), NO_PERMIT, NO_PERMIT},
    {CALL(pipe), NO_PERMIT, NO_PERMIT},
    {CALL(pipe2), NO_PERMIT, NO_PERMIT},
    {CALL(epoll_create1), NO_PERMIT, NO_PERMIT},

    /* Memory. RLIMIT_DATA counts what is private and writable: so nothing shared may be made, and an analyser may not
     * write to anything shared. Nothing executable after loading. */
    {CALL(brk), ALLOW, ALLOW},
    {CALL(munmap), ALLOW, ALLOW},
    {CALL(mremap), ALLOW, ALLOW},
    {CALL(madvise), ALLOW, ALLOW},
    {CALL(msync), ALLOW, ALLOW},
    {CALL(mlock), NO_PERMIT, NO_PERMIT},
    {CALL(mmap), ALLOW, VIOLATION, ARGUMENT(3, MAP_KIND, MAP_PRIVATE)},
    {CALL(mmap), VIOLATION, ALLOW, ARGUMENT(3, MAP_PLACED, MAP_PRIVATE), ARGUMENT(2, PROT_EXEC, 0)},
    {CALL(mmap), VIOLATION, ALLOW, ARGUMENT(3, MAP_PLACED, MAP_PRIVATE | MAP_FIXED),
     ARGUMENT(2, PROT_WRITE | PROT_EXEC, 0)},
    {CALL(mmap), ALLOW, ALLOW, ARGUMENT(3, MAP_KIND_OF, MAP_SHARED), ARGUMENT(2, PROT_WRITE | PROT_EXEC, 0)},
    {CALL(mprotect), ALLOW, VIOLATION},
    {CALL(mprotect), VIOLATION, ALLOW, ARGUMENT(2, PROT_EXEC, 0)},

    /* Threads, but no processes: clone with CLONE_THREAD while loading, nothing after. clone3 passes its flags by
     * reference, out of a filter's sight: the C library falls back to clone. */
    {CALL(clone), ALLOW, VIOLATION, ARGUMENT(0, CLONE_THREAD, CLONE_THREAD)},
    {CALL(clone3), NO_CALL, NO_CALL},
    {CALL(set_robust_list), ALLOW, ALLOW},
    {CALL(rseq), ALLOW, ALLOW},
    {CALL(futex), ALLOW, ALLOW},
    {CALL(sched_yield), ALLOW, ALLOW},
    {CALL(sched_getaffinity), ALLOW, ALLOW},
    {CALL(sched_getparam), ALLOW, ALLOW},
    {CALL(sched_getscheduler), ALLOW, ALLOW},
    {CALL(sched_setaffinity), NO_PERMIT, NO_PERMIT},
    {CALL(membarrier), NO_CALL, NO_CALL},
    {CALL(exit), ALLOW, ALLOW},
    {CALL(exit_group), ALLOW, ALLOW},

    /* Signals: to itself only (abort needs it). The handler of SIGSYS stays ours; after lock-down all do, except that
     * abort resets its own. */
    {CALL(rt_sigprocmask), ALLOW, ALLOW},
    {CALL(rt_sigreturn), ALLOW, ALLOW},
    {CALL(restart_syscall), ALLOW, ALLOW},
    {CALL(sigaltstack), ALLOW, ALLOW},
    {CALL(rt_sigaction), VIOLATION, ALLOW, EQUALS(0, SIGABRT)},
    {CALL(tgkill), ALLOW, ALLOW, EQUALS(0, OWN_PROCESS)},
    {CALL(kill), ALLOW, ALLOW, EQUALS(0, OWN_PROCESS)},

    /* Asking. */
    {CALL(getpid), ALLOW, ALLOW},
    {CALL(getppid), ALLOW, ALLOW},
    {CALL(gettid), ALLOW, ALLOW},
    {CALL(getuid), ALLOW, ALLOW},
    {CALL(geteuid), ALLOW, ALLOW},
    {CALL(getgid), ALLOW, ALLOW},
    {CALL(getegid), ALLOW, ALLOW},
    {CALL(uname), ALLOW, ALLOW},
    {CALL(sysinfo), ALLOW, ALLOW}, /* the C library's qsort, in Vorbis */
    {CALL(getcpu), ALLOW, ALLOW},
    {CALL(get_mempolicy), NO_CALL,
     NO_CALL}, /* libnuma, which FFmpeg's libraries bring along, looks around when loaded */
    {CALL(getrusage), ALLOW, ALLOW},
    {CALL(times), ALLOW, ALLOW},
    {CALL(getrandom), ALLOW, ALLOW},
    {CALL(getrlimit), ALLOW, ALLOW},
    {CALL(prlimit64), ALLOW, ALLOW, EQUALS(0, 0), IS_NULL(2)}, /* its own, without new limits */
    {CALL(time), ALLOW, ALLOW},
    {CALL(gettimeofday), ALLOW, ALLOW},
    {CALL(clock_gettime), ALLOW, ALLOW},
    {CALL(clock_getres), ALLOW, ALLOW},
    {CALL(nanosleep), ALLOW, ALLOW},
    {CALL(clock_nanosleep), ALLOW, ALLOW},
    {CALL(prctl), ALLOW, ALLOW, EQUALS(0, PR_SET_NAME)},
    {CALL(prctl), ALLOW, ALLOW, EQUALS(0, PR_GET_NAME)},
    {CALL(prctl), NO_PERMIT, NO_PERMIT, EQUALS(0, PR_GET_DUMPABLE)},
    {CALL(prctl), NO_PERMIT, NO_PERMIT, EQUALS(0, PR_GET_SECCOMP)},
    {CALL(prctl), NO_PERMIT, NO_PERMIT, EQUALS(0, PR_CAPBSET_READ)},
    {CALL(prctl), NO_PERMIT, NO_PERMIT, EQUALS(0, PR_SET_TIMERSLACK)},
    {CALL(prctl), NO_PERMIT, NO_PERMIT, EQUALS(0, PR_SET_VMA)},
    {CALL(arch_prctl), NO_PERMIT, NO_PERMIT},

    /* Stage 2 is loaded under stage 1. */
    {CALL(seccomp), ALLOW, VIOLATION},
};

/* Handlers that may be set while loading: all but SIGSYS. A condition of its own kind (not equal), so no row. */
static bool allow_handlers(scmp_filter_ctx filter, enum policy_stage stage) {
    if (stage == POLICY_WORK) return true;
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(rt_sigaction), 1, SCMP_A0_32(SCMP_CMP_NE, SIGSYS)) == 0;
}

/* ------------------------------------------------------------------------------------------------- making the filters
 */

static uint32_t action_code(enum action action) {
    switch (action) {
    case ALLOW: return SCMP_ACT_ALLOW;
    case NO_ACCESS: return SCMP_ACT_ERRNO(EACCES);
    case NO_PERMIT: return SCMP_ACT_ERRNO(EPERM);
    case NO_CALL: return SCMP_ACT_ERRNO(ENOSYS);
    case NO_TERMINAL: return SCMP_ACT_ERRNO(ENOTTY);
    case VIOLATION: break;
    }
    return SCMP_ACT_TRAP;
}

static unsigned add_condition(struct scmp_arg_cmp *out, unsigned n, const struct condition *condition) {
    if (condition->mask == 0) return n;
    uint64_t value = condition->value == OWN_PROCESS ? (uint64_t)getpid() : condition->value;
    out[n] = (struct scmp_arg_cmp){.arg = condition->argument,
                                   .op = SCMP_CMP_MASKED_EQ,
                                   .datum_a = condition->mask,
                                   .datum_b = value & condition->mask};
    return n + 1;
}

static int add_rule(scmp_filter_ctx filter, const struct rule *rule, enum action action) {
    struct scmp_arg_cmp conditions[2];
    unsigned n = add_condition(conditions, 0, &rule->when);
    n = add_condition(conditions, n, &rule->and);
    return seccomp_rule_add_array(filter, action_code(action), rule->call, n, conditions);
}

static int add_rules(scmp_filter_ctx filter, enum policy_kind kind, enum policy_stage stage) {
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        enum action action = stage == POLICY_LOAD ? rules[i].load : rules[i].work;
        if (rules[i].call < 0) continue; /* not a call of this processor */
        if (rules[i].who == DECODER && kind != POLICY_DECODER) continue;
        if (action == VIOLATION) continue; /* what isn't allowed is one */
        int code = add_rule(filter, &rules[i], action);
        if (code != 0) return code;
    }
    return 0;
}

bool policy_load(enum policy_kind kind, enum policy_stage stage, struct error *error) {
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);
    if (!filter) return error_memory(error);
    int code = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_TRAP); /* int 0x80, x32 */
    if (code == 0) code = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);      /* set already; prctl is filtered */
    if (code == 0) code = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (code == 0) code = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    /* Before Linux 5.16 a filter would also switch a slow mitigation on; a worker has no secrets of another's. */
    if (code == 0) seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
    if (code == 0) code = add_rules(filter, kind, stage);
    if (code == 0 && !allow_handlers(filter, stage)) code = -EINVAL;
    if (code == 0) code = seccomp_load(filter);
    seccomp_release(filter);
    if (code == 0) return true;
    return error_system(error, -code, "the filter of system calls (stage %d) could not be loaded", (int)stage);
}
