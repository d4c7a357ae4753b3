/* sonde plugin: what plugins the catalogue knows, and forgetting what they did. */
#include "engine/cli/plugin.h"
#include "engine/base/json.h"
#include "engine/catalogue/catalogue.h"
#include "engine/catalogue/store.h"
#include "engine/cli/commands.h"

#include <stdio.h>
#include <string.h>

const char plugin_help[] =
    "usage: sonde plugin list [--json]\n"
    "       sonde plugin show ID\n"
    "       sonde plugin reset ID\n\n"
    "`list` shows every plugin that a run has met, with its state: ready, refused (it could not be loaded), open (it crashed so\n"
    "often that it rests) or disabled. `show` prints its description: inputs, needs, parameters, schema. `reset` forgets its\n"
    "strikes, so that what was quarantined runs again with the next `sonde analyze --retry`.\n";

static const char *text_at(sqlite3_stmt *row, int column) {
    const unsigned char *text = sqlite3_column_text(row, column);
    return text ? (const char *)text : "";
}

static int list(struct catalogue *catalogue, bool json, struct error *error) {
    sqlite3_stmt *row = catalogue_statement(
        catalogue,
        "SELECT plugin, version, state, enabled, bundled, reason, library FROM plugins ORDER BY bundled DESC, plugin",
        error);
    if (!row) return CLI_CANNOT_RUN;
    int found = 0;
    while (sqlite3_step(row) == SQLITE_ROW) {
        found++;
        if (json) {
            cJSON *o = cJSON_CreateObject();
            static const char *const keys[] = {"plugin", "version", "state", "enabled", "bundled", "reason", "library"};
            for (int i = 0; o && i < 7; i++) {
                if (i == 3 || i == 4)
                    cJSON_AddBoolToObject(o, keys[i], sqlite3_column_int(row, i));
                else if (sqlite3_column_type(row, i) != SQLITE_NULL)
                    cJSON_AddStringToObject(o, keys[i], text_at(row, i));
            }
            char *text = o ? cJSON_PrintUnformatted(o) : NULL;
            if (text) puts(text);
            cJSON_free(text);
            cJSON_Delete(o);
            continue;
        }
        const char *reason = text_at(row, 5);
        printf("%-28s %-10s %-9s %s%s%s\n", text_at(row, 0), text_at(row, 1),
               sqlite3_column_int(row, 3) ? text_at(row, 2) : "absent",
               sqlite3_column_int(row, 4) ? "bundled" : text_at(row, 6), reason[0] ? ": " : "", reason);
    }
    sqlite3_reset(row);
    if (found == 0 && !json) fputs("no run has met a plugin yet\n", stderr);
    return found ? CLI_OK : CLI_SOME_FAILED;
}

/* The row of one plugin, at its first column; NULL (complained) when there is none or on failure. */
static sqlite3_stmt *find(struct catalogue *catalogue, const char *id, struct error *error) {
    sqlite3_stmt *row = catalogue_statement(
        catalogue, "SELECT descriptor, library, hash, state, reason FROM plugins WHERE plugin = ?", error);
    if (!row || sqlite3_bind_text(row, 1, id, -1, SQLITE_STATIC) != SQLITE_OK) return NULL;
    if (sqlite3_step(row) == SQLITE_ROW) return row;
    sqlite3_reset(row);
    error_set(error, "no run has met a plugin %s (sonde plugin list shows those that were)", id);
    return NULL;
}

static int show(struct catalogue *catalogue, const char *id, struct error *error) {
    sqlite3_stmt *row = find(catalogue, id, error);
    if (!row) return CLI_SOME_FAILED;
    const char *descriptor = text_at(row, 0);
    cJSON *object = json_parse(descriptor, strlen(descriptor), 4 << 20, 60, NULL);
    char *text = object ? cJSON_Print(object) : NULL;
    printf("library  %s\nhash     %s\nstate    %s%s%s\n%s\n", text_at(row, 1), text_at(row, 2), text_at(row, 3),
           text_at(row, 4)[0] ? ": " : "", text_at(row, 4), text ? text : descriptor);
    cJSON_free(text);
    cJSON_Delete(object);
    sqlite3_reset(row);
    return CLI_OK;
}

static int reset(struct catalogue *catalogue, const char *id, struct error *error) {
    sqlite3_stmt *row = find(catalogue, id, error);
    if (!row) return CLI_SOME_FAILED;
    sqlite3_reset(row);
    if (!catalogue_execute(catalogue, "BEGIN IMMEDIATE", error)) return CLI_CANNOT_RUN;
    if (store_strikes_clear(catalogue, id, error) && store_plugin_state(catalogue, id, "ready", NULL, error) &&
        catalogue_execute(catalogue, "COMMIT", error)) {
        printf("%s: strikes forgotten\n", id);
        return CLI_OK;
    }
    (void)catalogue_execute(catalogue, "ROLLBACK", NULL);
    return CLI_CANNOT_RUN;
}

/* Runs `act` on the catalogue, which is opened for it. */
static int with_catalogue(const struct cli *cli, bool write, const char *id,
                          int (*act)(struct catalogue *catalogue, const char *id, struct error *error)) {
    struct error error = {0};
    struct catalogue *catalogue = catalogue_open(cli->catalogue, write ? CATALOGUE_WRITE : CATALOGUE_READ, &error);
    int code = catalogue ? act(catalogue, id, &error) : CLI_CANNOT_RUN;
    if (error.text[0]) cli_complain("%s", error.text);
    catalogue_close(catalogue);
    return code;
}

static int list_plain(struct catalogue *catalogue, const char *id, struct error *error) {
    (void)id;
    return list(catalogue, false, error);
}

static int list_json(struct catalogue *catalogue, const char *id, struct error *error) {
    (void)id;
    return list(catalogue, true, error);
}

static int list_verb(int argc, char **argv, const struct cli *cli) {
    bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
    if (argc > 1 && !json) return cli_usage("plugin", "list: wrong arguments");
    return with_catalogue(cli, false, NULL, json ? list_json : list_plain);
}

static int show_verb(int argc, char **argv, const struct cli *cli) {
    if (argc != 2) return cli_usage("plugin", "show: name one plugin");
    return with_catalogue(cli, false, argv[1], show);
}

static int reset_verb(int argc, char **argv, const struct cli *cli) {
    if (argc != 2) return cli_usage("plugin", "reset: name one plugin");
    return with_catalogue(cli, true, argv[1], reset);
}

static const struct plugin_verb verbs[] = {
    {"list", list_verb},
    {"show", show_verb},
    {"reset", reset_verb},
    {NULL, NULL},
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
