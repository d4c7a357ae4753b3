/* Which system calls a worker may make, as seccomp filters made from one table (policy.c), through libseccomp.
 *
 * Reading, existing and asking get an error number, so that a library that merely looks around goes on; everything else
 * that is forbidden is a violation: the call is trapped (SIGSYS), recorded in the note, and ends the worker. */
#ifndef SONDE_SANDBOX_POLICY_H
#define SONDE_SANDBOX_POLICY_H

#include "engine/base/error.h"

#include <stdint.h>

enum policy_stage {
    POLICY_LOAD = 1, /* stage 1: libraries are loaded, resources read, threads started */
    POLICY_WORK = 2, /* stage 2: audio is seen */
};

enum policy_kind {
    POLICY_DECODER, /* may write into the memory that it is handed */
    POLICY_ANALYSER /* may not */
};

/* Loads the filter on all threads of the process, for good. no_new_privs must be set. `error->code` is ECANCELED when a
 * thread has brought a filter of its own, ENOSYS or EINVAL when the kernel has no seccomp filters. */
bool policy_load(enum policy_kind kind, enum policy_stage stage, struct error *error);

#endif
