/* The verbs of `sonde plugin`. Each gets the arguments from its own name on, and the help text of all stands in plugin.c. */
#ifndef SONDE_CLI_PLUGIN_H
#define SONDE_CLI_PLUGIN_H

#include "engine/cli/cli.h"

struct plugin_verb {
    const char *name;
    int (*run)(int argc, char **argv, const struct cli *cli); /* as a command of struct command */
};

/* The table; ends with an entry without a name. */
const struct plugin_verb *plugin_verbs(void);

#endif
