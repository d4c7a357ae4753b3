/* sonde plugin: its verbs, their help, and the one that forgets what a plugin did. */
#include "engine/cli/plugin.h"
#include "engine/base/json.h"
#include "engine/catalogue/catalogue.h"
#include "engine/catalogue/store.h"
#include "engine/cli/commands.h"
#include "engine/cli/plugin_check.h"
#include "engine/cli/reach.h"

#include <stdio.h>
#include <string.h>

const char plugin_help[] =
    "usage: sonde plugin list [--broken] [--json]\n"
    "       sonde plugin show ID [--json]\n"
    "       sonde plugin enable ID...\n"
    "       sonde plugin disable ID...\n"
    "       sonde plugin rank [INTERFACE [ID... | --reset]]\n"
    "       sonde plugin reset ID\n"
    "       sonde plugin new DIR --id ID --name NAME [--cpp]\n"
    "       sonde plugin check [--level N] [--quick] [--all] [--json] [--with FILE.so]...\n"
    "                          [--before FILE.so] [--seed N] FILE.so...\n"
    "       sonde plugin check --list\n\n"
    "`list` looks at every plugin in the places below, in a sandbox, and shows its state: ready, standby (it runs where the\n"
    "plugin it stands by for fails), disabled, broken (with the reason), or absent (the catalogue has results of it, but it is\n"
    "gone). `show` prints one plugin's description: inputs, needs, parameters and how to set them, schema.\n"
    "`disable` keeps a plugin from running, `enable` lets it; its results stay. `rank` says which plugins come first where\n"
    "several provide an interface (key/1, content_timeline/1 ...): the first that succeeds is read, the next steps in where it\n"
    "fails; without IDs it shows the order, without INTERFACE that of all. A plugin of others that isn't ranked runs beside the\n"
    "bundled one: the results of both are kept, and the bundled one's is read. These choices are kept beside the configuration,\n"
    "in sonde.plugins.ini.\n"
    "`reset` forgets a plugin's strikes, so that what was quarantined runs again with the next `sonde analyze --retry`.\n\n"
    "`new` writes a complete little project into a new folder: source (C, or C++ with --cpp), Makefile and meson.build, schema,\n"
    "test. ID is like org.example.rumble, NAME is for people. It builds and passes its checks as it is: make check.\n"
    "`check` loads libraries in sandboxed workers, tries them on test audio, and prints what is wrong, why, and how to mend it;\n"
    "`--list` shows its checks. Its exit code is 1 when one failed, 0 when none did.\n\n"
    "  --broken    only what can't be used, each with the reason; the exit code is 1 if there is any\n"
    "  --json      one JSON object a line\n"
    "  --level N   checks up to level N, 1 to 10 (10 unless said otherwise)\n"
    "  --quick     --level 4: it loads, says what it is, and survives ordinary and odd audio\n"
    "  --all       passed and skipped checks too\n"
    "  --with FILE.so\n"
    "              a library that provides what the others need, besides those that come with sonde\n"
    "  --before FILE.so\n"
    "              an earlier build of the library: where results differ from it, the version must, too\n"
    "  --seed N    another choice of the parameters that are tried at random (1 unless said otherwise)\n"
    "  --reset     back to the usual order: bundled plugins first\n\n"
    "Plugins are the .so files in $SONDE_PLUGIN_PATH (folders between colons), in plugins.path of the configuration, in\n"
    "~/.local/lib/sonde, and in /usr/local/lib/sonde and /usr/lib/sonde. The first of a name counts.\n";

/* Whether the catalogue knows the plugin. */
static bool knows(struct catalogue *catalogue, const char *id, struct error *error) {
    sqlite3_stmt *row = catalogue_statement(catalogue, "SELECT 1 FROM plugins WHERE plugin = ?", error);
    if (!row || sqlite3_bind_text(row, 1, id, -1, SQLITE_STATIC) != SQLITE_OK) return false;
    bool found = sqlite3_step(row) == SQLITE_ROW;
    sqlite3_reset(row);
    return found ||
           error_set(error, "no run has met a plugin %s, so there is nothing to forget (sonde plugin list)", id);
}

static int reset(struct catalogue *catalogue, const char *id, struct error *error) {
    if (!knows(catalogue, id, error)) return CLI_SOME_FAILED;
    if (!catalogue_execute(catalogue, "BEGIN IMMEDIATE", error)) return CLI_CANNOT_RUN;
    if (store_plugin_reset(catalogue, id, error) && catalogue_execute(catalogue, "COMMIT", error)) {
        printf("%s: strikes forgotten\n", id);
        return CLI_OK;
    }
    (void)catalogue_execute(catalogue, "ROLLBACK", NULL);
    return CLI_CANNOT_RUN;
}

/* By the engine that runs: it knows of crashes that the catalogue doesn't. */
static int send_reset(const struct cli *cli, struct control_link *link, const char *id, struct error *error) {
    struct catalogue *catalogue = catalogue_open(cli->catalogue, CATALOGUE_READ, error);
    bool known = catalogue && knows(catalogue, id, error);
    catalogue_close(catalogue);
    if (!known) return CLI_SOME_FAILED;
    cJSON *request = control_request("reset");
    if (request && !cJSON_AddStringToObject(request, "plugin", id)) {
        cJSON_Delete(request);
        request = NULL;
    }
    cJSON *reply = control_ask_once(link, request, error);
    if (!reply) return CLI_CANNOT_RUN;
    printf("%s: strikes forgotten\n", id);
    cJSON_Delete(reply);
    return CLI_OK;
}

static int reset_verb(int argc, char **argv, const struct cli *cli) {
    if (argc != 2) return cli_usage("plugin", "reset: name one plugin");
    struct error error = {0};
    struct catalogue *catalogue = NULL;
    struct control_link *link = NULL;
    int code = CLI_CANNOT_RUN;
    if (reach_writer(cli->catalogue, &catalogue, &link, &error))
        code = link ? send_reset(cli, link, argv[1], &error) : reset(catalogue, argv[1], &error);
    control_close(link);
    if (error.text[0]) cli_complain("%s", error.text);
    catalogue_close(catalogue);
    return code;
}

static const struct plugin_verb verbs[] = {
    {"list", plugin_list_verb},       {"show", plugin_show_verb}, {"enable", plugin_enable_verb},
    {"disable", plugin_disable_verb}, {"rank", plugin_rank_verb}, {"reset", reset_verb},
    {"check", plugin_check_verb},     {"new", plugin_new_verb},   {NULL, NULL},
};

const struct plugin_verb *plugin_verbs(void) {
    return verbs;
}

int plugin_command(int argc, char **argv, const struct cli *cli) {
    static char *nothing_said[] = {"list", NULL};
    const char *name = argc > 1 ? argv[1] : "list";
    for (const struct plugin_verb *verb = plugin_verbs(); verb->name; verb++)
        if (strcmp(verb->name, name) == 0)
            return argc > 1 ? verb->run(argc - 1, argv + 1, cli) : verb->run(1, nothing_said, cli);
    return cli_usage("plugin", "%s: no such verb", name);
}
