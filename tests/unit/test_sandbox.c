/* The sandbox, tried: a real worker attempts everything that is forbidden, under each Landlock ABI, and without. */
#include "engine/base/json.h"
#include "engine/base/sanitizer.h"
#include "engine/ipc/trials.h"
#include "tests/unit/worker_rig.h"
#include "workers/sandbox/fatal.h"
#include "workers/sandbox/landlock.h"
#include "workers/sandbox/policy.h"
#include "workers/sandbox/sandbox.h"
#include "workers/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

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
        {"over", "mmap"},
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

/* Whether a call through the 32-bit gate kills a program outside any sandbox, too. */
static bool has_no_gate(void) {
#if defined(__x86_64__)
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        long value;
        signal(SIGSEGV, SIG_DFL);
        __asm__ volatile("int $0x80" : "=a"(value) : "a"(20L) : "memory", "r8", "r9", "r10", "r11");
        _exit(value > 0 ? 0 : 1);
    }
    return child > 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
#else
    return false;
#endif
}

static void check_violation(struct rig *rig, const struct trial *trial) {
    rig_wait_exit(rig);
    if (trial->absent && rig->signal == trial->absent && has_no_gate()) return;
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
    check_all_trials(0);
}

static void everything_is_stopped_with_landlock_abi_1(void **state) {
    (void)state;
    check_all_trials(1);
}

static void everything_is_stopped_with_landlock_abi_2(void **state) {
    (void)state;
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

/* ------------------------------------------------------------------------------------------------- what is reported */

static void check_description(cJSON *message, int abi, int stage) {
    const cJSON *sandbox = json_member(message, "sandbox");
    assert_string_equal(json_string(sandbox, "profile", ""), "full");
    assert_int_equal(json_integer(sandbox, "landlock_abi", -1), abi);
    assert_int_equal(json_integer(sandbox, "seccomp", -1), stage);
    assert_true(json_bool(sandbox, "no_new_privs", false));
    assert_true(json_bool(sandbox, "rlimits", false));
    assert_int_equal(cJSON_GetArraySize(json_member(sandbox, "missing")), abi == 0);
    cJSON_Delete(message);
}

static void hello_and_ready_describe_the_layers(void **state) {
    (void)state;
    int best = landlock_abi(0);
    for (int max = 0; max <= 2; max++) {
        int abi = max > 0 && max < best ? max : best;
        struct rig rig;
        rig_start(&rig, "probe", "\"landlock_abi_max\":%d", max);
        cJSON *hello = rig_receive(&rig, "hello");
        assert_non_null(hello);
        assert_int_equal(json_integer(hello, "pid", 0), rig.process.pid);
        assert_string_equal(json_string(hello, "role", ""), "probe");
        assert_string_equal(json_string(hello, "dsp", ""), WORKER_DSP);
        check_description(hello, abi, 1);
        check_description(rig_receive(&rig, "ready"), abi, 2);
        rig_stop(&rig);
    }
}

static void check_refusal(const char *role, const char *settings, const char *sentence) {
    struct rig rig;
    rig_start(&rig, role, "%s", settings);
    rig_wait_exit(&rig);
    for (int i = 0; i < 100 && !strchr(rig.text, '\n'); i++) uv_run(&rig.loop, UV_RUN_NOWAIT);
    if (rig.exit_code != WORKER_EXIT_NO_RESPAWN || !strstr(rig.text, sentence))
        fail_msg("exit %d, signal %d, printed: %s", (int)rig.exit_code, rig.signal, rig.text);
    rig_stop(&rig);
}

static void hopeless_settings_end_with_the_reason_and_code_64(void **state) {
    (void)state;
    check_refusal("probe", "\"profile\":\"weak\"", "without a sandbox profile");
    check_refusal("probe", "\"memory_limit\":1000000", "less than");
    check_refusal("probe", "\"x\":{", "JSON");
    check_refusal("dance", "\"x\":1", "started by sonde");
    check_refusal("probe", "\"engine_pid\":1", "twice"); /* the rig has said its own before */
}

/* Each attempt is one that nothing stops without a sandbox: so what stops it elsewhere is the sandbox. */
static void without_a_sandbox_nothing_is_stopped(void **state) {
    (void)state;
    static const char *const free_ones[] = {"open",     "stat",   "list",    "write",     "unlink", "chmod",
                                            "truncate", "fork",   "thread",  "kill",      "owner",  "execmem",
                                            "protect",  "shared", "memfd",   "growsdown", "memory", "handler",
                                            "filter",   "limits", "connect", "orphan",    "over"};
    struct rig rig;
    rig_start(&rig, "probe", "\"profile\":\"none\"");
    cJSON *hello = rig_receive(&rig, "hello");
    if (!hello) fail_msg("%s", rig.text);
    assert_int_equal(cJSON_GetArraySize(json_member(json_member(hello, "sandbox"), "missing")), 1);
    cJSON_Delete(hello);
    cJSON_Delete(rig_receive(&rig, "ready"));
    for (size_t i = 0; i < sizeof free_ones / sizeof *free_ones; i++) {
        if (SANITIZED && strcmp(free_ones[i], "over") == 0) continue; /* see trials.c */
        rig_send(&rig, "{\"type\":\"try\",\"what\":\"%s\"}", free_ones[i]);
        cJSON *tried = rig_receive(&rig, "tried");
        if (!tried || strcmp(json_string(tried, "by", ""), "nothing") != 0)
            fail_msg("%s: %s", free_ones[i], tried ? json_string(tried, "by", "?") : "the worker died");
        cJSON_Delete(tried);
    }
    rig_send(&rig, "{\"type\":\"try\",\"what\":\"dance\"}");
    cJSON *tried = rig_receive(&rig, "tried");
    assert_string_equal(json_string(tried, "by", ""), "unknown");
    cJSON_Delete(tried);
    rig_send(&rig, "{\"type\":\"try\",\"what\":\"exec\"}"); /* becomes another program, and ends without an answer */
    assert_null(rig_receive(&rig, "tried"));
    rig_wait_exit(&rig);
    assert_int_equal(rig.signal, 0);
    rig_stop(&rig);
}

static void descriptors_of_the_engine_do_not_reach_a_worker(void **state) {
    (void)state;
    int leaky = open("/proc/self/exe", O_RDONLY); /* not close-on-exec, on purpose */
    assert_true(leaky >= 0);
    int high = fcntl(leaky, F_DUPFD, 200);
    struct rig rig;
    char path[64];
    start_probe(&rig, 0);
    for (int fd = 0; fd < 256; fd++) {
        char target[256] = "";
        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)rig.process.pid, fd);
        if (readlink(path, target, sizeof target - 1) > 0 && strstr(target, "test_sandbox"))
            fail_msg("descriptor %d is %s", fd, target);
    }
    rig_stop(&rig);
    close(leaky), close(high);
}

