/* `sonde plugin check`: engine/check with a command line. */
#ifndef SONDE_CLI_PLUGIN_CHECK_H
#define SONDE_CLI_PLUGIN_CHECK_H

#include "engine/cli/cli.h"

/* A verb of engine/cli/plugin.h. */
int plugin_check_verb(int argc, char **argv, const struct cli *cli);

#endif
