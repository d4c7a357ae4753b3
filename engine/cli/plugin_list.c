/* sonde plugin list: what there is, looked at now, and what the catalogue knows besides. */
#include "engine/base/json.h"
#include "engine/base/text.h"
#include "engine/catalogue/catalogue.h"
#include "engine/cli/plugin.h"
#include "engine/schedule/discovery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct registry *plugin_find_all(struct setup *setup, const struct cli *cli, struct error *error) {
    struct probe_report report;
    if (!setup_open(setup, cli, error)) return NULL;
    struct registry *registry = discovery_run(&setup->options, &report, error);
    cJSON_free(report.sandbox);
    return registry;
}

const char *plugin_state(const struct registry_plugin *plugin) {
    if (plugin->enabled && !plugin->unmet) return plugin->stands_by != SIZE_MAX ? "standby" : "ready";
    return strncmp(plugin->reason, "disabled", 8) == 0 ? "disabled" : "broken";
}

/* One line of the list. Texts may be NULL. */
struct entry {
    const char *plugin, *version, *state, *origin, *library, *reason;
    int64_t strikes;
};

struct listing {
    bool json, broken;
    struct catalogue *catalogue; /* NULL: there is none yet */
    size_t broken_count;
};

static bool is_broken(const struct entry *entry) {
    return strcmp(entry->state, "broken") == 0;
}

static void print_json(const struct entry *entry) {
    const struct {
        const char *key, *text;
    } texts[] = {{"plugin", entry->plugin}, {"version", entry->version}, {"state", entry->state},
                 {"origin", entry->origin}, {"library", entry->library}, {"reason", entry->reason}};
    cJSON *object = cJSON_CreateObject();
    for (size_t i = 0; object && i < sizeof texts / sizeof *texts; i++) {
        char *clean = texts[i].text ? text_display(texts[i].text, strlen(texts[i].text)) : NULL;
        if (clean) cJSON_AddStringToObject(object, texts[i].key, clean);
        free(clean);
    }
    if (object) cJSON_AddNumberToObject(object, "strikes", (double)entry->strikes);
    char *text = object ? cJSON_PrintUnformatted(object) : NULL;
    if (text) puts(text);
    cJSON_free(text);
    cJSON_Delete(object);
}

static void print_text(const struct entry *entry) {
    char strikes[40] = "", *library = entry->library ? text_display(entry->library, strlen(entry->library)) : NULL;
    if (entry->strikes > 0)
        (void)snprintf(strikes, sizeof strikes, ", %lld strike%s", (long long)entry->strikes,
                       entry->strikes == 1 ? "" : "s");
    bool named = library && (strcmp(entry->origin, "bundled") != 0 || !entry->plugin);
    printf("%-28s %-10s %-9s %s%s", entry->plugin ? entry->plugin : "-", entry->plugin ? entry->version : "-",
           entry->state, named ? library : entry->origin, strikes);
    printf("%s%s\n", entry->reason && entry->reason[0] ? ": " : "", entry->reason ? entry->reason : "");
    free(library);
}

static void print_entry(struct listing *listing, const struct entry *entry) {
    listing->broken_count += is_broken(entry);
    if (listing->broken && !is_broken(entry)) return;
    if (listing->json)
        print_json(entry);
    else
        print_text(entry);
}

static int64_t count_strikes(const struct listing *listing, const char *plugin) {
    sqlite3_stmt *row = listing->catalogue ? catalogue_statement(listing->catalogue,
                                                                 "SELECT count(*) FROM strikes WHERE plugin = ?", NULL)
                                           : NULL;
    if (!row || sqlite3_bind_text(row, 1, plugin, -1, SQLITE_STATIC) != SQLITE_OK) return 0;
    int64_t strikes = sqlite3_step(row) == SQLITE_ROW ? sqlite3_column_int64(row, 0) : 0;
    sqlite3_reset(row);
    return strikes;
}

static void list_found(struct listing *listing, const struct registry *registry) {
    for (size_t i = 0; i < registry->plugins_count; i++) {
        const struct registry_plugin *plugin = &registry->plugins[i];
        struct entry entry = {.plugin = plugin->id,
                              .version = plugin->version,
                              .state = plugin_state(plugin),
                              .origin = plugin->third_party ? "third-party" : "bundled",
                              .library = registry->libraries[plugin->library].path,
                              .reason = plugin->reason[0] ? plugin->reason : NULL,
                              .strikes = count_strikes(listing, plugin->id)};
        print_entry(listing, &entry);
    }
    for (size_t i = 0; i < registry->libraries_count; i++) {
        const struct registry_library *library = &registry->libraries[i];
        struct entry entry = {.state = "broken",
                              .origin = library->third_party ? "third-party" : "bundled",
                              .library = library->path,
                              .reason = library->reason};
        if (library->reason[0]) print_entry(listing, &entry);
    }
}

/* Plugins that earlier runs met and that are gone. */
static void list_absent(struct listing *listing, const struct registry *registry) {
    sqlite3_stmt *row = listing->catalogue
                            ? catalogue_statement(
                                  listing->catalogue,
                                  "SELECT plugin, version, bundled, library FROM plugins ORDER BY plugin", NULL)
                            : NULL;
    while (row && sqlite3_step(row) == SQLITE_ROW) {
        struct entry entry = {.plugin = (const char *)sqlite3_column_text(row, 0),
                              .version = (const char *)sqlite3_column_text(row, 1),
                              .state = "absent",
                              .origin = sqlite3_column_int(row, 2) ? "bundled" : "third-party",
                              .library = (const char *)sqlite3_column_text(row, 3),
                              .reason = "not found any more; its results stay"};
        if (entry.plugin && registry_find(registry, entry.plugin) == SIZE_MAX) print_entry(listing, &entry);
    }
    if (row) sqlite3_reset(row);
}

int plugin_list_verb(int argc, char **argv, const struct cli *cli) {
    struct listing listing = {0};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            listing.json = true;
        else if (strcmp(argv[i], "--broken") == 0)
            listing.broken = true;
        else
            return cli_usage("plugin", "list: %s: no such option", argv[i]);
    }
    struct setup setup = {0};
    struct error error = {0};
    struct registry *registry = plugin_find_all(&setup, cli, &error);
    if (registry && access(cli->catalogue, F_OK) == 0) {
        listing.catalogue = catalogue_open(cli->catalogue, CATALOGUE_READ, &error);
        if (!listing.catalogue) cli_complain("%s", error.text);
    }
    if (registry) {
        list_found(&listing, registry);
        list_absent(&listing, registry);
        if (listing.broken && listing.broken_count == 0 && !listing.json) puts("no plugin is broken");
    } else {
        cli_complain("%s", error.text);
    }
    int code = !registry ? CLI_CANNOT_RUN : listing.broken && listing.broken_count > 0 ? CLI_SOME_FAILED : CLI_OK;
    catalogue_close(listing.catalogue);
    registry_free(registry);
    setup_close(&setup);
    return code;
}
