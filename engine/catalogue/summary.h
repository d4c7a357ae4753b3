/* The summary of an audio: the values of its regions and of the whole, by the rules of the enabled plugins' schemas,
 * with users' words over them (tables audio_summary and region_summary). The connection's thread, in a transaction.
 *
 * When several plugins make a value of the same name, the first that has one for this audio counts: bundled ones first,
 * then by id. Only the columns' values (bpm, key, label) can be edited by users. A user's word on the whole audio sets
 * the file's value, and its region's where it has but one; a word on a stretch sets the value of the region it is
 * anchored to, and the file's where it has but one. Among several regions it stands in the place of what plugins say of its
 * own, and counts by their rules (the value's source is then still the plugin). What a user said has confidence 1. */
#ifndef SONDE_CATALOGUE_SUMMARY_H
#define SONDE_CATALOGUE_SUMMARY_H

#include "engine/catalogue/catalogue.h"

/* Computes and stores the summary of an audio and of its current regions. */
bool summary_update(struct catalogue *catalogue, int64_t audio, struct error *error);

/* Removes what is stored of regions that are no longer current: goes with making them so. */
bool summary_forget(struct catalogue *catalogue, int64_t audio, struct error *error);

/* Computes it again and compares: *same is false when what is stored differs. Works on a reading connection. */
bool summary_verify(struct catalogue *catalogue, int64_t audio, bool *same, struct error *error);

/* The table plugins changed: the rules are read again before the next summary. */
void summary_rules_changed(struct catalogue *catalogue);

#endif
