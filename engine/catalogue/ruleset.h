/* The summary rules of all enabled plugins, compiled once and kept with the catalogue. The connection's thread. */
#ifndef SONDE_CATALOGUE_RULESET_H
#define SONDE_CATALOGUE_RULESET_H

#include "engine/base/schema.h"
#include "engine/catalogue/catalogue.h"

struct ruleset_plugin {
    char *plugin; /* id */
    struct schema *schema;
};

struct ruleset {
    struct ruleset_plugin *plugins; /* in the order in which they count: bundled first, then by id */
    size_t n;
};

/* Reads the table plugins. A stored schema that doesn't compile is left out (its plugin gives no summary). NULL with a
 * sentence on failure. */
struct ruleset *ruleset_load(struct catalogue *catalogue, struct error *error);
void ruleset_free(struct ruleset *ruleset); /* NULL is fine */

#endif
