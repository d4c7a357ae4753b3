/* Who reads whom: the part of the registry that groups plugins and resolves their needs. */
#include "engine/schedule/registry.h"

#include "engine/base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void refuse(struct registry_plugin *plugin, const char *format, const char *a, const char *b) {
    plugin->enabled = false;
    (void)snprintf(plugin->reason, sizeof plugin->reason, format, a, b);
}

/* It stays in the table, so that each region says why it has no result of this plugin. */
static void leave_unmet(struct registry_plugin *plugin, const char *format, const char *a, const char *b) {
    refuse(plugin, format, a, b);
    plugin->enabled = plugin->unmet = true;
}

static bool runs(const struct registry_plugin *plugin) {
    return plugin->enabled && !plugin->unmet;
}

static bool is_listed(const char *const *list, size_t count, const char *id) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i], id) == 0) return true;
    return false;
}

/* Bundled libraries share group 0; each third-party library has one of its own. */
static bool make_groups(struct registry *registry, struct error *error) {
    free(registry->groups);
    registry->groups = calloc(registry->libraries_count + 1, sizeof *registry->groups);
    if (!registry->groups) return error_memory(error);
    registry->groups_count = 1;
    (void)snprintf(registry->groups[0].name, sizeof registry->groups[0].name, "bundled plugins");
    for (size_t i = 0; i < registry->libraries_count; i++) {
        const struct registry_library *library = &registry->libraries[i];
        size_t group = 0;
        if (library->third_party) {
            group = registry->groups_count++;
            const char *name = strrchr(library->path, '/');
            registry->groups[group].third_party = true;
            (void)snprintf(registry->groups[group].name, sizeof registry->groups[group].name, "%.120s",
                           name ? name + 1 : library->path);
        }
        for (size_t k = 0; k < registry->plugins_count; k++)
            if (registry->plugins[k].library == i) registry->plugins[k].group = group;
    }
    return true;
}

/* Bundled plugins come first, so that a third-party one can't delay or change what a bundled one reads. */
static bool find_providers(struct registry *registry, struct registry_need *need, struct error *error) {
    free(need->providers);
    need->providers_count = 0;
    need->providers = calloc(registry->plugins_count, sizeof *need->providers);
    if (!need->providers) return error_memory(error);
    for (int third_party = 0; third_party <= 1; third_party++)
        for (size_t i = 0; i < registry->plugins_count; i++)
            if (runs(&registry->plugins[i]) && registry->plugins[i].third_party == (third_party == 1) &&
                registry_provides(registry, i, need->interface, need->major))
                need->providers[need->providers_count++] = i;
    return true;
}

static void remove_provider(struct registry_need *need, size_t plugin) {
    size_t kept = 0;
    for (size_t i = 0; i < need->providers_count; i++)
        if (need->providers[i] != plugin) need->providers[kept++] = need->providers[i];
    need->providers_count = kept;
}

/* Refuses whoever needs what nobody provides; true when somebody was, for others may have needed that one. */
static bool refuse_unprovided(struct registry *registry) {
    bool refused = false;
    for (size_t i = 0; i < registry->plugins_count; i++) {
        struct registry_plugin *plugin = &registry->plugins[i];
        for (size_t n = 0; runs(plugin) && n < plugin->needs_count; n++) {
            struct registry_need *need = &plugin->needs[n];
            for (size_t k = need->providers_count; k > 0; k--)
                if (!runs(&registry->plugins[need->providers[k - 1]])) remove_provider(need, need->providers[k - 1]);
            if (!need->required || need->providers_count > 0) continue;
            char major[16];
            (void)snprintf(major, sizeof major, "%d", need->major);
            leave_unmet(plugin, "needs %s/%s, which no usable plugin provides", need->interface, major);
            refused = true;
        }
    }
    return refused;
}

enum colour { WHITE, GREY, BLACK };

/* Depth first along the needs. Meeting a grey plugin closes a circle: an optional need that does so is dropped, a required
 * one refuses the plugin that has it. */
static void visit(struct registry *registry, size_t index, enum colour *colours) {
    struct registry_plugin *plugin = &registry->plugins[index];
    colours[index] = GREY;
    for (size_t n = 0; n < plugin->needs_count; n++) {
        struct registry_need *need = &plugin->needs[n];
        for (size_t k = need->providers_count; k > 0 && runs(plugin); k--) {
            size_t provider = need->providers[k - 1];
            if (colours[provider] == WHITE) visit(registry, provider, colours);
            if (colours[provider] != GREY) continue;
            remove_provider(need, provider);
            if (need->required && need->providers_count == 0)
                leave_unmet(plugin, "needs %s from %s, which leads in a circle back to it", need->interface,
                            registry->plugins[provider].id);
        }
    }
    colours[index] = BLACK;
}

