/* Learns what libraries hold, by having them loaded in sandboxed probe workers.
 *
 * All bundled libraries share one probe, each third-party one has its own. When a shared probe dies, its libraries are probed
 * one by one, so that the culprit alone is refused. What an earlier run learnt of the very same files is taken from the cache;
 * one probe runs in any case, to see what the sandbox is like here. Returns when all is known; loop thread (it runs the
 * loop). */
#ifndef SONDE_SCHEDULE_PROBE_H
#define SONDE_SCHEDULE_PROBE_H

#include "engine/schedule/probe_cache.h"
#include "engine/schedule/registry.h"

#include <uv.h>

struct probe_spec {
    uv_loop_t *loop;
    const char *binary, *folder;
    const cJSON *settings; /* of the protocol, without libraries and read_paths */
    const cJSON *params;   /* {plugin id: {parameter id: value}} or NULL */
    double hello_deadline, load_deadline;
    uint64_t memory_limit;
    uint64_t *numbers;
    bool allow_weak_sandbox;
    const struct probe_cache *cache; /* NULL: none */
    const bool *cancelled; /* set from a callback of the loop: give up, the answer isn't wanted; NULL: never */
};

/* What a probe said of itself and its sandbox. */
struct probe_report {
    size_t asked;             /* libraries that had to be loaded, the others were known */
    char *sandbox;            /* JSON object of the last ready (or hello); NULL: none came */
    char build[128], dsp[32]; /* version of the workers, and of what they give to plugins */
    bool weak;                /* a layer is missing */
    char missing[200];        /* which */
};

/* Fills the registry. False: no probe could be started at all, or cancelled. The caller frees report->sandbox with cJSON_free. */
bool probe_libraries(const struct probe_spec *spec, struct registry *registry, struct probe_report *report,
                     struct error *error);

/* Puts into `settings` (an object) a group's libraries and what its workers may read. Takes `libraries`. */
bool probe_add_libraries(cJSON *settings, cJSON *libraries);

#endif
