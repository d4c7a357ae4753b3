/* A worker with plugins in it, talked to one step at a time: for whoever tries plugins instead of analysing files.
 *
 * The worker is the real one (sonde-check-worker: the same program with a malloc that counts), its sandbox is that of
 * production. Every function waits until the worker has answered, died, or was killed at its deadline, running the loop
 * meanwhile. Loop thread. */
#ifndef SONDE_CHECK_SESSION_H
#define SONDE_CHECK_SESSION_H

#include "engine/base/error.h"
#include "engine/base/hash.h"
#include "engine/check/sound.h"
#include "engine/ipc/run_folder.h"
#include "engine/supervise/blame.h"

#include <cjson/cJSON.h>
#include <uv.h>

/* What all sessions share. */
struct desk {
    uv_loop_t loop;
    struct run_folder folder;
    char *binary; /* of the worker */
    uint64_t workers;
    int64_t jobs;
    uint64_t memory_limit, cpu_limit;           /* of a worker: bytes, s */
    double hello_deadline, load_deadline;       /* s */
    double run_deadline, run_deadline_a_second; /* s: of a region, and for each second of it */
};

/* False with a sentence; desk_close in any case. Takes `binary`; the limits are the caller's to fill in. */
bool desk_open(struct desk *desk, char *binary, struct error *error);
void desk_close(struct desk *desk);

struct session_spec {
    const cJSON *libraries; /* of the protocol's settings */
    uint32_t block_frames;  /* 0: the host's choice */
    bool twins;
    const char *guard;  /* of the protocol; NULL: none */
    bool one_processor; /* the worker may use but one */
};

struct session;

/* Starts a worker and waits until it is ready or dead. NULL only when there is no memory or no socket. */
struct session *session_open(struct desk *desk, const struct session_spec *spec, struct error *error);

/* Whether it can take jobs. */
bool session_is_ready(const struct session *session);

/* How it died, once it isn't ready. */
const struct blame *session_blame(const struct session *session);

/* The `library` message about the `index`th library of the settings, or NULL: it never came. */
const cJSON *session_library(const struct session *session, size_t index);

/* Threads of its process now; 0: unknown. */
unsigned session_threads(const struct session *session);

/* An array that a result brought, or that is given to a plugin. */
struct session_array {
    cJSON *facts; /* name, dtype, shape, unit, hop, start */
    int fd;       /* sealed, or -1: it has no values */
};

/* What one plugin said about one region. */
struct answer {
    char outcome[16]; /* schema/outcomes.md; "" before anything came */
    char reason[500];
    char phase[32]; /* when the worker died: where in the plugin */
    bool died;      /* the worker did */
    cJSON *json;    /* NULL unless ok */
    char *text;     /* the same as text; NULL unless ok */
    struct session_array *arrays;
    size_t arrays_count;
    char digest[HASH_TEXT]; /* of outcome, JSON and arrays */
    double cpu_us;          /* of the plugin, including what it makes the host do */
    int64_t peak_bytes;
    cJSON *measured; /* of `analysed`; NULL: none came */
};

void answer_clear(struct answer *answer);

/* A result of another plugin, as an entry of `inputs`. */
struct session_input {
    char *interface, *provider;
    int major;
    struct answer answer;
};

struct session_job {
    const struct sound *sound;
    const char *plugins[16]; /* the first is the one that is measured; in order of preference */
    size_t plugins_count;
    const struct session_input *inputs;
    size_t inputs_count;
    double start;       /* s from the start of the file */
    int64_t stop_after; /* frames after which the region is abandoned; 0: never */
    bool ragged;        /* handed over in many pieces of all sizes, instead of a few: each begins a new block */
    const cJSON *facts; /* what the region's description says otherwise than usual, by the protocol; NULL: nothing */
};

/* Has a region analysed; `answers`: one for each plugin, which the caller clears. When the region is abandoned nothing is
 * answered but `measured`. False: the worker was dead already, or memory is short (`error`). A worker that dies
 * meanwhile is an answer. */
bool session_run(struct session *session, const struct session_job *job, struct answer *answers, struct error *error);

/* Has everything destroyed and unloaded. True: it came back. */
bool session_unload(struct session *session);

/* Ends the worker. NULL is fine. */
void session_close(struct session *session);

#endif
