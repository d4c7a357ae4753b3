/* Musical keys as people write them. Pure functions; any thread. */
#ifndef SONDE_CATALOGUE_KEYS_H
#define SONDE_CATALOGUE_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A key's number: 0 to 11 are C, Db, D ... B major; 12 to 23 C, C#, D ... B minor. */
#define KEYS_COUNT 24

/* Reads "A minor", "Am", "a min", "Bbm", "F# major", "F#", "Gb maj", "A moll", "C dur", Camelot "8A", Open Key "1m". A
 * letter alone is major. -1 when it is none of these. */
int keys_parse(const char *text);

/* "A minor", as the bundled key plugin writes it; "Am"; "8A". NULL for numbers that are no key. */
const char *keys_name(int key);
const char *keys_short(int key);
const char *keys_camelot(int key);

/* The keys that mix well with `key`, itself included, as bits: its relative, and the fifths above and below (neighbours
 * on the Camelot wheel). */
uint32_t keys_neighbours(int key);

/* All ways in which this key is spelt as "TONIC MODE" ("Db major", "C# major"): calls back with each. */
void keys_each_spelling(int key, void (*each)(void *context, const char *name), void *context);

#endif
