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

/* Words that other programs have for it. */
static const char *const meant[][2] = {
    {"stop", "drain"},     {"quit", "drain"},       {"exit", "drain"},       {"scan", "analyze"},
    {"import", "analyze"}, {"add", "analyze"},      {"search", "find"},      {"list", "find"},
    {"query", "find"},     {"info", "show"},        {"edit", "set"},         {"delete", "catalogue"},
    {"db", "catalogue"},   {"backup", "catalogue"}, {"errors", "incidents"}, {"log", "incidents"},
    {"plugins", "plugin"}, {"continue", "resume"},  {"check", "doctor"},
};

/* Whether one letter too many, missing, wrong or swapped makes one word out of the other. */
static bool is_slip(const char *a, const char *b) {
    size_t n = strlen(a), m = strlen(b), head = 0;
    while (a[head] && a[head] == b[head]) head++;
    if (n == m && a[head] && a[head] == b[head + 1] && a[head + 1] == b[head])
        return strcmp(a + head + 2, b + head + 2) == 0;
    if (n == m) return a[head] && strcmp(a + head + 1, b + head + 1) == 0;
    if (n == m + 1) return strcmp(a + head + 1, b + head) == 0;
    return n + 1 == m && strcmp(a + head, b + head + 1) == 0;
}

const struct command *cli_guess_command(const char *name) {
    for (size_t i = 0; i < sizeof meant / sizeof *meant; i++)
        if (strcmp(meant[i][0], name) == 0) return cli_find_command(meant[i][1]);
    for (const struct command *c = commands; c->name; c++)
        if (is_slip(name, c->name)) return c;
    return NULL;
}

const char config_help[] =
    "usage: sonde config\n\n"
    "Prints every key of the configuration with its meaning, its value, and where that came from: the default, the file,\n"
    "or the command line. The output is itself a configuration file:\n\n"
    "  sonde config > ~/.config/sonde/sonde.ini\n\n"
    "A file has [sections] and lines of `key = value`. A value is one line, however long. Comments are lines that begin with # or\n"
    "a semicolon, and whatever follows a semicolon behind a space. A section [plugin:ID] holds parameters of that plugin, which\n"
    "`sonde plugin show ID` lists. A key that isn't there is an error. Where $XDG_CONFIG_HOME is set, it stands for ~/.config.\n";

int config_command(int argc, char **argv, const struct cli *cli) {
    if (argc > 1) return cli_usage("config", "%s: takes nothing", argv[1]);
    config_print(cli->config, stdout);
    return CLI_OK;
}
