/* The migrations of migrations/, built in: entry i brings a catalogue from user_version i to i + 1. Any thread. */
#ifndef SONDE_CATALOGUE_MIGRATIONS_H
#define SONDE_CATALOGUE_MIGRATIONS_H

#include "engine/catalogue/catalogue.h"

struct migration {
    const char *name; /* "0001_catalogue.sql" */
    const char *sql;
};

extern const struct migration migrations[];
extern const int migrations_count;

/* Brings `db`, which stands at `version`, up to `target` (at most migrations_count): each migration in a transaction of
 * its own, with its user_version, after a check that no reference dangles. On failure the catalogue stays at the last
 * version that was completed. Foreign keys must be off. */
bool migrations_apply(sqlite3 *db, int version, int target, struct error *error);

/* Writes a copy of the whole catalogue to a new file, which appears under its name when it is complete. False when the
 * file exists. */
bool migrations_backup(sqlite3 *db, const char *to, struct error *error);

#endif
