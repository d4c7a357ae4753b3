/* A made catalogue of realistic shape: sounds with copies, results, history, failures, tags and embeddings, all of them functions
 * of a number, so that every run sees the same. */
#ifndef SONDE_BENCH_MADE_H
#define SONDE_BENCH_MADE_H

#include "engine/base/error.h"
#include "engine/catalogue/catalogue.h"

#include <stdbool.h>
#include <stdint.h>

#define MADE_REGIONS 3  /* of each sound */
#define MADE_COPIES  20 /* one sound in so many has a second file */
#define MADE_PLUGINS 5

extern const char *const made_plugins[MADE_PLUGINS];
extern const char *const made_schemas[MADE_PLUGINS];

/* The path of file `n` (from 1). */
void made_path(int64_t n, char out[200]);

/* What plugin `i` says of region `r` (from 1, MADE_REGIONS to a sound), as JSON. */
void made_result(int i, int64_t r, char out[4096]);

/* Fills the empty catalogue at `path` with `sounds` sounds, by statements over whole tables: some 20 times as fast as the engine
 * would. Afterwards it is as if a writer had closed it. */
bool made_fill(const char *path, int64_t sounds, struct error *error);

#endif
