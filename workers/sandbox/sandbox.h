/* The way of a worker into its sandbox, one step after the other. The order matters:
 *
 *   sandbox_enter      die with the parent; nothing inherited but what was meant; resource limits; capabilities gone;
 * last words (fatal.h); Landlock (landlock.h), which binds only threads that start later (the caller opens its line to
 * the engine, which starts NNG's threads: seccomp before that would kill it) sandbox_stage_one  seccomp on all threads:
 * libraries can still be loaded (policy.h) (libraries are loaded and initialised) sandbox_stage_two  seccomp on all
 * threads, and a check that both filters are really there
 *
 * A layer that this system lacks is reported in the description, and the engine decides what that means. A layer that
 * is there and fails is an error: the worker must end. Main thread only. */
#ifndef SONDE_SANDBOX_SANDBOX_H
#define SONDE_SANDBOX_SANDBOX_H

#include "engine/base/error.h"
#include "engine/ipc/note.h"

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum sandbox_profile {
    SANDBOX_FULL,
    SANDBOX_NONE /* a developer's switch: dies with its parent, and that is all */
};

struct sandbox_options {
    enum sandbox_profile profile;
    bool decoder;                  /* may write into the memory that it is handed */
    int64_t file_limit;            /* bytes: how far into that memory, 0 if it is handed none */
    pid_t engine;                  /* the parent it must have */
    int landlock_abi_max;          /* 0: the best there is */
    int64_t memory_limit;          /* bytes of private memory, 0: none */
    int64_t cpu_limit;             /* seconds of CPU, 0: none */
    int keep_descriptors;          /* 0 up to this one stay open */
    const char *const *read_paths; /* what can be read while loading, besides the system's libraries */
    size_t read_path_count;
};

struct sandbox;

/* NULL on failure. `note` gets the last words. */
struct sandbox *sandbox_enter(const struct sandbox_options *options, struct note *note, struct error *error);
bool sandbox_stage_one(struct sandbox *sandbox, struct error *error);
bool sandbox_stage_two(struct sandbox *sandbox, struct error *error);

/* {profile, landlock_abi, seccomp: stages loaded, no_new_privs, rlimits, missing: [sentences]}, as in hello and ready;
 * NULL when out of memory. */
cJSON *sandbox_describe(const struct sandbox *sandbox);

/* The profile of a name ("full", "none"); false for any other. */
bool sandbox_profile_named(const char *name, enum sandbox_profile *profile);

void sandbox_free(struct sandbox *sandbox); /* only the book-keeping: there is no way out of the sandbox */

#endif