static void a_worker_starts_within_the_least_memory(void **state) {
    (void)state;
    struct rig rig;
    rig_start(&rig, "analyse", "\"memory_limit\":%d", 64 << 20);
    cJSON *hello = rig_receive(&rig, "hello");
    if (!hello) fail_msg("%s", rig.text);
    cJSON_Delete(hello);
    cJSON_Delete(rig_receive(&rig, "ready"));
    rig_stop(&rig);
}

static bool is_alive(pid_t pid) {
    char path[64], state = 'X';
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (!file) return false;
    if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1) state = 'X';
    fclose(file);
    return state != 'Z' && state != 'X';
}

/* An engine in a process of its own, which is then killed the hard way. */
static void a_worker_dies_with_its_engine(void **state) {
    (void)state;
    int pipes[2];
    pid_t worker = 0;
    assert_int_equal(pipe(pipes), 0);
    pid_t engine = vfork();
    assert_true(engine >= 0);
    if (engine == 0) {
        char number[16];
        snprintf(number, sizeof number, "%d", pipes[1]);
        execl("/proc/self/exe", "test_sandbox", number, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(read(pipes[0], &worker, sizeof worker), sizeof worker);
    assert_true(worker > 0 && is_alive(worker));
    kill(engine, SIGKILL);
    waitpid(engine, NULL, 0);
    for (int i = 0; i < 200 && is_alive(worker); i++) usleep(10000);
    assert_false(is_alive(worker));
    close(pipes[0]), close(pipes[1]);
}

static int be_engine(int pipe) {
    struct rig rig;
    start_probe(&rig, 0);
    pid_t pid = rig.process.pid;
    if (write(pipe, &pid, sizeof pid) != sizeof pid) return 1;
    pause();
    return 0;
}

/* ---------------------------------------------------------------------------------- its parts, in children of this test */

/* Runs `task` in a child that watches itself; its status, and what it noted. */
static int in_child(void (*task)(void), struct note_copy *copy) {
    struct note_reader reader;
    struct error error;
    int status;
    if (!note_open(&reader, &error)) fail_msg("%s", error.text);
    pid_t child = fork();
    if (child == 0) {
        static struct fatal fatal;
        struct note *note = note_map(reader.fd, &error);
        if (!note || !fatal_watch(&fatal, note, &error)) _exit(99);
        note_set(note, 5, "org.example.test", NOTE_PROCESS);
        task();
        _exit(0);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    note_read(&reader, copy);
    note_close(&reader);
    return status;
}

static void write_to_nowhere(void) {
    *(volatile int *)(uintptr_t)0x1230 = 1;
}

static volatile unsigned depth_wanted = UINT_MAX;
static unsigned overflow(unsigned depth) {
    volatile char block[4096];
    block[depth % 4096] = (char)depth;
    if (depth == depth_wanted) return depth;
    return overflow(depth + 1) + (unsigned)block[0]; /* not a tail call */
}

static void overflow_the_stack(void) {
    overflow(0);
}

static void divide_by_nothing(void) {
    raise(SIGFPE);
}

static void abort_now(void) {
    abort();
}

static void crashes_leave_last_words(void **state) {
    (void)state;
    static const struct {
        void (*task)(void);
        int signal;
    } cases[] = {
        {write_to_nowhere, SIGSEGV}, {overflow_the_stack, SIGSEGV}, {divide_by_nothing, SIGFPE}, {abort_now, SIGABRT}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct note_copy copy;
        int status = in_child(cases[i].task, &copy);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), cases[i].signal);
        assert_int_equal(copy.died, cases[i].signal);
        assert_true(copy.frame_count > 0 && copy.data_bytes > 0);
        assert_int_equal(copy.job, 5);
        bool named = false;
        for (uint32_t k = 0; k < copy.frame_count; k++) named |= copy.frames[k].offset != 0;
        assert_true(named);
        if (i == 0) assert_int_equal(copy.fault_address, 0x1230);
    }
}

static void enter_stage(enum policy_kind kind, enum policy_stage stage) {
    struct error error;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || !policy_load(kind, stage, &error)) _exit(98);
}

