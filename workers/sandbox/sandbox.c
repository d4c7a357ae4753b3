#include "workers/sandbox/sandbox.h"

#include "engine/base/sanitizer.h"
#include "workers/sandbox/fatal.h"
#include "workers/sandbox/landlock.h"
#include "workers/sandbox/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAIN_STACK      ((rlim_t)8 << 20)
#define MAX_DESCRIPTORS 256
/* NNG's threads and their stacks, malloc's arenas, libraries' tables: below this NNG's start hangs without an error. */
#define LEAST_MEMORY ((int64_t)64 << 20)

struct sandbox {
    enum sandbox_profile profile;
    enum policy_kind policy;
    struct fatal fatal;
    int landlock_abi;    /* entered; 0: none */
    int seccomp_stage;   /* loaded */
    bool seccomp_absent; /* this kernel has none */
    bool rlimits, no_new_privs;
    int status_fd; /* /proc/self/status, opened while files can be; -1: none */
};

static bool die_with_parent(pid_t engine, struct error *error) {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        return error_system(error, errno, "cannot tie this worker to the engine");
    /* It may have died just before. */
    return getppid() == engine ||
           error_set(error, "the engine that started this worker (process %d) is gone", (int)engine);
}

/* Descriptors opened without close-on-exec by anything in the engine do reach a worker. */
static void close_inherited(int first) {
    if (syscall(SYS_close_range, (unsigned)first, ~0u, 0) == 0) return;
    struct rlimit open_files; /* before Linux 5.9, or forbidden by an old container runtime */
    rlim_t end = getrlimit(RLIMIT_NOFILE, &open_files) == 0 ? open_files.rlim_cur : 1024;
    if (end > 1 << 20) end = 1 << 20;
    for (int fd = first; (rlim_t)fd < end; fd++) close(fd);
}

static bool limit(int resource, rlim_t value, const char *name, struct error *error) {
    struct rlimit now;
    if (getrlimit(resource, &now) != 0) return error_system(error, errno, "cannot read the limit on %s", name);
    if (value > now.rlim_max) value = now.rlim_max; /* the user's own limit is lower */
    const struct rlimit wanted = {value, value};
    return setrlimit(resource, &wanted) == 0 || error_system(error, errno, "cannot limit %s", name);
}

static bool limit_resources(const struct sandbox_options *options, const struct fatal *fatal, struct error *error) {
    bool ok = limit(RLIMIT_CORE, 0, "core files", error) &&
              limit(RLIMIT_FSIZE, (rlim_t)options->file_limit, "file size", error) &&
              limit(RLIMIT_NOFILE, MAX_DESCRIPTORS, "open files", error) &&
              limit(RLIMIT_STACK, MAIN_STACK, "the stack", error) && limit(RLIMIT_MEMLOCK, 0, "locked memory", error) &&
              limit(RLIMIT_MSGQUEUE, 0, "message queues", error);
    if (ok && options->cpu_limit > 0) ok = limit(RLIMIT_CPU, (rlim_t)options->cpu_limit, "CPU time", error);
    if (ok && options->memory_limit > 0)
        ok = limit(RLIMIT_DATA, (rlim_t)options->memory_limit + fatal->shadow_bytes, "memory", error);
    return ok;
}

/* Of the powers of root only reading stays, as plugins may lie in someone's private folder; Landlock says which files.
 */
static bool drop_capabilities(struct error *error) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) != 0) return error_system(error, errno, "cannot read capabilities");
    const uint32_t keep = 1u << CAP_DAC_READ_SEARCH;
    data[0].effective &= keep;
    data[0].permitted &= keep;
    data[1].effective = data[1].permitted = 0;
    data[0].inheritable = data[1].inheritable = 0;
    return syscall(SYS_capset, &header, data) == 0 || error_system(error, errno, "cannot drop capabilities");
}

static bool enter_landlock(struct sandbox *sandbox, const struct sandbox_options *options, struct error *error) {
    int abi = landlock_abi(options->landlock_abi_max);
    if (abi == 0) return true; /* reported as missing */
    static const char *const system_paths[] = {"/lib",       "/lib64",         "/usr/lib",
                                               "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache"};
    const size_t system_count = sizeof system_paths / sizeof *system_paths;
    const char **paths = calloc(system_count + options->read_path_count + 1, sizeof *paths);
    if (!paths) return error_memory(error);
    memcpy(paths, system_paths, sizeof system_paths);
    for (size_t i = 0; i < options->read_path_count; i++) paths[system_count + i] = options->read_paths[i];
    size_t count = system_count + options->read_path_count;
    if (SANITIZED) paths[count++] = "/proc/self"; /* it reads its own maps */
    bool ok = landlock_enter(abi, paths, count, error);
    free(paths);
    if (ok) sandbox->landlock_abi = abi;
    return ok;
}

