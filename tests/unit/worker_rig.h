/* For tests: one real sonde-worker on a loop of its own, as the engine would start it. */
#ifndef SONDE_TESTS_WORKER_RIG_H
#define SONDE_TESTS_WORKER_RIG_H

#include "engine/ipc/channel.h"
#include "engine/ipc/note.h"
#include "engine/ipc/run_folder.h"

#include <cjson/cJSON.h>
#include <stdint.h>
#include <uv.h>

struct rig {
    uv_loop_t loop;
    uv_process_t process;
    uv_pipe_t output;
    uv_timer_t timer;
    struct run_folder folder;
    struct channel *channel;
    struct note_reader note;
    int out_fd, descriptors; /* the engine's ends */
    char text[8192];         /* what the worker printed */
    size_t text_length;
    cJSON *messages[64]; /* come and not yet taken */
    int first, count;
    struct error problem; /* of the channel */
    bool exited, timed_out;
    int64_t exit_code;
    int signal;
};

/* Starts sonde-worker (its path: environment variable SONDE_WORKER) in `role`. `settings` is a printf format of further
 * members, for example "\"landlock_abi_max\": %d", or "". Fails the test when it can't. */
void rig_start(struct rig *rig, const char *role, const char *settings, ...) __attribute__((format(printf, 3, 4)));

/* The next message, of type `type` (or the test fails; NULL: any type); NULL when the worker has died instead. Caller frees. */
cJSON *rig_receive(struct rig *rig, const char *type);

/* Sends a JSON text. */
void rig_send(struct rig *rig, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Bytes of private memory that the worker has written to, as the system counts its data. */
long rig_data(const struct rig *rig);

/* Fails the test when these have grown by more than 4 MiB since they were `before`. Not under sanitizers, whose quarantine keeps
 * what was freed. */
void rig_expect_flat(const struct rig *rig, long before);

/* Waits until the process has ended. */
void rig_wait_exit(struct rig *rig);

/* Ends the worker if it lives, and everything else. */
void rig_stop(struct rig *rig);

#endif
