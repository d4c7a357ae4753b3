/* What a probe worker is told to attempt, so that `sonde doctor` and the tests can see what stops it
 * (workers/sandbox/trial.h). Each is harmless where nothing stops it. */
#ifndef SONDE_IPC_TRIALS_H
#define SONDE_IPC_TRIALS_H

#include <stddef.h>

struct trial {
    const char *name;  /* what the message says */
    const char *title; /* for people: "read a file" */
    const char *fate;  /* under the full profile: "EACCES", "EPERM", "ENOMEM" ..., or "violation" */
    int absent;        /* the signal that it dies of where the system has no such thing at all; 0: all have it */
};

extern const struct trial trials[];
extern const size_t trial_count;

#endif
