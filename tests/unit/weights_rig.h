/* Makes weights files in memory, for tests of what reads them. */
#ifndef SONDE_TESTS_WEIGHTS_RIG_H
#define SONDE_TESTS_WEIGHTS_RIG_H

#include "features/weights.h"

#include <stddef.h>
#include <stdint.h>

struct weights_rig {
    const char *kind;
    uint32_t architecture, version;
    uint64_t parent;
    struct weights_entry entries[64];
    const void *data[64];
    uint32_t count;
};

/* Adds a tensor; the values are kept by reference. */
void weights_rig_add(struct weights_rig *rig, const char *name, const float *values, uint32_t d0, uint32_t d1);
void weights_rig_add_text(struct weights_rig *rig, const char *name, const char *text);

/* The file, 64-byte aligned; the caller frees. */
uint8_t *weights_rig_make(const struct weights_rig *rig, uint64_t *size);

/* After changing bytes behind the header: makes the hash fit again. */
void weights_rig_rehash(uint8_t *file, uint64_t size);

/* A reproducible number in -1..1. */
float weights_rig_random(uint32_t *state);

#endif
