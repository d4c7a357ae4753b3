/* What makes a result what it is (DESIGN, "Identity of a result"): two results of one identity are equal. Any thread. */
#ifndef SONDE_SCHEDULE_IDENTITY_H
#define SONDE_SCHEDULE_IDENTITY_H

#include "engine/base/hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The audio of a region, and how it was come by. */
struct identity_region {
    const char *audio_hash, *decoder, *decoder_version, *segmenter;
    const char *host;                           /* version of the worker's DSP */
    int64_t start, end, sound_start, sound_end; /* frames */
    uint32_t index, regions, part, parts;
};

/* What a plugin read of others: the identity of one result, or an empty text for none. */
struct identity_input {
    const char *interface, *identity;
};

/* Both: false when out of memory. */
bool identity_of_region(const struct identity_region *region, char out[HASH_TEXT]);
bool identity_of_result(const char *region, const char *plugin_base, const struct identity_input *inputs, size_t count,
                        char out[HASH_TEXT]);

#endif
