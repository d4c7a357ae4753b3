/* Bringing two catalogues together: how analysis spreads over machines. One thread.
 *
 * What belongs together is found by what it is, never by its number: files by their paths, contents and audio by their
 * hashes, regions by their frames, results by their identities. Where both have something of the same name, the newer
 * one stands (file: last analysed; content: last decoded to another audio or other facts; audio: last scanned, with its
 * regions; result, edit, plugin: last made). So the order of merging doesn't matter, and merging the same catalogue
 * twice changes nothing. Users' words of both are kept; an edit that was taken back in one of them comes back from the
 * other. Where two decoders have made two audios of a content, the one that stands has the words on both: all that were
 * known of either by then. Queues, incidents and strikes stay where they are. */
#ifndef SONDE_CATALOGUE_MERGE_H
#define SONDE_CATALOGUE_MERGE_H

#include "engine/catalogue/catalogue.h"

#include <stdint.h>

struct merge_counts {
    int64_t files, contents, audio, regions, results; /* rows that are new, or newer, here */
    int64_t edits, tags;
};

/* Merges the catalogue at `from` (which is only read, and must be of this version) into the open one, in one
 * transaction. */
bool merge_catalogue(struct catalogue *catalogue, const char *from, struct merge_counts *counts, struct error *error);

#endif
