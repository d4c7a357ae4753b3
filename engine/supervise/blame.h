/* What a worker's death means: its outcome (schema/outcomes.md), in which phase, and in words. Pure.
 *
 * This says what happened, not who is guilty: the note is a hint that a plugin could have written. Guilt is found by
 * running the members of a job alone (engine/schedule/analysis.h). */
#ifndef SONDE_SUPERVISE_BLAME_H
#define SONDE_SUPERVISE_BLAME_H

#include "engine/supervise/worker.h"

struct blame {
    const char *outcome;      /* "crashed", "timeout", "memory", "violation", "failed" */
    bool counts;              /* a cause inside the worker: a strike, when it was alone */
    bool from_outside;        /* somebody else killed it, or broke its connection: neither guilt nor outcome */
    bool starved;             /* from outside as well: the system had no room for what was to be sent to it */
    bool refused;             /* it said that trying again is pointless (a plugin's exit(64) doesn't) */
    bool asked;               /* it ended because the engine wanted it to */
    const char *phase;        /* a note_phase_name; "none" when nobody's code ran */
    char plugin[NOTE_PLUGIN]; /* the hint; "" when none */
    char reason[400];         /* one sentence, with the phase */
};

/* `memory_limit`: bytes, 0 when there is none. */
void blame_judge(const struct worker_death *death, uint64_t memory_limit, struct blame *blame);

/* The incident's `detail`: everything known, as a JSON object. Caller frees with cJSON_Delete; NULL: no memory. */
cJSON *blame_detail(const struct worker_death *death, const struct blame *blame);

/* "SIGSEGV". */
const char *blame_signal_name(int signal);

#endif
