/* sonde-worker: the process in which everything runs that reads other people's bytes or calls other people's code.
 *
 *     sonde-worker ROLE URL SETTINGS      (schema/protocol.md)
 *
 * Started by the engine only. Everything here happens before a role sees anything of a file or a plugin. */
#include "engine/base/heap.h"
#include "engine/base/json.h"
#include "engine/base/sanitizer.h"
#include "engine/ipc/line.h"
#include "engine/ipc/message.h"
#include "workers/decode/chunks.h"
#include "workers/decode/decoder.h"
#include "workers/host/analyser.h"
#include "workers/sandbox/sandbox.h"
#include "workers/sandbox/trial.h"
#include "workers/worker.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DESCRIPTOR_SOCKET 3
#define DESCRIPTOR_NOTE   4
#define DESCRIPTOR_OUT    5
#define SETTINGS_BYTES    ((size_t)4 << 20)
/* NNG has a dozen threads, and a stack counts as memory in full. A sanitizer keeps its own book on each of them there. */
#define NNG_STACK    ((size_t)(SANITIZED ? 2048 : 128) << 10)
#define PLUGIN_STACK ((size_t)1 << 20) /* of threads that plugins start */

/* Without libraries there is nothing to probe but the sandbox itself. */
static int probe_run(struct worker *worker) {
    return cJSON_GetArraySize(worker->libraries) > 0 ? analyser_run(worker) : trial_run(worker);
}

/* One line a role. What it does: workers/worker.h. */
static const struct {
    const char *name;
    enum worker_role role;
    int (*run)(struct worker *worker);
} roles[] = {
    {"decode", WORKER_DECODE, decoder_run},
    {"analyse", WORKER_ANALYSE, analyser_run},
    {"probe", WORKER_PROBE, probe_run},
};

