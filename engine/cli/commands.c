/* The table of commands. */
#include "engine/cli/commands.h"

#include "engine/cli/config.h"

#include <stdio.h>
#include <string.h>

static const struct command commands[] = {
    {"analyze", "analyse files and folders, keep the results in the catalogue", analyze_help, analyze_command},
    {"find", "list the sounds with this tempo, key, label, text ...", find_help, find_command},
    {"export", "write a selection as CSV, JSON or JAMS", export_help, export_command},
    {"show", "all that is known about a file", show_help, show_command},
    {"status", "the catalogue in numbers, and what is going on", status_help, status_command},
    {"tag", "give sounds tags of your own", tag_help, tag_command},
    {"untag", "take them away", untag_help, untag_command},
    {"set", "correct tempo, key or label: your word wins", set_help, set_command},
    {"catalogue", "back up, check, merge, prune, vacuum or recover it", catalogue_help, catalogue_command},
    {"watch", "keep folders analysed: new, changed and moved files", watch_help, watch_command},
    {"rescan", "look at folders again: new, changed and vanished files", rescan_help, rescan_command},
    {"pause", "let the running engine begin nothing new", pause_help, pause_command},
    {"resume", "let it go on", resume_help, resume_command},
    {"drain", "let it finish what is under way, and end", drain_help, drain_command},
    {"reload", "let it read its configuration again", reload_help, reload_command},
    {"retry", "try again what failed or was quarantined", retry_help, retry_command},
    {"incidents", "what went wrong: crashes, hangs, forbidden calls", incidents_help, incidents_command},
    {"plugin", "list, show, check, choose and begin plugins", plugin_help, plugin_command},
    {"config", "print the effective configuration, and where each value came from", config_help, config_command},
    {"doctor", "show libraries, limits and sandbox layers, and prove the sandbox", doctor_help, doctor_command},
    {NULL, NULL, NULL, NULL},
};

const struct command *cli_commands(void) {
    return commands;
}

const struct command *cli_find_command(const char *name) {
    for (const struct command *c = commands; c->name; c++)
        if (strcmp(c->name, name) == 0) return c;
    return NULL;
}

const char config_help[] =
    "usage: sonde config\n\n"
    "Prints every key of the configuration with its meaning, its value, and where that came from: the default, the file,\n"
    "or the command line. The output is itself a configuration file:\n\n"
    "  sonde config > ~/.config/sonde/sonde.ini\n";

int config_command(int argc, char **argv, const struct cli *cli) {
    if (argc > 1) return cli_usage("config", "%s: takes nothing", argv[1]);
    config_print(cli->config, stdout);
    return CLI_OK;
}
