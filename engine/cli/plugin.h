/* The verbs of `sonde plugin`. Each gets the arguments from its own name on, and the help text of all stands in plugin.c. */
#ifndef SONDE_CLI_PLUGIN_H
#define SONDE_CLI_PLUGIN_H

#include "engine/base/error.h"
#include "engine/cli/cli.h"
#include "engine/cli/setup.h"
#include "engine/schedule/registry.h"

struct plugin_verb {
    const char *name;
    int (*run)(int argc, char **argv, const struct cli *cli); /* as a command of struct command */
};

/* The table; ends with an entry without a name. */
const struct plugin_verb *plugin_verbs(void);

int plugin_list_verb(int argc, char **argv, const struct cli *cli);
int plugin_show_verb(int argc, char **argv, const struct cli *cli);
int plugin_enable_verb(int argc, char **argv, const struct cli *cli);
int plugin_disable_verb(int argc, char **argv, const struct cli *cli);
int plugin_rank_verb(int argc, char **argv, const struct cli *cli);
int plugin_new_verb(int argc, char **argv, const struct cli *cli);

/* Looks at all plugins there are, as an engine would; setup_close in any case. NULL with a sentence. The caller frees. */
struct registry *plugin_find_all(struct setup *setup, const struct cli *cli, struct error *error);

/* "ready", "standby", "disabled" or "broken"; why in plugin->reason. */
const char *plugin_state(const struct registry_plugin *plugin);

#endif
