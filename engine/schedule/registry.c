#include "engine/schedule/registry.h"

#include "engine/base/json.h"
#include "engine/base/text.h"
#include "engine/schedule/published.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID_MAX   100 /* bytes of a plugin's id */
#define TEXT_MAX 4000
#define LIST_MAX 64

static bool is_name(const char *s, size_t max) {
    size_t n = s ? strlen(s) : 0;
    return n > 0 && n <= max && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789._-") == n;
}

/* People read it on terminals, and it may quote a worker, or the name of a file. */
static void set_reason(char *reason, size_t size, const char *sentence) {
    char *clean = text_display(sentence, strlen(sentence));
    (void)snprintf(reason, size, "%s", clean ? clean : "out of memory");
    text_cut(reason, size - 1);
    free(clean);
}

/* Workers are told of libraries in JSON, which can't name all that the file system can: one such name would keep every worker
 * that hears of it from starting. */
static bool can_be_told(const struct copy *copy) {
    return text_is_utf8(copy->path, strlen(copy->path)) &&
           (!copy->resources || text_is_utf8(copy->resources, strlen(copy->resources)));
}

/* A library that can't be read is refused like any other; only lack of memory is an error. */
static bool copy_library(struct registry *registry, size_t index, const char *folder, struct error *error) {
    struct registry_library *library = &registry->libraries[index];
    struct error why = {0};
    /* What a bridge loads is the one file among its resources. */
    const char *path = library->bridge ? library->bridge : library->path;
    const char *resources = library->bridge ? library->path : library->resources;
    if (!folder) {
        library->copy.path = strdup(path);
        library->copy.resources = resources ? strdup(resources) : NULL;
        return (library->copy.path && (library->copy.resources || !resources)) || error_memory(error);
    }
    if (copies_take(folder, path, resources, &library->copy, &why)) {
        if (can_be_told(&library->copy)) return true;
        error_set(&why, "its path, or that of its resources, is no text (UTF-8), and it can't be copied: rename it");
    }
    if (why.code == ENOMEM) return error_memory(error);
    library->refused = true;
    registry_refuse(registry, index, why.text);
    return true;
}

static bool add_library(struct registry *registry, const struct engine_library *from, const char *folder,
                        struct error *error) {
    size_t index = registry->libraries_count++;
    struct registry_library *library = &registry->libraries[index];
    library->path = strdup(from->path);
    library->resources = from->resources ? strdup(from->resources) : NULL;
    library->bridge = from->bridge ? strdup(from->bridge) : NULL;
    library->third_party = from->third_party;
    library->refused = from->refused != NULL;
    if (!library->path || (!library->resources && from->resources) || (!library->bridge && from->bridge))
        return error_memory(error);
    set_reason(library->reason, sizeof library->reason, from->refused ? from->refused : "not looked at yet");
    return library->refused || copy_library(registry, index, folder, error);
}

struct registry *registry_new(const struct engine_library *libraries, size_t count, const char *folder,
                              struct error *error) {
    struct registry *registry = calloc(1, sizeof *registry);
    if (registry) registry->libraries = calloc(count > 0 ? count : 1, sizeof *registry->libraries);
    bool ok = (registry && registry->libraries) || error_memory(error);
    for (size_t i = 0; ok && i < count; i++) ok = add_library(registry, &libraries[i], folder, error);
    if (ok) return registry;
    registry_free(registry);
    return NULL;
}

static void plugin_clear(struct registry_plugin *plugin) {
    for (size_t i = 0; i < plugin->needs_count; i++) free(plugin->needs[i].providers);
    free(plugin->needs);
    schema_free(plugin->schema);
    cJSON_free(plugin->descriptor_text);
    cJSON_free(plugin->schema_text);
    cJSON_free(plugin->interfaces);
    cJSON_Delete(plugin->descriptor);
}

void registry_free(struct registry *registry) {
    if (!registry) return;
    for (size_t i = 0; i < registry->libraries_count; i++) {
        free(registry->libraries[i].path);
        free(registry->libraries[i].resources);
        free(registry->libraries[i].bridge);
        copies_clear(&registry->libraries[i].copy);
    }
    for (size_t i = 0; i < registry->plugins_count; i++) plugin_clear(&registry->plugins[i]);
    free(registry->libraries);
    free(registry->plugins);
    free(registry->groups);
    free(registry);
}