static bool cut_circles(struct registry *registry, struct error *error) {
    enum colour *colours = calloc(registry->plugins_count + 1, sizeof *colours);
    if (!colours) return error_memory(error);
    for (size_t i = 0; i < registry->plugins_count; i++)
        if (runs(&registry->plugins[i]) && colours[i] == WHITE) visit(registry, i, colours);
    free(colours);
    return true;
}

/* The next better plugin of the same origin that provides all that `index` does: it stands by for another, or runs. */
static size_t find_better(const struct registry *registry, size_t index) {
    const struct registry_plugin *plugin = &registry->plugins[index];
    const cJSON *provided = json_member(plugin->descriptor, "provides"), *one;
    for (size_t i = index; i-- > 0 && cJSON_GetArraySize(provided) > 0;) {
        const struct registry_plugin *other = &registry->plugins[i];
        bool all = runs(other) && other->third_party == plugin->third_party;
        cJSON_ArrayForEach(one, provided) {
            all = all && registry_provides(registry, i, json_string(one, "id", ""), (int)json_integer(one, "major", 0));
        }
        if (all) return i;
    }
    return SIZE_MAX;
}

static void find_stand_ins(struct registry *registry) {
    for (size_t i = 0; i < registry->plugins_count; i++)
        registry->plugins[i].stands_by = runs(&registry->plugins[i]) ? find_better(registry, i) : SIZE_MAX;
    for (size_t i = 0; i < registry->plugins_count; i++) {
        struct registry_plugin *plugin = &registry->plugins[i];
        if (plugin->stands_by != SIZE_MAX)
            (void)snprintf(plugin->reason, sizeof plugin->reason, "stands by for %s",
                           registry->plugins[plugin->stands_by].id);
    }
}

/* Marks what `only` names, and what that reads. */
static void mark_wanted(const struct registry *registry, size_t index, bool *wanted) {
    if (wanted[index]) return;
    wanted[index] = true;
    const struct registry_plugin *plugin = &registry->plugins[index];
    for (size_t n = 0; n < plugin->needs_count; n++)
        for (size_t k = 0; k < plugin->needs[n].providers_count; k++)
            mark_wanted(registry, plugin->needs[n].providers[k], wanted);
}

static bool keep_only(struct registry *registry, const char *const *only, size_t count, struct error *error) {
    bool *wanted = calloc(registry->plugins_count + 1, sizeof *wanted);
    if (!wanted) return error_memory(error);
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++) {
        size_t index = registry_find(registry, only[i]);
        if (index == SIZE_MAX)
            ok = error_set(error, "there is no plugin \"%s\"", only[i]);
        else
            mark_wanted(registry, index, wanted);
    }
    for (size_t i = 0; ok && i < registry->plugins_count; i++)
        if (!wanted[i] && registry->plugins[i].enabled)
            refuse(&registry->plugins[i], "%s%s", "not asked for in this run", "");
    free(wanted);
    return ok;
}

bool registry_wire(struct registry *registry, const char *const *only, size_t only_count, const char *const *disabled,
                   size_t disabled_count, struct error *error) {
    if (!make_groups(registry, error)) return false;
    for (size_t i = 0; i < registry->plugins_count; i++) {
        struct registry_plugin *plugin = &registry->plugins[i];
        if (!registry->libraries[plugin->library].loaded && plugin->enabled)
            refuse(plugin, "%s%s", "its library was refused", "");
        if (plugin->enabled && is_listed(disabled, disabled_count, plugin->id))
            refuse(plugin, "%s%s", "disabled by configuration", "");
    }
    for (size_t i = 0; i < registry->plugins_count; i++)
        for (size_t n = 0; n < registry->plugins[i].needs_count; n++)
            if (!find_providers(registry, &registry->plugins[i].needs[n], error)) return false;
    if (!cut_circles(registry, error)) return false;
    while (refuse_unprovided(registry)) continue;
    if (only && !keep_only(registry, only, only_count, error)) return false;
    (void)refuse_unprovided(registry);
    find_stand_ins(registry);
    for (size_t i = 0; i < registry->plugins_count; i++)
        if (registry->plugins[i].enabled) registry->groups[registry->plugins[i].group].plugins_count++;
    return true;
}
