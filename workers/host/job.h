/* One `analyse` message, understood: the region, who runs, and the inputs with their arrays mapped.
 *
 * The engine is believed as far as it goes, but everything that memory safety depends on is checked: a mistake ends in a
 * sentence. One thread. */
#ifndef SONDE_HOST_JOB_H
#define SONDE_HOST_JOB_H

#include "workers/host/host.h"
#include "workers/worker.h"

#include <cjson/cJSON.h>

/* A sealed memfd with one array. */
struct job_mapping {
    uint64_t serial;
    void *data;
    size_t bytes;
};

struct job {
    int64_t number, nonce;
    cJSON *message; /* owned: texts and JSON of the inputs lie in it */
    sonde_region_t region;
    sonde_loop_t *loops;
    const struct host_plugin **run;
    size_t run_count;
    struct host_input *inputs;
    size_t inputs_count;
    struct job_mapping *mappings;
    size_t mappings_count;
    int64_t next_frame; /* of the file: where the next PCM must start */
};

/* Reads `message`, which the job owns from now on, and receives the descriptors of its arrays. False with a sentence: the
 * protocol is broken. Call job_close in any case. */
bool job_open(struct job *job, struct worker *worker, const struct host *host, cJSON *message, struct error *error);
void job_close(struct job *job);

/* Whether a message is about this job and attempt. */
bool job_is(const struct job *job, const cJSON *message);

#endif
