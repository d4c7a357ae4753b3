/* Automatic tags: the words that plugins found for a sound (label, content, classes, kind ...), as rows of the table
 * tags. The connection's thread, in a transaction. */
#ifndef SONDE_CATALOGUE_AUTOTAGS_H
#define SONDE_CATALOGUE_AUTOTAGS_H

#include "engine/catalogue/catalogue.h"

#include <cjson/cJSON.h>

/* Replaces the automatic tags of an audio by those of its summary. `origins` has, for each value's name, the id of the
 * plugin that made it, or "user". A word that a user has given as a tag stays the user's. What users call the sound, or one of
 * its regions (edits), is among them too, with the source "user", unless a plugin has heard just that. */
bool autotags_update(struct catalogue *catalogue, int64_t audio, const cJSON *summary, const cJSON *origins,
                     struct error *error);

#endif
