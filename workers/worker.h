/* What every worker is made of: its settings, its line to the engine, and the steps into the sandbox.
 *
 * main() makes one `struct worker`, and runs its role:
 *
 *     int decoder_run(struct worker *worker);    workers/decode/decoder.h      sonde-worker decode
 *     int analyser_run(struct worker *worker);   workers/host/analyser.h       sonde-worker analyse, sonde-worker probe
 *
 * When a role starts, hello has been sent and stage 1 of the sandbox stands: files below the settings' paths and the
 * system's libraries can be read, nothing written, nothing executed, no socket opened. A role then
 *
 *     1. loads and creates what it needs (plugins; tables that libraries make at first use),
 *     2. worker_lock_down, then worker_send_ready,
 *     3. serves messages until worker_receive returns NULL,
 *
 * and returns the process's exit code: 0, WORKER_EXIT_NO_RESPAWN, or 1. After lock-down there are no files, no new
 * threads, no executable memory; see workers/sandbox/policy.c for what each system call does then. (fstat through the C
 * library is EACCES: sizes come with the descriptors.) One thread: the main one. */
#ifndef SONDE_WORKERS_WORKER_H
#define SONDE_WORKERS_WORKER_H

#include "engine/base/error.h"
#include "engine/ipc/descriptors.h"
#include "engine/ipc/memfd.h"
#include "engine/ipc/message.h"
#include "engine/ipc/note.h"

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

/* Version of what a worker makes of a file's samples before a plugin sees them: resampling, channels, spectra. Whoever changes
 * one of these values changes it: results that were made under another are stale. (Decoders and the segmenter have versions
 * of their own; the release's number says nothing about results.) */
#define WORKER_DSP "0.1.0"

enum worker_role { WORKER_DECODE, WORKER_ANALYSE, WORKER_PROBE };

struct line;
struct sandbox;

struct worker {
    enum worker_role role;
    const cJSON *settings;  /* the SETTINGS object (schema/protocol.md), already parsed; owned by main */
    const cJSON *libraries; /* its "libraries" array, or NULL */
    int64_t block_frames;   /* 0: the host's choice */
    int64_t memory_limit;   /* bytes, 0: none */
    struct note *note;
    uint8_t *out;     /* the out area, zeroed by the engine between jobs */
    size_t out_bytes; /* OUT_BYTES */

    /* Behind the functions below. */
    int descriptor_socket;
    struct line *line;
    struct sandbox *sandbox;
};

/* The next message, which the caller frees with cJSON_Delete; waits for ever. NULL: leave your loop and return 0, for
 * the engine said `quit` or is gone. */
cJSON *worker_receive(struct worker *worker);

/* As worker_receive, but doesn't wait: NULL with `*leave` false when there is no message yet. For looking out for
 * `cancel` in the middle of work (about 1 us). */
cJSON *worker_poll(struct worker *worker, bool *leave);

/* Sends a message and frees it; NULL (out of memory) is fine. False: it could not be sent. The engine is gone, or the
 * message is longer than 2 MiB, or there is no memory; `error` says which (EPIPE, EMSGSIZE, ENOMEM), and may be NULL.
 */
bool worker_send(struct worker *worker, cJSON *message, struct error *error);

/* The descriptor that the engine sent before the message at hand: they come in order. Waits at most 10 seconds. The
 * caller closes `out->fd`, and checks that the packet's kind, job and serial are what it expects. */
bool worker_receive_descriptor(struct worker *worker, struct descriptor *out, struct error *error);

/* Says in the note what comes next. `plugin` may be NULL. Call it before every call into someone else's code. */
void worker_note_phase(struct worker *worker, uint64_t job, const char *plugin, enum note_phase phase);

/* Stage 2 of the sandbox, on all threads. False: it could not be had, the worker must end with WORKER_EXIT_NO_RESPAWN
 * without having seen any audio (the sentence is for stderr). */
bool worker_lock_down(struct worker *worker, struct error *error);

/* Sends `ready`; with the names and versions of `decoders` (an array, taken over), where it is a decoder. */
bool worker_send_ready(struct worker *worker, struct cJSON *decoders, struct error *error);

/* Sends `hello`; main does it. */
bool worker_send_hello(struct worker *worker, struct error *error);

#endif
