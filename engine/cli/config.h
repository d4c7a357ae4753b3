/* The configuration: built-in values, over them the file sonde.ini, over that the command line.
 *
 * The file is `$XDG_CONFIG_HOME/sonde/sonde.ini` (or ~/.config/sonde/sonde.ini), sections and `key = value` lines. A value is one
 * line, however long; a comment is a line that begins with # or ;, or what follows a semicolon behind a space. All keys
 * are in one table (config_keys), with a type, a range, a default and its reason; unknown keys are errors, so that a
 * misspelt one is noticed. Sections `[plugin:ID]` hold parameters of plugins, which are checked by whoever loads those.
 * One thread, but for config_share. */
#ifndef SONDE_CLI_CONFIG_H
#define SONDE_CLI_CONFIG_H

#include "engine/base/error.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum config_kind { CONFIG_TEXT, CONFIG_NUMBER, CONFIG_INTEGER, CONFIG_BOOLEAN };

struct config_key {
    const char *name; /* "section.key" */
    enum config_kind kind;
    const char *fallback; /* the default, as text; "" means unset */
    double min, max;      /* numbers and integers */
    const char *unit;
    const char *text; /* what it does, and why the default is what it is */
};

struct config;

/* The table of keys; ends with an entry without a name. */
const struct config_key *config_keys(void);

/* Defaults, then `file` (NULL: the usual place, which may be missing; a named file may not). NULL with a sentence that
 * names file, line and key. */
struct config *config_load(const char *file, struct error *error);
/* The same file read again, under what `old` has from the command line. NULL with a sentence, as config_load: the usual file
 * may have gone meanwhile, a named one may not. */
struct config *config_reload(const struct config *old, struct error *error);
void config_free(struct config *config);

/* The same configuration once more: it lives until each has been freed. A configuration that is no longer set may be read on
 * any thread. */
struct config *config_share(const struct config *config);

/* Sets "section.key" or, for a plugin's parameter, "ID:key". `source` names where the value came from, for
 * config_print ("command line"); it is copied. */
bool config_set(struct config *config, const char *name, const char *value, const char *source, struct error *error);

/* Effective values. `name` must be in the table (asserted). */
const char *config_text(const struct config *config, const char *name);
double config_number(const struct config *config, const char *name);
int64_t config_integer(const struct config *config, const char *name);
bool config_boolean(const struct config *config, const char *name);

/* Parameters of plugins: entry `index` (from 0) of all that were set; false past the last. */
bool config_plugin_param(const struct config *config, size_t index, const char **plugin, const char **key,
                         const char **value);

/* The file that was read or would be read. */
const char *config_file(const struct config *config);

/* The same; NULL where there is no place for one. */
const char *config_path(const struct config *config);

/* Where the catalogue is: catalogue.path, or `$XDG_DATA_HOME/sonde/catalogue.db` (~/.local/share/...). Caller frees. */
char *config_catalogue(const struct config *config, struct error *error);

/* Every key with its value, unit and source, as an ini file that could be read again. */
void config_print(const struct config *config, FILE *out);

#endif
