/* Inside sessions: session.c keeps the worker, session_job.c holds the conversation about one region. */
#ifndef SONDE_CHECK_SESSION_JOB_H
#define SONDE_CHECK_SESSION_JOB_H

#include "engine/check/session.h"
#include "engine/supervise/worker.h"

#include <unistd.h>

struct session {
    struct desk *desk;
    struct worker *worker; /* NULL: dead */
    bool ready, unloaded, no_memory;
    cJSON *libraries;
    struct blame blame;
    /* The job: */
    const struct session_job *job; /* NULL: none */
    struct answer *answers;
    int64_t number;
    uint64_t serial; /* of the last descriptor sent */
    bool consumed, analysed;
};

/* Takes a message about the job. False: it makes no sense. */
bool session_take(struct session *session, const char *type, cJSON *message);

/* Runs the loop until `*done`, or the worker is dead. */
void session_wait(struct session *session, const bool *done);

#endif
