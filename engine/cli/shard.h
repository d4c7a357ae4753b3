/* A share of the files, for machines that divide the work: `--shard 2/4`. Which share a file is in depends on the bytes of its
 * path alone, so every machine that sees the same paths agrees without asking. Pure functions; any thread. */
#ifndef SONDE_CLI_SHARD_H
#define SONDE_CLI_SHARD_H

#include "engine/base/error.h"

#include <stdint.h>

struct shard {
    uint32_t number, count; /* 1 <= number <= count; count 0: everything */
};

/* Reads "2/4". */
bool shard_parse(const char *text, struct shard *shard, struct error *error);

/* Whether the file of this absolute path is in the share. */
bool shard_has(const struct shard *shard, const char *path);

#endif
