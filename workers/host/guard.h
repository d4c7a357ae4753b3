/* Blocks in memory of their own with pages around it that nobody may touch, for `sonde plugin check`: a plugin that reads or
 * writes where nothing was given to it, or keeps a block longer than its call, ends there and then. One thread. */
#ifndef SONDE_HOST_GUARD_H
#define SONDE_HOST_GUARD_H

#include "sonde/plugin.h"

#include <stddef.h>

enum guard_side {
    GUARD_NONE,
    GUARD_BEFORE, /* what comes before the first value is out of bounds */
    GUARD_AFTER,  /* what comes after the last one is; up to 15 floats, which the alignment asks for, are NaN instead */
};

struct guard {
    enum guard_side side;
    sonde_block_t block; /* the copy */
    char *memory;        /* all of it, pages between included; NULL: none */
    size_t bytes;
};

/* "before", "after"; anything else: none. */
enum guard_side guard_side_of(const char *name);

/* A copy of the block, guarded; the block itself without a side or when memory is short. Valid until guard_take, in which
 * the copy becomes untouchable: it isn't given back before the next one is there, so that both can't lie in one place. */
const sonde_block_t *guard_give(struct guard *guard, const sonde_block_t *block);
void guard_take(struct guard *guard);

void guard_close(struct guard *guard);

#endif