static void *answer_back(void *context) {
    return context;
}

static void what_loading_needs(void) {
    enter_stage(POLICY_ANALYSER, POLICY_LOAD);
    pthread_t thread;
    int fd = open("/proc/self/exe", O_RDONLY);
    void *code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    struct sigaction action = {.sa_handler = SIG_IGN};
    bool ok = fd >= 0 && code != MAP_FAILED && pthread_create(&thread, NULL, answer_back, NULL) == 0 &&
              pthread_join(thread, NULL) == 0 && sigaction(SIGUSR1, &action, NULL) == 0 &&
              prctl(PR_SET_NAME, "loading", 0, 0, 0) == 0;
    _exit(ok ? 0 : 1);
}

static void write_while_loading(void) {
    enter_stage(POLICY_ANALYSER, POLICY_LOAD);
    _exit(open("/tmp/sonde-test-never", O_WRONLY | O_CREAT, 0600) >= 0);
}

static void catch_while_loading(void) {
    enter_stage(POLICY_ANALYSER, POLICY_LOAD);
    signal(SIGSYS, SIG_IGN);
}

static void truncate_by_reading(void) {
    enter_stage(POLICY_ANALYSER, POLICY_LOAD);
    _exit(open("/tmp/sonde-test-never", O_RDONLY | O_TRUNC) >= 0);
}

static void loading_is_possible_and_bounded(void **state) {
    (void)state;
    struct note_copy copy;
    int status = in_child(what_loading_needs, &copy);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) fail_msg("status %d, call %d", status, (int)copy.forbidden);
    static void (*const tasks[])(void) = {write_while_loading, catch_while_loading, truncate_by_reading};
    static const char *const calls[] = {"openat", "rt_sigaction", "openat"};
    for (size_t i = 0; i < 3; i++) {
        char call[64];
        status = in_child(tasks[i], &copy);
        note_system_call_name(&copy, call, sizeof call);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS || strcmp(call, calls[i]) != 0)
            fail_msg("%zu: status %d, call %s", i, status, call);
    }
}

/* The upper half of an int argument is no way around: the kernel ignores it, and so does the filter. */
static void kill_with_high_bits(void) {
    enter_stage(POLICY_ANALYSER, POLICY_WORK);
    syscall(SYS_kill, (long)getppid() | (long)0x500000000, 0);
}

static void limits_by_aligned_pointer(void) {
    void *page = mmap((void *)0x500000000, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                      0);
    if (page == MAP_FAILED) _exit(97);
    enter_stage(POLICY_ANALYSER, POLICY_WORK);
    syscall(SYS_prlimit64, 0, RLIMIT_CORE, page, NULL); /* the low half of this address is zero */
}

