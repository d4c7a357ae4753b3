/* The circuit breaker of one plugin. It counts deaths of workers that the plugin caused, nothing else. Pure: times are given,
 * in seconds.
 *
 * closed --(deaths on at least 5 distinct contents, and in at least 20 % of the last 50 jobs)--> open
 * open --(10 minutes)--> half-open: one job may try --(it survives)--> closed, or --(it dies)--> open again
 *
 * A trial that tells nothing (its worker was killed from outside, its file was given up) makes room for another one. */
#ifndef SONDE_SUPERVISE_BREAKER_H
#define SONDE_SUPERVISE_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#define BREAKER_JOBS      50
#define BREAKER_CONTENTS  5
#define BREAKER_SHARE     0.20
#define BREAKER_COOL_DOWN 600.0

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

/* All zero: closed, nothing known. */
struct breaker {
    enum breaker_state state;
    double cool_down;                /* s; 0: BREAKER_COOL_DOWN. Survives breaker_reset */
    double opened;                   /* when */
    bool trying;                     /* half-open: the one job is under way; others wait for what it tells */
    uint64_t contents[BREAKER_JOBS]; /* of the last jobs that died; 0: the job survived */
    unsigned next, count;
};

/* Whether a job may run now. */
bool breaker_allows(struct breaker *breaker, double now);
/* A job begins. True when it is the trial: then breaker_note or breaker_give_up must follow. */
bool breaker_begin(struct breaker *breaker);
/* The trial has ended without an answer. */
void breaker_give_up(struct breaker *breaker);
/* The job is over. `content` (not 0) tells contents apart. True when this opened the circuit. */
bool breaker_note(struct breaker *breaker, bool died, uint64_t content, double now);
void breaker_reset(struct breaker *breaker);

#endif