static bool take_descriptors(struct worker *worker, struct error *error) {
    int type = 0;
    socklen_t size = sizeof type;
    worker->descriptor_socket = DESCRIPTOR_SOCKET;
    if (getsockopt(DESCRIPTOR_SOCKET, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_SEQPACKET)
        return error_set(error, "sonde-worker is started by sonde, and is of no use by itself");
    worker->note = note_map(DESCRIPTOR_NOTE, error);
    worker->out = worker->note ? memfd_map(DESCRIPTOR_OUT, OUT_BYTES, true, error) : NULL;
    worker->out_bytes = OUT_BYTES;
    close(DESCRIPTOR_NOTE);
    close(DESCRIPTOR_OUT);
    return worker->out;
}

static size_t add_path(const char **paths, size_t n, const char *path) {
    if (path && path[0] != '\0') paths[n++] = path;
    return n;
}

/* What may be read while loading: read_paths, and each library with its resources. The caller frees the array. */
static const char **collect_paths(const struct worker *worker, size_t *count) {
    const cJSON *extra = json_member(worker->settings, "read_paths");
    const char **paths = calloc((size_t)(cJSON_GetArraySize(extra) + 2 * cJSON_GetArraySize(worker->libraries) + 1),
                                sizeof *paths);
    size_t n = 0;
    const cJSON *item;
    if (!paths) return NULL;
    cJSON_ArrayForEach(item, extra) n = add_path(paths, n, cJSON_GetStringValue(item));
    cJSON_ArrayForEach(item, worker->libraries) {
        n = add_path(paths, n, json_string(item, "path", NULL));
        n = add_path(paths, n, json_string(item, "resources", NULL));
    }
    *count = n;
    return paths;
}

static bool enter_sandbox(struct worker *worker, struct error *error) {
    struct sandbox_options options = {
        .decoder = worker->role == WORKER_DECODE,
        .file_limit = worker->role == WORKER_DECODE ? (int64_t)CHUNKS_BYTES : 0,
        .engine = (pid_t)json_integer(worker->settings, "engine_pid", 0),
        .landlock_abi_max = (int)json_integer(worker->settings, "landlock_abi_max", 0),
        .memory_limit = worker->memory_limit,
        .cpu_limit = json_integer(worker->settings, "cpu_limit", 0),
        .keep_descriptors = DESCRIPTOR_SOCKET,
    };
    if (!sandbox_profile_named(json_string(worker->settings, "profile", ""), &options.profile))
        return error_set(error, "settings without a sandbox profile (full or none)");
    const char **paths = collect_paths(worker, &options.read_path_count);
    if (!paths) return error_memory(error);
    options.read_paths = paths;
    worker->sandbox = sandbox_enter(&options, worker->note, error);
    free(paths);
    return worker->sandbox;
}

static bool set_thread_stacks(size_t bytes, struct error *error) {
    pthread_attr_t attributes;
    int code = pthread_attr_init(&attributes);
    if (code == 0) {
        code = pthread_attr_setstacksize(&attributes, bytes);
        if (code == 0) code = pthread_setattr_default_np(&attributes);
        pthread_attr_destroy(&attributes);
    }
    return code == 0 || error_system(error, code, "cannot set the size of thread stacks");
}

/* Opens the line: after Landlock, so that NNG's threads are bound by it, and before seccomp, which NNG's start would
 * not survive. */
static bool open_line(struct worker *worker, const char *url, struct error *error) {
    if (!set_thread_stacks(NNG_STACK, error)) return false;
    worker->line = line_dial(url, error);
    return worker->line && set_thread_stacks(PLUGIN_STACK, error);
}

/* From birth to hello. Returns -1 when all is well, or the exit code: a new worker would fare the same unless it was
 * the engine that didn't answer. */
static int start(struct worker *worker, const char *url, struct error *error) {
    worker->libraries = json_member(worker->settings, "libraries");
    worker->block_frames = json_integer(worker->settings, "block_frames", 0);
    worker->memory_limit = json_integer(worker->settings, "memory_limit", 0);
    if (!take_descriptors(worker, error) || !enter_sandbox(worker, error)) return WORKER_EXIT_NO_RESPAWN;
    if (!open_line(worker, url, error)) return 1;
    if (!sandbox_stage_one(worker->sandbox, error)) return WORKER_EXIT_NO_RESPAWN;
    return worker_send_hello(worker, error) ? -1 : 1;
}

/* Only when nobody else needs the processor or the disk; the threads to come inherit it. What the system refuses is not worth
 * more than doing without. */
static void step_back(void) {
    enum { WHO_PROCESS = 1, CLASS_IDLE = 3, CLASS_SHIFT = 13 }; /* linux/ioprio.h, which Debian 12's C library lacks */
    const struct sched_param none = {0};
    (void)setpriority(PRIO_PROCESS, 0, 19);
    (void)sched_setscheduler(0, SCHED_IDLE, &none);
    (void)syscall(SYS_ioprio_set, WHO_PROCESS, 0, CLASS_IDLE << CLASS_SHIFT);
}

/* Somebody wants to see all of it, from before the sandbox. Whoever has stopped doesn't notice that the engine is gone. */
static void stop_for_debugger(const cJSON *settings) {
    bool tied = prctl(PR_SET_PDEATHSIG, SIGKILL) == 0;
    if (tied && getppid() == json_integer(settings, "engine_pid", 0)) raise(SIGSTOP);
}

int main(int argc, char **argv) {
    heap_configure();
    struct worker worker = {0};
    struct error error = {0};
    int (*run)(struct worker *) = NULL;
    for (size_t i = 0; argc == 4 && i < sizeof roles / sizeof *roles; i++)
        if (strcmp(argv[1], roles[i].name) == 0) run = roles[i].run, worker.role = roles[i].role;
    cJSON *settings = run ? json_parse(argv[3], strlen(argv[3]), SETTINGS_BYTES, MESSAGE_DEPTH, &error) : NULL;
    worker.settings = settings;
    int code = WORKER_EXIT_NO_RESPAWN;
    if (json_bool(settings, "debugger", false)) stop_for_debugger(settings);
    if (json_bool(settings, "background", false)) step_back();
    if (!run)
        error_set(&error, "sonde-worker is started by sonde, and is of no use by itself");
    else if (settings)
        code = start(&worker, argv[2], &error);
    if (code < 0) code = run(&worker);
    if (worker.line && line_is_gone(worker.line)) code = WORKER_EXIT_HUNG_UP; /* whatever that made of the work */
    if (error.text[0] != '\0') fprintf(stderr, "sonde-worker: %s\n", error.text);
    line_finish(worker.line);
    /* No exit handlers or destructors: those of plugins are none of ours, and NNG's threads are still there. */
    fflush(NULL);
    _exit(code);
}
