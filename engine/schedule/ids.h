/* A set of ids (any but 0): files that somebody waits for, or that a sweep has seen. One thread at a time. */
#ifndef SONDE_SCHEDULE_IDS_H
#define SONDE_SCHEDULE_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero: empty. */
struct ids {
    int64_t *slots; /* open addressing; 0: free */
    size_t room, count;
};

/* False: out of memory. Adding twice is fine. */
bool ids_add(struct ids *ids, int64_t id);
bool ids_has(const struct ids *ids, int64_t id);
/* Whether it was there. */
bool ids_remove(struct ids *ids, int64_t id);
void ids_clear(struct ids *ids); /* frees */

#endif
