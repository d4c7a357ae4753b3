/* `sonde plugin check`: everything that can be found out about a plugin library without knowing what it is for.
 *
 * The file is read first, then loaded in sandboxed workers and tried on test audio. plugins/checks.md lists the checks.
 * Loop thread: it runs loops of its own. */
#ifndef SONDE_CHECK_CHECK_H
#define SONDE_CHECK_CHECK_H

#include "engine/base/error.h"
#include "engine/check/report.h"

#include <stdint.h>

struct check_library {
    const char *path;      /* absolute */
    const char *resources; /* NULL: none */
};

struct check_options {
    const char *worker;                                        /* path of sonde-check-worker */
    int level;                                                 /* 1 to CHECK_LEVELS: checks up to it are made */
    bool bundled;                                              /* plain names are allowed to it */
    uint64_t memory_limit, cpu_limit;                          /* of a worker: bytes, s */
    double load_deadline, run_deadline, run_deadline_a_second; /* s */
    const struct check_library *others; /* libraries that may provide what it needs, in order of preference */
    size_t others_count;
    const struct check_library *before; /* an earlier version of what is checked; NULL: not to be compared with any */
    uint32_t seed;                      /* of the parameters that are set at random */
};

/* Checks one library; `report` gets what was found, and is the caller's to clear. False with a sentence when no check
 * could be made: no workers, no memory. */
bool check_run(const struct check_options *options, const struct check_library *library, struct report *report,
               struct error *error);

#endif
