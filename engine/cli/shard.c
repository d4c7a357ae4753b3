#include "engine/cli/shard.h"

#include "engine/base/hash.h"

#include <stdlib.h>
#include <string.h>

#define MOST 100000

bool shard_parse(const char *text, struct shard *shard, struct error *error) {
    char *slash = NULL, *end = NULL;
    long number = strtol(text, &slash, 10), count = *slash == '/' ? strtol(slash + 1, &end, 10) : 0;
    if (slash == text || !end || end == slash + 1 || *end || number < 1 || count < number || count > MOST)
        return error_set(error, "--shard %s: should be I/N, such as 1/4, 2/4, 3/4 and 4/4 on four machines", text);
    *shard = (struct shard){(uint32_t)number, (uint32_t)count};
    return true;
}

bool shard_has(const struct shard *shard, const char *path) {
    char hash[HASH_TEXT];
    if (shard->count == 0) return true;
    hash_bytes(path, strlen(path), hash);
    hash[15] = '\0'; /* 60 bits are plenty, and fit */
    return strtoull(hash, NULL, 16) % shard->count == shard->number - 1;
}
