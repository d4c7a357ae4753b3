/* Errands: calls into the system that may hang (a dead network share, a sleeping disk), run on threads of their own, each
 * with a deadline. A thread whose errand hangs is given up: it ends by itself if the call ever returns, and another takes
 * its place. All functions: loop thread. */
#ifndef SONDE_ERRANDS_ERRANDS_H
#define SONDE_ERRANDS_ERRANDS_H

#include "engine/base/error.h"

#include <stdbool.h>
#include <uv.h>

struct errands;

struct errand_calls {
    /* On an errand thread. May hang. */
    void (*work)(void *errand);
    /* On the loop thread, once. `returned` is false when the deadline passed: then `work` may still be under way, so only
     * what it doesn't write may be read, and the errand no longer belongs to the loop. Otherwise it does again. */
    void (*done)(void *errand, bool returned);
    /* Frees the errand, on whatever thread, when its work returned after the deadline or errands_free dropped it. */
    void (*drop)(void *errand);
};

/* `threads` errands (1 to 16) run at once; up to 64 hanging ones more are put up with, beyond which new ones fail at once. */
struct errands *errands_new(uv_loop_t *loop, unsigned threads, struct error *error);

/* Hands over an errand. `deadline` (s) counts from its start, not from the time it waits for a thread. False: no memory. */
bool errands_post(struct errands *errands, const struct errand_calls *calls, void *errand, double deadline);

/* Posted and not done. */
size_t errands_pending(const struct errands *errands);

/* Drops what waits or hangs, without calling `done`. The memory goes when the last hanging thread returns; `closed` is
 * called on the loop thread once the loop's handles are. */
void errands_free(struct errands *errands, void (*closed)(void *context), void *context);

#endif
