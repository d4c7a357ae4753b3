/* Last words: what a worker writes into its note when a signal ends it.
 *
 * A forbidden system call (SIGSYS) leaves its number; a crash leaves the signal, the address, the memory in use and the
 * return addresses. Then the process dies of that same signal, so that the engine sees the true cause in its status. */
#ifndef SONDE_SANDBOX_FATAL_H
#define SONDE_SANDBOX_FATAL_H

#include "engine/base/error.h"
#include "engine/ipc/note.h"

struct fatal {
    struct note *note;
    int memory_fd; /* /proc/self/statm, opened while files can be; -1: none */
    uint64_t
        shadow_bytes; /* private memory that a sanitizer takes before the program begins: no part of what is in use */
    void *stack;      /* the handlers' own, so that a stack overflow can be told */
};

/* Prepares `fatal`, which must outlive the process's work, and installs the handlers for the calling (main) thread.
 * Call it before files are closed off. There is one per process: handlers know nothing else. */
bool fatal_watch(struct fatal *fatal, struct note *note, struct error *error);

/* Installs the handlers again, as a library may have replaced them while it loaded. */
bool fatal_watch_again(struct fatal *fatal, struct error *error);

/* The handlers write nothing any more: `fatal` is about to go. */
void fatal_forget(void);

#endif