static bool enter(struct sandbox *sandbox, const struct sandbox_options *options, struct note *note,
                  struct error *error) {
    if (!die_with_parent(options->engine, error)) return false;
    close_inherited(options->keep_descriptors + 1);
    if (!fatal_watch(&sandbox->fatal, note, error)) return false;
    if (sandbox->profile == SANDBOX_NONE) return true;
    if (options->memory_limit > 0 && options->memory_limit < LEAST_MEMORY)
        return error_set(error, "a memory limit of %lld bytes is less than the %lld a worker needs to start",
                         (long long)options->memory_limit, (long long)LEAST_MEMORY);
    sandbox->status_fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    if (!limit_resources(options, &sandbox->fatal, error)) return false;
    sandbox->rlimits = true;
    if (!drop_capabilities(error) || !enter_landlock(sandbox, options, error)) return false;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return error_system(error, errno, "cannot set no_new_privs");
    sandbox->no_new_privs = true;
    return true;
}

struct sandbox *sandbox_enter(const struct sandbox_options *options, struct note *note, struct error *error) {
    struct sandbox *sandbox = calloc(1, sizeof *sandbox);
    if (!sandbox) {
        error_memory(error);
        return NULL;
    }
    sandbox->profile = options->profile;
    sandbox->policy = options->decoder ? POLICY_DECODER : POLICY_ANALYSER;
    sandbox->status_fd = -1;
    if (enter(sandbox, options, note, error)) return sandbox;
    sandbox_free(sandbox);
    return NULL;
}

bool sandbox_stage_one(struct sandbox *sandbox, struct error *error) {
    if (sandbox->profile == SANDBOX_NONE) return true;
    struct error problem;
    if (policy_load(sandbox->policy, POLICY_LOAD, &problem)) {
        sandbox->seccomp_stage = 1;
        return true;
    }
    if (problem.code == ENOSYS || problem.code == EINVAL) {
        sandbox->seccomp_absent = true; /* reported as missing */
        return true;
    }
    if (error) *error = problem;
    return false;
}

/* How many filters the kernel says this process has; -1 when it doesn't say (before Linux 5.9, or without /proc). A
 * library's constructor can load a filter that makes loading ours a lie: this can't be made one as easily. */
static int count_filters(int status_fd) {
    char text[4096];
    ssize_t n = status_fd < 0 ? -1 : pread(status_fd, text, sizeof text - 1, 0);
    if (n <= 0) return -1;
    text[n] = '\0';
    const char *line = strstr(text, "\nSeccomp_filters:");
    return line ? (int)strtol(line + strlen("\nSeccomp_filters:"), NULL, 10) : -1;
}

bool sandbox_stage_two(struct sandbox *sandbox, struct error *error) {
    if (sandbox->profile == SANDBOX_NONE) return true;
    if (!fatal_watch_again(&sandbox->fatal, error)) return false;
    if (sandbox->seccomp_absent) return true;
    int before = count_filters(sandbox->status_fd);
    if (!policy_load(sandbox->policy, POLICY_WORK, error)) return false;
    int after = count_filters(sandbox->status_fd);
    if (before >= 0 && after != before + 1)
        return error_set(error, "the second filter of system calls is not there (%d filters before, %d after)", before,
                         after);
    sandbox->seccomp_stage = 2;
    if (sandbox->status_fd >= 0) close(sandbox->status_fd);
    sandbox->status_fd = -1;
    return true;
}

static bool say_missing(cJSON *list, const char *text) {
    cJSON *item = cJSON_CreateString(text);
    if (item && cJSON_AddItemToArray(list, item)) return true;
    cJSON_Delete(item);
    return false;
}

static bool describe_missing(const struct sandbox *sandbox, cJSON *list) {
    if (sandbox->profile == SANDBOX_NONE) return say_missing(list, "all of it: the sandbox is switched off");
    bool ok = true;
    if (ok && sandbox->landlock_abi == 0)
        ok = say_missing(list, "Landlock: this kernel doesn't have it or has it switched off (it needs Linux 5.13 and "
                               "\"landlock\" in its list of security modules)");
    if (ok && sandbox->seccomp_absent) ok = say_missing(list, "seccomp: this kernel has no filters of system calls");
    return ok;
}

cJSON *sandbox_describe(const struct sandbox *sandbox) {
    static const char *const names[] = {"full", "none"};
    cJSON *out = cJSON_CreateObject();
    cJSON *missing = NULL;
    if (out && cJSON_AddStringToObject(out, "profile", names[sandbox->profile]) &&
        cJSON_AddNumberToObject(out, "landlock_abi", sandbox->landlock_abi) &&
        cJSON_AddNumberToObject(out, "seccomp", sandbox->seccomp_stage) &&
        cJSON_AddBoolToObject(out, "no_new_privs", sandbox->no_new_privs) &&
        cJSON_AddBoolToObject(out, "rlimits", sandbox->rlimits) && (missing = cJSON_AddArrayToObject(out, "missing")) &&
        describe_missing(sandbox, missing))
        return out;
    cJSON_Delete(out);
    return NULL;
}

bool sandbox_profile_named(const char *name, enum sandbox_profile *profile) {
    if (strcmp(name, "full") == 0)
        *profile = SANDBOX_FULL;
    else if (strcmp(name, "none") == 0)
        *profile = SANDBOX_NONE;
    else
        return false;
    return true;
}

void sandbox_free(struct sandbox *sandbox) {
    if (!sandbox) return;
    fatal_forget();
    if (sandbox->status_fd >= 0) close(sandbox->status_fd);
    free(sandbox);
}
