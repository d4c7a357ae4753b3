/* One life of one worker process: spawning, handshake, messages, deadlines, death.
 *
 * The channel listens before the process exists. The exit callback alone says that a worker is dead; silence, a closed
 * connection or a passed deadline only lead to a kill (through a pidfd, so never of a stranger). All that a life holds (the
 * process, its socket, its listener, two memory files, a pipe, a descriptor pair) is given back after `died`.
 * Loop thread only. */
#ifndef SONDE_SUPERVISE_WORKER_H
#define SONDE_SUPERVISE_WORKER_H

#include "engine/base/error.h"
#include "engine/ipc/descriptors.h"
#include "engine/ipc/message.h"
#include "engine/ipc/note.h"

#include <cjson/cJSON.h>
#include <uv.h>

#define WORKER_STDERR_BYTES 8192              /* what is kept of it: the end */
#define WORKER_STDERR_FLOOD ((size_t)4 << 20) /* beyond this, between two jobs, nothing more is read */

struct worker;

/* Why the engine killed a worker. */
enum worker_kill {
    WORKER_NOT_KILLED = 0,
    WORKER_KILL_DEADLINE,
    WORKER_KILL_PROTOCOL, /* it said something that makes no sense, or closed its connection */
    WORKER_KILL_SILENT,   /* no hello in time */
    WORKER_KILL_UNWANTED, /* its job was dropped, or the engine ends */
    WORKER_KILL_STARVED,  /* the system had no memory for what was to be sent to it */
};

/* Everything there is to know about a death. */
struct worker_death {
    bool asked;              /* it was told to quit */
    enum worker_kill kill;   /* the engine killed it */
    const char *kill_reason; /* a sentence, with kill */
    bool spawned;            /* false: it never was a process; `last_words` says why */
    bool said_hello, was_ready;
    int64_t exit_code;
    int signal; /* 0: it exited */
    struct note_copy note;
    const char *last_words; /* the end of its stderr, clean UTF-8, may be "" */
    double lived;           /* s */
};

/* `hello`, `message`: owned by the worker, valid during the call. Inside any of them, everything below may be called. */
struct worker_events {
    void (*hello)(struct worker *worker, const cJSON *message); /* may be NULL */
    void (*ready)(struct worker *worker, const cJSON *message);
    void (*message)(struct worker *worker, const char *type, cJSON *message); /* any other than hello and ready */
    void (*died)(struct worker *worker, const struct worker_death *death);    /* the last one; then it is freed */
};

struct worker_spec {
    uv_loop_t *loop;
    const char *binary;                   /* of sonde-worker, absolute */
    const char *role;                     /* "decode", "analyse", "probe" */
    const char *folder;                   /* private, for its socket */
    const cJSON *settings;                /* of the protocol, without `worker` and `engine_pid` */
    double hello_deadline, load_deadline; /* s: from spawn to hello, from hello to ready */
    const struct worker_events *events;
    void *context;
};

/* Starts a worker; `number` is unique. A failure to spawn comes as `died`, later. NULL: no memory, descriptors or socket. */
struct worker *worker_start(const struct worker_spec *spec, uint64_t number, struct error *error);

void *worker_context(const struct worker *worker);
uint64_t worker_number(const struct worker *worker);
pid_t worker_pid(const struct worker *worker);
bool worker_is_ready(const struct worker *worker);
/* Whether it can take messages: not dead, not killed, not told to quit. */
bool worker_is_usable(const struct worker *worker);

/* Sends; when that can't be done the worker is dying, or is killed (WORKER_KILL_PROTOCOL, or _STARVED when it is the system
 * that has no room): `died` follows. */
bool worker_send(struct worker *worker, const cJSON *message);
bool worker_send_descriptor(struct worker *worker, const struct descriptor_packet *packet, int fd);

/* It must be cleared or set anew within `seconds`, or the worker is killed: "did not WHAT within N s". `stall` (s, 0: none):
 * the note must move at least that often. `what` must stay valid. */
void worker_set_deadline(struct worker *worker, double seconds, double stall, const char *what);
void worker_clear_deadline(struct worker *worker);

/* Copies `bytes` at `offset` of the out area; NULL when they don't lie in it, or out of memory. Caller frees. */
void *worker_read_out(const struct worker *worker, uint64_t offset, uint64_t bytes);
/* Gives the pages of the out area back. Between jobs. */
void worker_clear_out(struct worker *worker);

/* Private memory it holds now (bytes, from /proc), 0 when unknown. */
uint64_t worker_memory(const struct worker *worker);

void worker_quit(struct worker *worker); /* asks it to end, and sees to it after 2 s */
void worker_kill(struct worker *worker, enum worker_kill why, const char *sentence);
/* Kills it for having said what makes no sense: "broken protocol: SENTENCE". */
void worker_break_protocol(struct worker *worker, const char *sentence);

#endif