/* What a probe says names the copy that it saw; people know the library by its own name. */
void registry_refuse(struct registry *registry, size_t index, const char *sentence) {
    struct registry_library *library = &registry->libraries[index];
    const char *copy = library->copy.path, *at = copy && copy[0] ? strstr(sentence, copy) : NULL;
    library->loaded = false;
    set_reason(library->reason, sizeof library->reason, sentence);
    if (!at) return;
    char own[2 * sizeof library->reason];
    (void)snprintf(own, sizeof own, "%.*s%.250s%s", (int)(at - sentence), sentence, library->path, at + strlen(copy));
    set_reason(library->reason, sizeof library->reason, own);
}

/* ---------------------------------------------------------------------------------------------------- one descriptor */

static bool take_texts(struct registry_plugin *plugin, struct error *error) {
    const struct {
        const char **to;
        const char *key;
    } texts[] = {{&plugin->id, "id"},         {&plugin->name, "name"},       {&plugin->version, "version"},
                 {&plugin->vendor, "vendor"}, {&plugin->licence, "licence"}, {&plugin->description, "description"}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        *texts[i].to = json_string(plugin->descriptor, texts[i].key, "");
        if (strlen(*texts[i].to) > TEXT_MAX) return error_set(error, "its %s is too long", texts[i].key);
    }
    if (!is_name(plugin->id, ID_MAX)) return error_set(error, "a plugin has no proper id");
    if (!plugin->version[0]) return error_set(error, "plugin %s has no version", plugin->id);
    return true;
}

static bool compile_schema(struct registry_plugin *plugin, const cJSON *schema, struct error *error) {
    struct error why;
    schema_free(plugin->schema);
    cJSON_free(plugin->schema_text);
    plugin->schema = NULL;
    plugin->schema_text = cJSON_PrintUnformatted(schema);
    if (!plugin->schema_text) return error_memory(error);
    plugin->schema = schema_compile(plugin->schema_text, strlen(plugin->schema_text), &why);
    return plugin->schema || error_set(error, "plugin %s has a schema that is refused: %.300s", plugin->id, why.text);
}

/* Takes a rule out of the schema whose value is called as one of an interface that the plugin doesn't provide. */
static void leave_out(struct registry_plugin *plugin, cJSON *schema, const struct schema_summary *rule) {
    const char *const names[] = {rule->as, rule->confidence_as};
    for (size_t i = 0; i < 2; i++) {
        const char *owner = names[i] ? published_other_owner(plugin->descriptor, names[i]) : NULL;
        cJSON *properties = cJSON_GetObjectItemCaseSensitive(schema, "properties");
        if (!owner) continue;
        cJSON_DeleteItemFromObjectCaseSensitive(cJSON_GetObjectItemCaseSensitive(properties, rule->property),
                                                "x-summary");
        (void)snprintf(plugin->left_out, sizeof plugin->left_out,
                       "its \"%.60s\" is left out of summaries: \"%.60s\" is a value of %s/1, which it doesn't provide",
                       rule->property, names[i], owner);
    }
}

static bool take_schema(struct registry_plugin *plugin, struct error *error) {
    cJSON *schema = cJSON_GetObjectItemCaseSensitive(plugin->descriptor, "schema");
    if (!schema || cJSON_IsNull(schema)) return true;
    if (!compile_schema(plugin, schema, error)) return false;
    for (size_t i = 0; plugin->third_party && i < schema_summary_count(plugin->schema); i++)
        leave_out(plugin, schema, schema_summary_at(plugin->schema, i));
    return !plugin->left_out[0] || compile_schema(plugin, schema, error);
}

static bool take_provides(struct registry_plugin *plugin, struct error *error) {
    const cJSON *provides = json_member(plugin->descriptor, "provides"), *item = NULL;
    if (cJSON_GetArraySize(provides) > LIST_MAX) return error_set(error, "plugin %s provides too much", plugin->id);
    cJSON *names = cJSON_CreateArray();
    bool ok = names != NULL;
    cJSON_ArrayForEach(item, provides) {
        char name[160];
        const char *id = json_string(item, "id", "");
        if (!is_name(id, ID_MAX)) ok = false;
        (void)snprintf(name, sizeof name, "%.100s/%d", id, (int)json_integer(item, "major", 0));
        cJSON *text = cJSON_CreateString(name);
        if (!ok || !text || !cJSON_AddItemToArray(names, text)) {
            cJSON_Delete(text);
            ok = false;
            break;
        }
    }
    if (ok && cJSON_GetArraySize(names) > 0) plugin->interfaces = cJSON_PrintUnformatted(names);
    cJSON_Delete(names);
    return ok || error_set(error, "plugin %s provides an interface without a proper id", plugin->id);
}

