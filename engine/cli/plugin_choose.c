/* sonde plugin enable, disable and rank: what the user wants of plugins. */
#include "engine/base/json.h"
#include "engine/cli/choices.h"
#include "engine/cli/config.h"
#include "engine/cli/plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Changes the choices by `change` and writes them. */
static int with_choices(const struct cli *cli, int argc, char **argv,
                        bool (*change)(struct choices *choices, int argc, char **argv, struct error *error)) {
    struct choices choices;
    struct error error = {0};
    bool ok = choices_open(&choices, cli->config, true, &error) && change(&choices, argc, argv, &error) &&
              choices_save(&choices, &error);
    if (!ok) cli_complain("%s", error.text);
    choices_close(&choices);
    return ok ? CLI_OK : error.code == 0 ? CLI_USAGE : CLI_CANNOT_RUN;
}

static bool disable_all(struct choices *choices, int argc, char **argv, struct error *error) {
    for (int i = 1; i < argc; i++)
        if (!choices_disable(choices, argv[i], true, error)) return false;
    return true;
}

static bool enable_all(struct choices *choices, int argc, char **argv, struct error *error) {
    for (int i = 1; i < argc; i++)
        if (!choices_disable(choices, argv[i], false, error)) return false;
    return true;
}

/* Whether plugins.disabled of the configuration names it: then that has to be changed there. */
static bool is_disabled_by_configuration(const struct cli *cli, const char *id) {
    const char *list = config_text(cli->config, "plugins.disabled");
    size_t n = strlen(id);
    for (const char *at = strstr(list, id); at; at = strstr(at + 1, id))
        if ((at == list || strchr(", ", at[-1])) && (!at[n] || strchr(", ", at[n]))) return true;
    return false;
}

int plugin_enable_verb(int argc, char **argv, const struct cli *cli) {
    if (argc < 2) return cli_usage("plugin", "enable: name a plugin");
    int code = with_choices(cli, argc, argv, enable_all);
    for (int i = 1; code == CLI_OK && i < argc; i++) {
        if (!is_disabled_by_configuration(cli, argv[i])) {
            printf("%s: enabled\n", argv[i]);
            continue;
        }
        cli_complain("%s is still disabled by plugins.disabled in %s: take it out there", argv[i],
                     config_file(cli->config));
        code = CLI_SOME_FAILED;
    }
    return code;
}

int plugin_disable_verb(int argc, char **argv, const struct cli *cli) {
    if (argc < 2) return cli_usage("plugin", "disable: name a plugin");
    struct setup setup = {0};
    struct error error = {0};
    struct registry *registry = plugin_find_all(&setup, cli, &error);
    int code = CLI_OK;
    if (!registry) {
        cli_complain("%s", error.text);
        code = CLI_CANNOT_RUN;
    }
    for (int i = 1; code == CLI_OK && i < argc; i++) {
        if (registry_find(registry, argv[i]) != SIZE_MAX) continue;
        cli_complain("there is no plugin %s (sonde plugin list)", argv[i]);
        code = CLI_SOME_FAILED;
    }
    if (code == CLI_OK) code = with_choices(cli, argc, argv, disable_all);
    for (int i = 1; code == CLI_OK && i < argc; i++)
        printf("%s: disabled; its results stay (sonde plugin enable %s)\n", argv[i], argv[i]);
    registry_free(registry);
    setup_close(&setup);
    return code;
}

/* --------------------------------------------------------------------------------------------------------------- ranking */

static bool provides(const struct registry *registry, size_t index, const char *interface) {
    const cJSON *one = NULL;
    cJSON_ArrayForEach(one, json_member(registry->plugins[index].descriptor, "provides")) {
        char name[160];
        (void)snprintf(name, sizeof name, "%.120s/%d", json_string(one, "id", ""), (int)json_integer(one, "major", 0));
        if (strcmp(name, interface) == 0) return true;
    }
    return false;
}

/* Order in the table is rank. */
static int show_ranking(const struct registry *registry, const char *interface) {
    size_t found = 0;
    for (size_t i = 0; i < registry->plugins_count; i++) {
        const struct registry_plugin *plugin = &registry->plugins[i];
        if (!plugin->enabled || !provides(registry, i, interface)) continue;
        printf("%zu  %-28s %s%s%s\n", ++found, plugin->id, plugin_state(plugin), plugin->reason[0] ? ": " : "",
               plugin->reason);
    }
    if (found > 0) return CLI_OK;
    cli_complain("no plugin that could be used provides %s", interface);
    return CLI_SOME_FAILED;
}

/* An interface and all that provide it, the first of them first; nothing when that is said already. */
static void show_interface(const struct registry *registry, size_t first, const cJSON *interface) {
    char name[160];
    (void)snprintf(name, sizeof name, "%.120s/%d", json_string(interface, "id", ""),
                   (int)json_integer(interface, "major", 0));
    for (size_t i = 0; i < first; i++)
        if (registry->plugins[i].enabled && provides(registry, i, name)) return;
    printf("%-28s %s", name, registry->plugins[first].id);
    for (size_t i = first + 1; i < registry->plugins_count; i++)
        if (registry->plugins[i].enabled && provides(registry, i, name)) printf(", %s", registry->plugins[i].id);
    putchar('\n');
}

static void show_rankings(const struct registry *registry) {
    for (size_t i = 0; i < registry->plugins_count; i++) {
        const cJSON *one = NULL;
        cJSON_ArrayForEach(one, json_member(registry->plugins[i].descriptor, "provides")) {
            if (registry->plugins[i].enabled) show_interface(registry, i, one);
        }
    }
}

static bool rank(struct choices *choices, int argc, char **argv, struct error *error) {
    bool reset = argc == 3 && strcmp(argv[2], "--reset") == 0;
    return choices_rank(choices, argv[1], (const char *const *)(argv + 2), reset ? 0 : (size_t)argc - 2, error);
}

int plugin_rank_verb(int argc, char **argv, const struct cli *cli) {
    if (argc > 1 && !choices_is_interface(argv[1]))
        return cli_usage("plugin", "rank: name an interface with its version, for example key/1");
    bool reset = argc == 3 && strcmp(argv[2], "--reset") == 0;
    struct setup setup = {0};
    struct error error = {0};
    struct registry *registry = plugin_find_all(&setup, cli, &error);
    int code = CLI_OK;
    if (!registry) {
        cli_complain("%s", error.text);
        code = CLI_CANNOT_RUN;
    }
    for (int i = 2; code == CLI_OK && !reset && i < argc; i++) {
        size_t index = registry_find(registry, argv[i]);
        if (index != SIZE_MAX && provides(registry, index, argv[1])) continue;
        cli_complain("%s: %s %s", argv[i], index == SIZE_MAX ? "there is no such plugin" : "does not provide", argv[1]);
        code = CLI_SOME_FAILED;
    }
    if (code == CLI_OK && argc > 2) code = with_choices(cli, argc, argv, rank);
    registry_free(registry);
    setup_close(&setup);
    if (code != CLI_OK) return code;
    setup = (struct setup){0};
    registry = plugin_find_all(&setup, cli, &error);
    code = !registry ? CLI_CANNOT_RUN : argc > 1 ? show_ranking(registry, argv[1]) : CLI_OK;
    if (registry && argc == 1) show_rankings(registry);
    registry_free(registry);
    setup_close(&setup);
    return code;
}
