/* Keeping a catalogue small and safe: what `sonde catalogue backup`, `vacuum`, `prune` and `recover` do. One thread;
 * but for upkeep_backup, the catalogue must be open for writing and nobody else's. */
#ifndef SONDE_CATALOGUE_UPKEEP_H
#define SONDE_CATALOGUE_UPKEEP_H

#include "engine/catalogue/catalogue.h"

#include <stdbool.h>
#include <stdint.h>

/* A consistent copy in a new file, also while somebody writes. False when the file exists. */
bool upkeep_backup(struct catalogue *catalogue, const char *to, struct error *error);

/* Gives the room of what was deleted back to the file system. */
bool upkeep_vacuum(struct catalogue *catalogue, struct error *error);

struct upkeep_pruned {
    int64_t results;  /* of the history */
    int64_t regions;  /* of older segmentations */
    int64_t contents; /* that no file has any more */
    int64_t audio;    /* that no content has any more, and no user's word hangs on */
    int64_t files;    /* missing ones */
};

/* Deletes history: results that were replaced, older segmentations, contents and audio that no file has any more (but
 * for audio that a user has said something about). With `missing`, rows of missing files first. In one transaction. */
bool upkeep_prune(struct catalogue *catalogue, bool missing, struct upkeep_pruned *pruned, struct error *error);

struct upkeep_recovered {
    int64_t rows;   /* copied */
    int64_t lost;   /* rows that hung on something that is gone */
    int64_t queued; /* files that wait to be looked at (again) */
    int tables;     /* that were damaged */
};

/* Copies what can be read of the damaged catalogue at `path` into a new catalogue at `to`, leaves out what refers to
 * nothing, and computes summaries and search anew. Files whose results are not whole are queued: all that had been
 * analysed, where results may be lost that nothing tells of. `path` is only read. */
bool upkeep_recover(const char *path, const char *to, struct upkeep_recovered *recovered, struct error *error);

#endif
