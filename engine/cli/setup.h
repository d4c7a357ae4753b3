/* What the configuration says to the engine: every command that runs one begins with this. One thread. */
#ifndef SONDE_CLI_SETUP_H
#define SONDE_CLI_SETUP_H

#include "engine/cli/choices.h"
#include "engine/cli/cli.h"
#include "engine/cli/places.h"
#include "engine/schedule/engine.h"

struct setup {
    struct engine_options options; /* complete; a command changes what it wants to */

    struct places_plugins plugins; /* what the options point to */
    struct choices choices;
    char *worker, *params, *segment, *disabled, *probe_cache;
    const char **words; /* of plugins.disabled, and of the choices */
    const char *order;  /* its name */
};

/* False with a sentence; setup_close in any case. */
bool setup_open(struct setup *setup, const struct cli *cli, struct error *error);
/* Sets the queue's order by its name: arrival, newest, oldest or smallest. Another name: false, with EINVAL. */
bool setup_set_order(struct setup *setup, const char *name, struct error *error);
void setup_close(struct setup *setup);

#endif
