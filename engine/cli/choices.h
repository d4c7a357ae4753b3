/* What the user has chosen about plugins with `sonde plugin enable, disable and rank`.
 *
 * Choices are configuration, and are kept beside it: for sonde.ini in sonde.plugins.ini, an ini file that only sonde writes, so
 * that the file people write keeps their order and comments. They outlive catalogues, and every catalogue follows them.
 *
 *     [disabled]
 *     org.example.loud = yes
 *     [rank]
 *     key/1 = org.example.key key
 *
 * A file is replaced in one step (of a link, the one that it leads to); changes of two programs at once wait for each other.
 * One thread. */
#ifndef SONDE_CLI_CHOICES_H
#define SONDE_CLI_CHOICES_H

#include "engine/base/error.h"
#include "engine/schedule/engine.h"

struct config;

struct choices {
    char *file; /* NULL: there is no place for one */
    char **disabled;
    size_t disabled_count;
    struct engine_ranking *rankings; /* everything in them is owned */
    size_t rankings_count;
    int lock; /* of the folder, while they are being changed; -1 */
};

/* Reads them; a file that isn't there holds none. `change`: keeps others from changing them until choices_close, and makes the
 * folder. False with a sentence; choices_close in any case. */
bool choices_open(struct choices *choices, const struct config *config, bool change, struct error *error);
void choices_close(struct choices *choices);

bool choices_is_disabled(const struct choices *choices, const char *plugin);

/* Changes them in memory. */
bool choices_disable(struct choices *choices, const char *plugin, bool disabled, struct error *error);
/* The order of the providers of `interface` ("key/1"); none: the usual one. */
bool choices_rank(struct choices *choices, const char *interface, const char *const *plugins, size_t count,
                  struct error *error);

/* Writes the file. Only after choices_open with `change`. */
bool choices_save(const struct choices *choices, struct error *error);

/* Whether `text` can be the id of a plugin. */
bool choices_is_id(const char *text);

/* Whether `text` can be an interface with its major version. */
bool choices_is_interface(const char *text);

#endif
