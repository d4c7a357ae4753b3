/* Time spent, in nanoseconds. */
#ifndef SONDE_HOST_CLOCK_H
#define SONDE_HOST_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* CPU time of the calling thread. */
static inline int64_t clock_cpu_ns(void) {
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static inline int64_t clock_wall_ns(void) {
    return clock_ns(CLOCK_MONOTONIC);
}

#endif