static void filters_see_arguments_as_the_kernel_does(void **state) {
    (void)state;
    struct note_copy copy;
    int status = in_child(kill_with_high_bits, &copy);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
    status = in_child(limits_by_aligned_pointer, &copy);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

/* Memory that others see, and a memory file that is handed over to be filled. */
static int shared_file(void) {
    int fd = memfd_create("test", MFD_CLOEXEC);
    return fd >= 0 && ftruncate(fd, 4096) == 0 ? fd : -1;
}

static void map_to_write(enum policy_kind kind) {
    int fd = shared_file();
    if (fd < 0) _exit(97);
    enter_stage(kind, POLICY_WORK);
    if (mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED) _exit(96);
    (void)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    _exit(0);
}

static void map_to_write_by_analyser(void) {
    map_to_write(POLICY_ANALYSER);
}

static void map_to_write_by_decoder(void) {
    map_to_write(POLICY_DECODER);
}

static void fill(enum policy_kind kind) {
    int fd = shared_file();
    if (fd < 0) _exit(97);
    enter_stage(kind, POLICY_WORK);
    _exit(pwrite(fd, "x", 1, 0) != 1);
}

static void fill_by_analyser(void) {
    fill(POLICY_ANALYSER);
}

static void fill_by_decoder(void) {
    fill(POLICY_DECODER);
}

/* Nobody maps shared memory to write to it; the decoder, and only the decoder, fills what it is given by calls. */
static void shared_memory_is_only_read(void **state) {
    (void)state;
    static void (*const refused[])(void) = {map_to_write_by_analyser, map_to_write_by_decoder, fill_by_analyser};
    static const char *const calls[] = {"mmap", "mmap", "pwrite64"};
    struct note_copy copy;
    for (size_t i = 0; i < 3; i++) {
        char call[64];
        int status = in_child(refused[i], &copy);
        note_system_call_name(&copy, call, sizeof call);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS || strcmp(call, calls[i]) != 0)
            fail_msg("%zu: status %d, call %s", i, status, call);
    }
    int status = in_child(fill_by_decoder, &copy);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* What a hostile constructor could do: a filter of its own that answers "done" to the one who loads the second stage. */
static bool load_lying_filter(void) {
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    return filter && seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0) == 0 &&
           seccomp_rule_add(filter, SCMP_ACT_ERRNO(0), SCMP_SYS(seccomp), 0) == 0 && seccomp_load(filter) == 0;
}

static void be_lied_to(void) {
    struct note_reader reader;
    struct error error = {0};
    if (!note_open(&reader, &error)) _exit(95);
    struct note *note = note_map(reader.fd, &error);
    const struct sandbox_options options = {
        .profile = SANDBOX_FULL, .engine = getppid(), .keep_descriptors = reader.fd};
    struct sandbox *sandbox = note ? sandbox_enter(&options, note, &error) : NULL;
    if (!sandbox || !sandbox_stage_one(sandbox, &error)) _exit(96);
    if (!load_lying_filter()) _exit(94);
    _exit(sandbox_stage_two(sandbox, &error) ? 1 : 0);
}

static atomic_int filter_loaded;
static void *stay_with_own_filter(void *context) {
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (filter && seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0) == 0 &&
        seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(mlock), 0) == 0 && seccomp_load(filter) == 0)
        atomic_store(&filter_loaded, 1);
    for (;;) usleep(1000);
    return context;
}

static void meet_a_thread_with_its_own_filter(void) {
    pthread_t thread;
    struct error error;
    enter_stage(POLICY_ANALYSER, POLICY_LOAD);
    if (pthread_create(&thread, NULL, stay_with_own_filter, NULL) != 0) _exit(93);
    while (atomic_load(&filter_loaded) == 0) usleep(1000);
    _exit(policy_load(POLICY_ANALYSER, POLICY_WORK, &error) ? 1 : 0);
}

static void a_second_stage_that_is_not_there_is_noticed(void **state) {
    (void)state;
    struct note_copy copy;
    assert_int_equal(in_child(be_lied_to, &copy), 0);
    assert_int_equal(in_child(meet_a_thread_with_its_own_filter, &copy), 0);
}

int main(int argc, char **argv) {
    if (argc == 2) return be_engine(atoi(argv[1]));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quit_ends_a_worker_with_exit_code_0),
        cmocka_unit_test(hello_and_ready_describe_the_layers),
        cmocka_unit_test(hopeless_settings_end_with_the_reason_and_code_64),
        cmocka_unit_test(without_a_sandbox_nothing_is_stopped),
        cmocka_unit_test(descriptors_of_the_engine_do_not_reach_a_worker),
        cmocka_unit_test(a_worker_dies_with_its_engine),
        cmocka_unit_test(everything_is_stopped_with_the_best_landlock),
        cmocka_unit_test(everything_is_stopped_with_landlock_abi_1),
        cmocka_unit_test(everything_is_stopped_with_landlock_abi_2),
        cmocka_unit_test(a_worker_starts_within_the_least_memory),
        cmocka_unit_test(crashes_leave_last_words),
        cmocka_unit_test(filters_see_arguments_as_the_kernel_does),
        cmocka_unit_test(shared_memory_is_only_read),
#if !SANITIZED_THREADS /* their children start threads, which ThreadSanitizer can't bear after a fork */
        cmocka_unit_test(loading_is_possible_and_bounded),
        cmocka_unit_test(a_second_stage_that_is_not_there_is_noticed),
#endif
    };
    return cmocka_run_group_tests_name("sandbox", tests, NULL, NULL);
}
