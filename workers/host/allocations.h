/* Counting of memory allocations, for `sonde plugin check`. The program that checks is linked with allocations.c, whose
 * malloc counts; the one that works with allocations_none.c, which counts nothing. */
#ifndef SONDE_HOST_ALLOCATIONS_H
#define SONDE_HOST_ALLOCATIONS_H

#include <stdbool.h>
#include <stdint.h>

/* Whether this program counts. */
bool allocations_are_counted(void);

/* Blocks that the calling thread has asked for since it began (malloc, calloc, realloc and their kin). */
uint64_t allocations_made(void);

/* Bytes that are allocated now, by all threads. */
int64_t allocations_held(void);

#endif
