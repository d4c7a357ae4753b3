/* The sandbox, tried: a real worker attempts everything that is forbidden, under each Landlock ABI, and without. */
#include "engine/base/json.h"
#include "engine/ipc/trials.h"
#include "tests/unit/worker_rig.h"
#include "workers/sandbox/landlock.h"
#include "workers/sandbox/sanitizer.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void start_probe(struct rig *rig, int abi_max) {
    rig_start(rig, "probe", "\"landlock_abi_max\":%d,\"memory_limit\":%d", abi_max, 256 << 20);
    cJSON *hello = rig_receive(rig, "hello");
    if (!hello) fail_msg("no hello: %s", rig->text);
    cJSON_Delete(hello);
    cJSON *ready = rig_receive(rig, "ready");
    if (!ready) fail_msg("no ready: %s", rig->text);
    cJSON_Delete(ready);
}

/* The calls that a violation is recorded under, where more than one name would be right. */
static bool is_call_of(const char *trial, const char *call) {
    static const char *const calls[][3] = {
        {"write", "openat", "open"},
        {"unlink", "unlink", "unlinkat"},
        {"chmod", "chmod", "fchmodat"},
        {"truncate", "truncate"},
        {"exec", "execve"},
        {"fork", "clone"},
        {"thread", NOTE_UNRECORDED},
        {"kill", "kill"},
        {"killall", "kill"},
        {"owner", "fcntl"},
        {"ptrace", "ptrace"},
        {"peek", "process_vm_readv"},
        {"execmem", "mmap"},
        {"protect", "mprotect"},
        {"shared", "mmap"},
        {"memfd", "memfd_create"},
        {"growsdown", "mmap"},
        {"handler", "rt_sigaction"},
        {"orphan", "prctl"},
        {"filter", "seccomp"},
        {"limits", "prlimit64", "setrlimit"},
        {"priority", "setpriority"},
        {"mount", "mount"},
        {"keyring", "keyctl"},
        {"io_uring", "io_uring_setup"},
        {"bpf", "bpf"},
        {"userfaultfd", "userfaultfd"},
        {"foreign", "foreign system call 20"},
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (strcmp(calls[i][0], trial) == 0)
            return strcmp(calls[i][1], call) == 0 || (calls[i][2] && strcmp(calls[i][2], call) == 0);
    return false;
}

static void check_violation(struct rig *rig, const struct trial *trial) {
    rig_wait_exit(rig);
    struct note_copy note;
    char call[64];
    note_read(&rig->note, &note);
    note_system_call_name(&note, call, sizeof call);
    if (rig->signal != SIGSYS || !is_call_of(trial->name, call))
        fail_msg("%s: signal %d, exit %d, recorded %s; printed %s", trial->name, rig->signal, (int)rig->exit_code, call,
                 rig->text);
}

static void check_all_trials(int abi_max) {
    struct rig rig;
    bool running = false;
    for (size_t i = 0; i < trial_count; i++) {
        const struct trial *trial = &trials[i];
#if !defined(__x86_64__)
        if (strcmp(trial->name, "foreign") == 0) continue; /* there is no second gate */
#endif
        if (!running) start_probe(&rig, abi_max);
        running = true;
        rig_send(&rig, "{\"type\":\"try\",\"what\":\"%s\"}", trial->name);
        cJSON *tried = rig_receive(&rig, "tried");
        if (strcmp(trial->fate, "violation") == 0) {
            if (tried) fail_msg("%s was answered: stopped by %s", trial->name, json_string(tried, "by", "?"));
            check_violation(&rig, trial);
            rig_stop(&rig);
            running = false;
            continue;
        }
        if (!tried) fail_msg("%s killed the worker (signal %d)", trial->name, rig.signal);
        if (!json_bool(tried, "stopped", false) || strcmp(json_string(tried, "by", ""), trial->fate) != 0)
            fail_msg("%s: stopped by %s, not %s", trial->name, json_string(tried, "by", "?"), trial->fate);
        cJSON_Delete(tried);
    }
    if (running) rig_stop(&rig);
}

static void everything_is_stopped_with_the_best_landlock(void **state) {
    (void)state;
    if (SANITIZED) skip();
    check_all_trials(0);
}

static void everything_is_stopped_with_landlock_abi_1(void **state) {
    (void)state;
    if (SANITIZED) skip();
    check_all_trials(1);
}

static void everything_is_stopped_with_landlock_abi_2(void **state) {
    (void)state;
    if (SANITIZED) skip();
    check_all_trials(2);
}

static void quit_ends_a_worker_with_exit_code_0(void **state) {
    (void)state;
    struct rig rig;
    start_probe(&rig, 0);
    rig_send(&rig, "{\"type\":\"quit\"}");
    rig_wait_exit(&rig);
    assert_int_equal(rig.exit_code, 0);
    assert_int_equal(rig.signal, 0);
    rig_stop(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quit_ends_a_worker_with_exit_code_0),
        cmocka_unit_test(everything_is_stopped_with_the_best_landlock),
        cmocka_unit_test(everything_is_stopped_with_landlock_abi_1),
        cmocka_unit_test(everything_is_stopped_with_landlock_abi_2),
    };
    return cmocka_run_group_tests_name("sandbox", tests, NULL, NULL);
}