static bool take_needs(struct registry_plugin *plugin, struct error *error) {
    const cJSON *needs = json_member(plugin->descriptor, "needs"), *item = NULL;
    int count = cJSON_GetArraySize(needs);
    if (count > LIST_MAX) return error_set(error, "plugin %s needs too much", plugin->id);
    plugin->needs = calloc(count > 0 ? (size_t)count : 1, sizeof *plugin->needs);
    if (!plugin->needs) return error_memory(error);
    cJSON_ArrayForEach(item, needs) {
        struct registry_need *need = &plugin->needs[plugin->needs_count++];
        *need = (struct registry_need){
            .interface = json_string(item, "id", ""),
            .major = (int)json_integer(item, "major", 0),
            .required = json_bool(item, "required", true),
            .early = json_bool(item, "early", false),
        };
        if (!is_name(need->interface, ID_MAX))
            return error_set(error, "plugin %s needs an interface without a proper id", plugin->id);
    }
    return true;
}

/* What decides the plugin's results besides audio and inputs (DESIGN: identity of a result). */
static bool take_base(struct registry_plugin *plugin, const struct registry_library *library, struct error *error) {
    struct hash *hash = hash_new();
    const cJSON *effective = json_member(plugin->descriptor, "effective"), *resource = NULL;
    char *params = effective ? cJSON_PrintUnformatted(effective) : NULL;
    if (!hash || (effective && !params)) {
        hash_free(hash);
        cJSON_free(params);
        return error_memory(error);
    }
    hash_add_text(hash, plugin->id);
    hash_add_text(hash, plugin->version);
    hash_add_text(hash, library->hash);
    hash_add_text(hash, params);
    cJSON_ArrayForEach(resource, json_member(plugin->descriptor, "resources")) {
        hash_add_text(hash, json_string(resource, "name", ""));
        hash_add_text(hash, json_string(resource, "hash", ""));
    }
    hash_text(hash, plugin->base);
    hash_free(hash);
    cJSON_free(params);
    return true;
}

static bool take_plugin(struct registry *registry, size_t library, const cJSON *descriptor, struct error *error) {
    if (registry->plugins_count >= REGISTRY_PLUGINS_MAX) return error_set(error, "there are too many plugins");
    void *grown = realloc(registry->plugins, (registry->plugins_count + 1) * sizeof *registry->plugins);
    if (!grown) return error_memory(error);
    registry->plugins = grown;
    struct registry_plugin *plugin = &registry->plugins[registry->plugins_count];
    *plugin = (struct registry_plugin){
        .library = library,
        .third_party = registry->libraries[library].third_party,
        .enabled = true,
        .descriptor = cJSON_Duplicate(descriptor, true),
    };
    bool ok = plugin->descriptor ? take_texts(plugin, error) : error_memory(error);
    ok = ok && take_schema(plugin, error) && take_provides(plugin, error) && take_needs(plugin, error) &&
         take_base(plugin, &registry->libraries[library], error);
    if (ok) {
        plugin->descriptor_text = cJSON_PrintUnformatted(plugin->descriptor);
        if (!plugin->descriptor_text) ok = error_memory(error);
    }
    if (!ok) {
        plugin_clear(plugin);
        return false;
    }
    if (strcmp(json_string(descriptor, "outcome", "ok"), "ok") != 0) {
        plugin->enabled = false;
        set_reason(plugin->reason, sizeof plugin->reason, json_string(descriptor, "reason", "could not be created"));
    } else if (registry_find(registry, plugin->id) != SIZE_MAX) {
        plugin->enabled = false;
        char sentence[300];
        (void)snprintf(sentence, sizeof sentence, "its id is taken by a plugin of %.200s",
                       registry->libraries[registry->plugins[registry_find(registry, plugin->id)].library].path);
        set_reason(plugin->reason, sizeof plugin->reason, sentence);
    }
    registry->plugins_count++;
    return true;
}

