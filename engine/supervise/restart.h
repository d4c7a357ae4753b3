/* When to start a worker again: back-off for one pool, and how often is too often. Pure: times are given, in seconds. */
#ifndef SONDE_SUPERVISE_RESTART_H
#define SONDE_SUPERVISE_RESTART_H

#include <stdbool.h>
#include <stdint.h>

#define BACKOFF_FIRST 0.1  /* s; doubles ... */
#define BACKOFF_MAX   30.0 /* ... up to this */

/* Failed starts in a row: deaths before the worker was ready. All zero: none. */
struct backoff {
    unsigned failures;
    double not_before; /* no start before this time */
};

/* A start failed. The first time another may be tried at once; then after 0.1 s, 0.2 s, 0.4 s ... 30 s, each spread by
 * `random` (0 to 1) over 75 % to 125 %, so that pools don't start in step. */
void backoff_failed(struct backoff *backoff, double now, double random);
/* A worker got ready: all is well again. */
void backoff_succeeded(struct backoff *backoff);
/* Seconds until a start is allowed; 0: now. */
double backoff_wait(const struct backoff *backoff, double now);

#define INTENSITY_EVENTS 64

/* At most `limit` (1 to 64) events within any `period` seconds. */
struct intensity {
    unsigned limit;
    double period;
    double times[INTENSITY_EVENTS];
    uint64_t count;
};

/* Notes an event; true when there have now been more than `limit` within `period`. */
bool intensity_exceeded(struct intensity *intensity, double now);

#endif
