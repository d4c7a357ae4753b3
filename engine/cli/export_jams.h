/* `sonde export --jams`: what is known of a sound as a JAMS document (JSON Annotated Music Specification, Humphrey et al.,
 * "JAMS: a JSON annotated music specification for reproducible MIR research", ISMIR 2014; schema of version 0.3):
 *
 *     file_metadata     title (the file's name where it has none), artist, release, duration, jams_version; identifiers:
 *                       path, audio_hash, bytes_hash
 *     annotations       one for each plugin and namespace: beat (value: 1, 2, 3 ... in the bar), tempo, key_mode, chord,
 *                       segment_open (content timeline; classifier), and tag_open (users' and automatic tags). A user's
 *                       correction of tempo, key or label is an annotation of its own, with data_source "user"
 *
 * Times are seconds from the start of the file. One thread. */
#ifndef SONDE_CLI_EXPORT_JAMS_H
#define SONDE_CLI_EXPORT_JAMS_H

#include "engine/catalogue/catalogue.h"

#include <stdint.h>
#include <stdio.h>

/* Prints the document on one line; `region` is not 0: with the annotations of this region alone. Nothing when the file has
 * left the catalogue. */
bool export_jams_print(FILE *out, struct catalogue *catalogue, int64_t file, int64_t region, struct error *error);

#endif
