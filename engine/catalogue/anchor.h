/* Where users' words on stretches of sound (edits and tags) are anchored. The connection's thread, in a transaction. */
#ifndef SONDE_CATALOGUE_ANCHOR_H
#define SONDE_CATALOGUE_ANCHOR_H

#include "engine/catalogue/catalogue.h"

/* After a new segmentation of an audio: every edit and tag of a stretch goes to the current region that overlaps most
 * with the stretch it was made for (the earliest of equals), or becomes unanchored (region_id NULL) when none does. */
bool anchor_update(struct catalogue *catalogue, int64_t audio, struct error *error);

#endif
