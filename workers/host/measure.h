/* What `sonde plugin check` wants to know beyond results: the `measured` members of schema/protocol.md. A worker whose
 * settings don't say `measure` does none of this. One thread. */
#ifndef SONDE_HOST_MEASURE_H
#define SONDE_HOST_MEASURE_H

#include "workers/host/guard.h"
#include "workers/host/host.h"

#define MEASURE_SIGNALS 65
#define MEASURE_PLANES  64

struct measure {
    bool on;
    struct host *host;
    /* The process before the first library: */
    uintptr_t handlers[MEASURE_SIGNALS];
    char locale[256];
    uint64_t environ_hash;
    /* The job: */
    bool in_process;
    uint64_t calls, allocations, allocations_before, lines;
    uint64_t given[MEASURE_PLANES]; /* hashes of what a block holds */
    bool modified;
    struct guard guard;
};

/* Before any library is loaded. */
void measure_open(struct measure *measure, const cJSON *settings, struct host *host);

/* What hooks of the host tell. */
void measure_enter(struct measure *measure, enum host_phase phase);
void measure_leave(struct measure *measure);
const sonde_block_t *measure_give(struct measure *measure, const sonde_block_t *block); /* as the hooks of host.h */
void measure_take(struct measure *measure, const sonde_block_t *given);
void measure_line(struct measure *measure);

/* Adds `measured` to a `library` message; `cpu_ns`: what loading it took. Tries what no library should accept. True when
 * not measuring; false: out of memory. */
bool measure_add_library(struct measure *measure, cJSON *message, const struct library *library, int64_t cpu_ns);

/* Adds `measured` to an `analysed` message, and starts anew. `result`: of the job's first plugin, or NULL when it was
 * cancelled. */
bool measure_add_job(struct measure *measure, cJSON *message, const struct host_result *result);

#endif
