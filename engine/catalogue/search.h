/* The words a file can be found by (table search, FTS5). The connection's thread, in a transaction. */
#ifndef SONDE_CATALOGUE_SEARCH_H
#define SONDE_CATALOGUE_SEARCH_H

#include "engine/catalogue/catalogue.h"

/* Brings the words of one file up to date: its path, tags, labels (file and regions) and embedded metadata. */
bool search_update_file(struct catalogue *catalogue, int64_t file, struct error *error);

/* The same for every file with this audio. */
bool search_update_audio(struct catalogue *catalogue, int64_t audio, struct error *error);

#endif