void registry_take(struct registry *registry, size_t index, const cJSON *message) {
    struct registry_library *library = &registry->libraries[index];
    const char *hash = json_string(message, "hash", "");
    struct error error = {0};
    if (strcmp(json_string(message, "outcome", ""), "ok") != 0) {
        registry_refuse(registry, index, json_string(message, "reason", "could not be loaded"));
        return;
    }
    if (!hash_is_text(hash)) {
        registry_refuse(registry, index, "could not be loaded: its probe did not tell its hash");
        return;
    }
    if (library->copy.library_hash[0] && strcmp(library->copy.library_hash, hash) != 0) {
        registry_refuse(registry, index, "has changed while it was looked at");
        return;
    }
    (void)snprintf(library->hash, sizeof library->hash, "%s", hash);
    library->loaded = true;
    library->reason[0] = '\0';
    const cJSON *plugins = json_member(message, "plugins"), *item = NULL;
    int count = cJSON_GetArraySize(plugins);
    if (count < 1 || count > LIST_MAX) {
        registry_refuse(registry, index, "holds no plugin, or more than 64");
        return;
    }
    cJSON_ArrayForEach(item, plugins) {
        if (!take_plugin(registry, index, item, &error))
            set_reason(library->reason, sizeof library->reason, error.text);
    }
}

/* -------------------------------------------------------------------------------------------------------------- asking */

size_t registry_find(const struct registry *registry, const char *id) {
    for (size_t i = 0; i < registry->plugins_count; i++)
        if (strcmp(registry->plugins[i].id, id) == 0) return i;
    return SIZE_MAX;
}

bool registry_provides(const struct registry *registry, size_t index, const char *id, int major) {
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, json_member(registry->plugins[index].descriptor, "provides")) {
        if (strcmp(json_string(item, "id", ""), id) == 0 && json_integer(item, "major", 0) == major) return true;
    }
    return false;
}

/* One entry of `libraries`; NULL when the group runs nothing of it, or out of memory (*ok false). */
static cJSON *library_setting(const struct registry *registry, size_t index, size_t group, const cJSON *params,
                              bool *ok) {
    const struct registry_library *library = &registry->libraries[index];
    cJSON *setting = cJSON_CreateObject(), *only = NULL, *chosen = NULL;
    *ok = setting && cJSON_AddStringToObject(setting, "path", library->copy.path) &&
          cJSON_AddStringToObject(setting, "resources", library->copy.resources ? library->copy.resources : "") &&
          cJSON_AddBoolToObject(setting, "third_party", library->third_party) &&
          (only = cJSON_AddArrayToObject(setting, "only")) != NULL &&
          (chosen = cJSON_AddObjectToObject(setting, "params")) != NULL;
    for (size_t i = 0; *ok && i < registry->plugins_count; i++) {
        const struct registry_plugin *plugin = &registry->plugins[i];
        if (plugin->library != index || plugin->group != group || !plugin->enabled || plugin->unmet) continue;
        const cJSON *values = json_member(params, plugin->id);
        *ok = cJSON_AddItemToArray(only, cJSON_CreateString(plugin->id)) &&
              (!values || cJSON_AddItemToObject(chosen, plugin->id, cJSON_Duplicate(values, true)));
    }
    if (*ok && cJSON_GetArraySize(only) > 0) return setting;
    cJSON_Delete(setting);
    return NULL;
}

cJSON *registry_group_libraries(const struct registry *registry, size_t group, const cJSON *params) {
    cJSON *libraries = cJSON_CreateArray();
    bool ok = libraries != NULL;
    for (size_t i = 0; ok && i < registry->libraries_count; i++) {
        if (!registry->libraries[i].loaded) continue;
        cJSON *setting = library_setting(registry, i, group, params, &ok);
        if (setting) ok = cJSON_AddItemToArray(libraries, setting);
    }
    if (ok) return libraries;
    cJSON_Delete(libraries);
    return NULL;
}

void registry_hash(const struct registry *registry, struct hash *hash) {
    for (size_t i = 0; i < registry->plugins_count; i++) {
        const struct registry_plugin *plugin = &registry->plugins[i];
        if (!plugin->enabled) continue;
        hash_add_text(hash, plugin->base);
        hash_add_text(hash, plugin->unmet ? plugin->reason : NULL);
        for (size_t n = 0; n < plugin->needs_count; n++)
            for (size_t k = 0; k < plugin->needs[n].providers_count; k++)
                hash_add_text(hash, registry->plugins[plugin->needs[n].providers[k]].base);
    }
}
