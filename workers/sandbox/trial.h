/* The sandbox tries itself: a probe without libraries attempts what is forbidden, so that `sonde doctor` can show what
 * stops each attempt instead of claiming it.
 *
 * After `ready`, each {"type": "try", "what": NAME} is attempted and answered with {"type": "tried", "what": NAME,
 * "stopped": bool, "by": "EACCES"} - or with the worker's death of SIGSYS and the system call in its note. */
#ifndef SONDE_SANDBOX_TRIAL_H
#define SONDE_SANDBOX_TRIAL_H

#include "workers/worker.h"

/* The role: locks down, then attempts what it is told to. */
int trial_run(struct worker *worker);

#endif
