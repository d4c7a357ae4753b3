/* sonde plugin show: one plugin's description. */
#include "engine/base/json.h"
#include "engine/base/text.h"
#include "engine/cli/plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Texts of a plugin are clean UTF-8 but may hold newlines: they are shown on one line. */
static void print_field(const char *name, const char *text) {
    char *clean = text_display(text, strlen(text));
    if (clean && clean[0]) printf("%-12s %s\n", name, clean);
    free(clean);
}

static void print_value(const cJSON *value) {
    char *text = cJSON_PrintUnformatted(value);
    fputs(text ? text : "", stdout);
    cJSON_free(text);
}

static void print_interfaces(const char *title, const cJSON *list, bool needs) {
    const cJSON *one = NULL;
    const char *name = title;
    cJSON_ArrayForEach(one, list) {
        printf("%-12s %s/%lld%s%s\n", name, json_string(one, "id", ""), (long long)json_integer(one, "major", 0),
               needs && !json_bool(one, "required", true) ? ", optional" : "",
               needs && json_bool(one, "early", false) ? ", early" : "");
        name = "";
    }
}

static void print_inputs(const cJSON *list) {
    const cJSON *one = NULL;
    const char *name = "inputs";
    cJSON_ArrayForEach(one, list) {
        long long rate = (long long)json_integer(one, "rate", 0);
        printf("%-12s %s, %s", name, json_string(one, "kind", ""), json_string(one, "channels", ""));
        if (rate > 0)
            printf(", %lld Hz", rate);
        else
            printf(", native rate");
        if (json_integer(one, "window", 0) > 0)
            printf(", window %lld, hop %lld, %s", (long long)json_integer(one, "window", 0),
                   (long long)json_integer(one, "hop", 0), json_string(one, "form", ""));
        putchar('\n');
        name = "";
    }
}

static void print_params(const char *id, const cJSON *list, const cJSON *effective) {
    const cJSON *one = NULL;
    if (cJSON_GetArraySize(list) > 0)
        printf("parameters   (set with --set %s:NAME=VALUE, or [plugin:%s] in sonde.ini)\n", id, id);
    cJSON_ArrayForEach(one, list) {
        const char *name = json_string(one, "id", ""), *unit = json_string(one, "unit", "");
        const cJSON *choices = json_member(one, "choices"), *value = cJSON_GetObjectItemCaseSensitive(effective, name);
        printf("  %-18s = ", name);
        print_value(value ? value : cJSON_GetObjectItemCaseSensitive(one, "default"));
        printf(" %s%s(%s", unit, unit[0] ? " " : "", json_string(one, "kind", ""));
        if (cJSON_GetObjectItemCaseSensitive(one, "min"))
            printf(" from %g to %g", json_number(one, "min", 0), json_number(one, "max", 0));
        if (choices) {
            fputs(" of ", stdout);
            print_value(choices);
        }
        fputs("; default ", stdout);
        print_value(cJSON_GetObjectItemCaseSensitive(one, "default"));
        puts(")");
        char *about = text_display(json_string(one, "description", ""), strlen(json_string(one, "description", "")));
        if (about && about[0]) printf("    %s\n", about);
        free(about);
    }
}

static void print_arrays(const cJSON *list) {
    const cJSON *one = NULL;
    const char *name = "arrays";
    cJSON_ArrayForEach(one, list) {
        printf("%-12s %s: %s, %lld dimensions, %s\n", name, json_string(one, "name", ""), json_string(one, "dtype", ""),
               (long long)json_integer(one, "dimensions", 0), json_string(one, "description", ""));
        name = "";
    }
}

static void print_resources(const cJSON *list) {
    const cJSON *one = NULL;
    const char *name = "resources";
    cJSON_ArrayForEach(one, list) {
        printf("%-12s %s %s\n", name, json_string(one, "name", ""), json_string(one, "hash", ""));
        name = "";
    }
}

static void print_text(const struct registry *registry, const struct registry_plugin *plugin) {
    const cJSON *d = plugin->descriptor, *schema = json_member(d, "schema");
    print_field("id", plugin->id);
    print_field("name", plugin->name);
    print_field("version", plugin->version);
    print_field("vendor", plugin->vendor);
    print_field("licence", plugin->licence);
    print_field("description", plugin->description);
    if (json_string(d, "url", "")[0]) print_field("url", json_string(d, "url", ""));
    print_field("library", registry->libraries[plugin->library].path);
    print_field("hash", registry->libraries[plugin->library].hash);
    printf("%-12s %s%s%s\n", "state", plugin_state(plugin), plugin->reason[0] ? ": " : "", plugin->reason);
    if (plugin->left_out[0]) print_field("left out", plugin->left_out);
    if (plugin->group < registry->groups_count) print_field("process", registry->groups[plugin->group].name);
    print_interfaces("provides", json_member(d, "provides"), false);
    print_interfaces("needs", json_member(d, "needs"), true);
    print_inputs(json_member(d, "inputs"));
    print_arrays(json_member(d, "arrays"));
    print_resources(json_member(d, "resources"));
    print_params(plugin->id, json_member(d, "params"), json_member(d, "effective"));
    char *text = schema ? cJSON_Print(schema) : NULL;
    if (text) printf("schema\n%s\n", text);
    cJSON_free(text);
}

static void print_json(const struct registry *registry, const struct registry_plugin *plugin) {
    cJSON *object = cJSON_Duplicate(plugin->descriptor, true);
    char *library = text_display(registry->libraries[plugin->library].path,
                                 strlen(registry->libraries[plugin->library].path));
    if (object && library && cJSON_AddStringToObject(object, "library", library) &&
        cJSON_AddStringToObject(object, "hash", registry->libraries[plugin->library].hash) &&
        cJSON_AddStringToObject(object, "state", plugin_state(plugin)) &&
        cJSON_AddBoolToObject(object, "bundled", !plugin->third_party)) {
        if (plugin->reason[0] && !json_string(object, "reason", NULL))
            cJSON_AddStringToObject(object, "reason", plugin->reason);
        char *text = cJSON_PrintUnformatted(object);
        if (text) puts(text);
        cJSON_free(text);
    }
    free(library);
    cJSON_Delete(object);
}

int plugin_show_verb(int argc, char **argv, const struct cli *cli) {
    const char *id = NULL;
    bool json = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            json = true;
        else if (argv[i][0] != '-' && !id)
            id = argv[i];
        else
            return cli_usage("plugin", "show: %s: not understood", argv[i]);
    }
    if (!id) return cli_usage("plugin", "show: name a plugin");
    struct setup setup = {0};
    struct error error = {0};
    struct registry *registry = plugin_find_all(&setup, cli, &error);
    size_t index = registry ? registry_find(registry, id) : SIZE_MAX;
    int code = CLI_OK;
    if (!registry) {
        cli_complain("%s", error.text);
        code = CLI_CANNOT_RUN;
    } else if (index == SIZE_MAX) {
        cli_complain("there is no plugin %s (sonde plugin list shows all, and what is broken)", id);
        code = CLI_SOME_FAILED;
    } else if (json) {
        print_json(registry, &registry->plugins[index]);
    } else {
        print_text(registry, &registry->plugins[index]);
    }
    registry_free(registry);
    setup_close(&setup);
    return code;
}
