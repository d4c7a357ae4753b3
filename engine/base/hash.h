/* XXH3-128 of bytes, as 32 lower-case hex digits: the name of contents, audio, libraries and identities. Any thread. */
#ifndef SONDE_BASE_HASH_H
#define SONDE_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HASH_TEXT 33 /* 32 digits and the zero */

/* A hash under way. */
struct hash;

struct hash *hash_new(void); /* NULL: out of memory */
void hash_add(struct hash *hash, const void *data, size_t n);
/* Adds a string with its length, so that ("ab","c") and ("a","bc") differ. NULL counts as something of its own. */
void hash_add_text(struct hash *hash, const char *text);
/* Writes the digits; the hash can go on. */
void hash_text(const struct hash *hash, char out[HASH_TEXT]);
void hash_free(struct hash *hash); /* NULL is fine */

/* Of one block of memory. */
void hash_bytes(const void *data, size_t n, char out[HASH_TEXT]);

/* 64 bits of it (XXH3), for tables in memory; another hash for each `seed`. */
uint64_t hash_number(const void *data, size_t n, uint64_t seed);

/* Whether `s` is 32 lower-case hex digits. */
bool hash_is_text(const char *s);

#endif
