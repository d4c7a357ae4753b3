#include "engine/base/hash.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* The state needs 64-byte alignment, which XXH3_createState takes care of; `struct hash` is that state by another name. */
static XXH3_state_t *state_of(const struct hash *hash) {
    return (XXH3_state_t *)(uintptr_t)hash;
}

struct hash *hash_new(void) {
    XXH3_state_t *state = XXH3_createState();
    if (!state) return NULL;
    if (XXH3_128bits_reset(state) != XXH_OK) {
        XXH3_freeState(state);
        return NULL;
    }
    return (struct hash *)state;
}

void hash_add(struct hash *hash, const void *data, size_t n) {
    if (n > 0) (void)XXH3_128bits_update(state_of(hash), data, n); /* fails for NULL data only */
}

void hash_add_text(struct hash *hash, const char *text) {
    uint64_t length = text ? strlen(text) : UINT64_MAX;
    unsigned char prefix[8];
    for (int i = 0; i < 8; i++) prefix[i] = (unsigned char)(length >> (8 * i));
    hash_add(hash, prefix, sizeof prefix);
    if (text) hash_add(hash, text, strlen(text));
}

static void write_digits(XXH128_hash_t value, char out[HASH_TEXT]) {
    static const char digits[] = "0123456789abcdef";
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, value);
    for (size_t i = 0; i < sizeof canonical.digest; i++) {
        out[2 * i] = digits[canonical.digest[i] >> 4];
        out[2 * i + 1] = digits[canonical.digest[i] & 15];
    }
    out[HASH_TEXT - 1] = '\0';
}

void hash_text(const struct hash *hash, char out[HASH_TEXT]) {
    write_digits(XXH3_128bits_digest(state_of(hash)), out);
}

void hash_free(struct hash *hash) {
    if (hash) (void)XXH3_freeState(state_of(hash));
}

void hash_bytes(const void *data, size_t n, char out[HASH_TEXT]) {
    write_digits(XXH3_128bits(data, n), out);
}

uint64_t hash_number(const void *data, size_t n, uint64_t seed) {
    return XXH3_64bits_withSeed(data, n, seed);
}

bool hash_is_text(const char *s) {
    return s && strlen(s) == HASH_TEXT - 1 && strspn(s, "0123456789abcdef") == HASH_TEXT - 1;
}
