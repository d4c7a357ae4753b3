/* Users' words: corrected tempo, key and label, and tags. They hang on the audio and win over what plugins say; every
 * change brings summaries and search up to date with it. The connection's thread, in a transaction. */
#ifndef SONDE_CATALOGUE_EDIT_H
#define SONDE_CATALOGUE_EDIT_H

#include "engine/catalogue/catalogue.h"

#include <stdint.h>

/* What is spoken of: an audio, or the stretch of one of its current regions. */
struct edit_place {
    int64_t audio;
    int64_t region; /* 0: the whole audio */
};

#define EDIT_NONE "none" /* the value of a sound without tempo, key or label */

/* Sets `field` (bpm, key or label); NULL takes the user's word back. Tempo is 10 to 999; a key in any spelling of
 * keys.h is stored as keys_name has it. False with a sentence when the field or the value isn't one. */
bool edit_set(struct catalogue *catalogue, const struct edit_place *place, const char *field, const char *value,
              struct error *error);

/* The same from "FIELD=VALUE"; nothing behind the "=" takes the user's word back. */
bool edit_set_word(struct catalogue *catalogue, const struct edit_place *place, const char *word, struct error *error);

/* Whether edit_set_word could, and edit_tag: of the words alone. False with a sentence. */
bool edit_check_word(const char *word, struct error *error);
bool edit_check_tag(const char *name, struct error *error);

/* Adds a tag (any text on one line, up to 100 bytes); giving it twice changes nothing. */
bool edit_tag(struct catalogue *catalogue, const struct edit_place *place, const char *name, struct error *error);

/* Takes a user's tag away; *removed says whether there was one. */
bool edit_untag(struct catalogue *catalogue, const struct edit_place *place, const char *name, bool *removed,
                struct error *error);

#endif
