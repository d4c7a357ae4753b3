/* Users' words (edits and tags, not automatic ones) when the same bytes have become another audio: decoders differ, and
 * the next version of one may make other samples of a file. The connection's thread, in a transaction. */
#ifndef SONDE_CATALOGUE_WORDS_H
#define SONDE_CATALOGUE_WORDS_H

#include "engine/catalogue/catalogue.h"

#include <stdint.h>

/* Gives the audio `to` the words that `from` has, on the same stretches of time. Of two edits of the same stretch and
 * field the later stands. Anchors, summaries and search are the caller's. */
bool words_copy(struct catalogue *catalogue, int64_t from, int64_t to, struct error *error);

/* A content was `from` and is `to` now, with its regions: its words come along, and stay with `from` only while another
 * content is that. Anchors, summaries and search are brought up to date. */
bool words_follow(struct catalogue *catalogue, int64_t from, int64_t to, struct error *error);

#endif
