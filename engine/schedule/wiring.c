/* Who reads whom: the part of the registry that groups plugins and resolves their needs. */
#include "engine/schedule/registry.h"

#include "engine/base/json.h"
#include "engine/base/path.h"
#include "engine/base/text.h"

#include <errno.h>
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

/* What a bridge loads always has a process of its own: all the plugins of one such library, and nobody else. */
static enum engine_isolation isolation_of(const struct registry *registry, const struct registry_plugin *plugin,
                                          enum engine_isolation isolation) {
    return registry->libraries[plugin->library].bridge ? ISOLATE_LIBRARY : isolation;
}

static void name_group(struct registry_group *group, const struct registry *registry,
                       const struct registry_plugin *plugin, enum engine_isolation isolation) {
    const char *name = isolation == ISOLATE_PLUGIN    ? plugin->id
                       : isolation == ISOLATE_LIBRARY ? path_name(registry->libraries[plugin->library].path)
                       : isolation == ISOLATE_VENDOR  ? plugin->vendor
                                                      : "plugins of others";
    group->third_party = true;
    (void)snprintf(group->name, sizeof group->name, "%.120s", name[0] ? name : "plugins without a vendor");
    text_cut(group->name, sizeof group->name - 1);
}

/* Whether two third-party plugins share a process. Which vendor a plugin is of is its own word: who trusts a vendor trusts all
 * that say so. */
static bool belong_together(const struct registry_plugin *a, const struct registry_plugin *b,
                            enum engine_isolation isolation) {
    return isolation == ISOLATE_SHARED || (isolation == ISOLATE_LIBRARY && a->library == b->library) ||
           (isolation == ISOLATE_VENDOR && strcmp(a->vendor, b->vendor) == 0);
}

/* Bundled plugins share group 0; third-party ones have theirs as `isolation` says. */
static bool make_groups(struct registry *registry, enum engine_isolation isolation, struct error *error) {
    free(registry->groups);
    registry->groups = calloc(registry->plugins_count + 1, sizeof *registry->groups);
    if (!registry->groups) return error_memory(error);
    registry->groups_count = 1;
    (void)snprintf(registry->groups[0].name, sizeof registry->groups[0].name, "bundled plugins");
    for (size_t i = 0; i < registry->plugins_count; i++) {
        struct registry_plugin *plugin = &registry->plugins[i];
        enum engine_isolation own = isolation_of(registry, plugin, isolation);
        plugin->group = 0;
        for (size_t k = 0; k < i && plugin->third_party && plugin->group == 0; k++)
            if (registry->plugins[k].third_party && own == isolation_of(registry, &registry->plugins[k], isolation) &&
                belong_together(plugin, &registry->plugins[k], own))
                plugin->group = registry->plugins[k].group;
        if (!plugin->third_party || plugin->group != 0) continue;
        plugin->group = registry->groups_count++;
        name_group(&registry->groups[plugin->group], registry, plugin, own);
    }
    return true;
}

/* ------------------------------------------------------------------------------------------------------------- ranking */

static void name_interface(const char *interface, int major, char out[160]) {
    (void)snprintf(out, 160, "%.120s/%d", interface, major);
}

/* Whether the user ranked plugin `id` among the providers of an interface. */
static bool is_ranked(const struct engine_options *options, const char *interface, int major, const char *id) {
    char name[160];
    name_interface(interface, major, name);
    for (size_t i = 0; i < options->rankings_count; i++)
        if (strcmp(options->rankings[i].interface, name) == 0 &&
            is_listed(options->rankings[i].plugins, options->rankings[i].plugins_count, id))
            return true;
    return false;
}

static bool provides_text(const struct registry *registry, size_t index, const char *interface) {
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, json_member(registry->plugins[index].descriptor, "provides")) {
        char name[160];
        name_interface(json_string(item, "id", ""), (int)json_integer(item, "major", 0), name);
        if (strcmp(name, interface) == 0) return true;
    }
    return false;
}

/* Order in the table is rank. So the providers of a ranked interface change places among themselves: those that are named in
 * their order, then the others in theirs. */
static bool apply_ranking(struct registry *registry, const struct engine_ranking *ranking, struct error *error) {
    size_t n = registry->plugins_count, count = 0, placed = 0;
    size_t *places = calloc(n + 1, sizeof *places);
    struct registry_plugin *order = calloc(n + 1, sizeof *order);
    if (!places || !order) {
        free(places);
        free(order);
        return error_memory(error);
    }
    for (size_t i = 0; i < n; i++)
        if (registry->plugins[i].enabled && provides_text(registry, i, ranking->interface)) places[count++] = i;
    for (size_t r = 0; r < ranking->plugins_count; r++)
        for (size_t k = 0; k < count; k++)
            if (strcmp(registry->plugins[places[k]].id, ranking->plugins[r]) == 0 && placed < count &&
                !is_listed(ranking->plugins, r, ranking->plugins[r]))
                order[placed++] = registry->plugins[places[k]];
    for (size_t k = 0; k < count; k++)
        if (!is_listed(ranking->plugins, ranking->plugins_count, registry->plugins[places[k]].id))
            order[placed++] = registry->plugins[places[k]];
    for (size_t k = 0; k < count; k++) registry->plugins[places[k]] = order[k];
    free(places);
    free(order);
    return true;
}

/* 0: put first by the user; 1: bundled, so that a third-party plugin can't delay or change what a bundled one reads unless the
 * user wants it to; 2: all others. */
static int provider_class(const struct registry *registry, size_t index, const struct registry_need *need,
                          const struct engine_options *options) {
    const struct registry_plugin *plugin = &registry->plugins[index];
    if (is_ranked(options, need->interface, need->major, plugin->id)) return 0;
    return plugin->third_party ? 2 : 1;
}

static bool find_providers(struct registry *registry, struct registry_need *need, const struct engine_options *options,
                           struct error *error) {
    free(need->providers);
    need->providers_count = 0;
    need->providers = calloc(registry->plugins_count, sizeof *need->providers);
    if (!need->providers) return error_memory(error);
    for (int class = 0; class <= 2; class ++)
        for (size_t i = 0; i < registry->plugins_count; i++)
            if (runs(&registry->plugins[i]) && registry_provides(registry, i, need->interface, need->major) &&
                provider_class(registry, i, need, options) == class)
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

/* The next better plugin that provides all that `index` does: it stands by for another, or runs. A plugin of another origin
 * counts only where the user put it first. */
static size_t find_better(const struct registry *registry, size_t index, const struct engine_options *options) {
    const struct registry_plugin *plugin = &registry->plugins[index];
    const cJSON *provided = json_member(plugin->descriptor, "provides"), *one;
    for (size_t i = index; i-- > 0 && cJSON_GetArraySize(provided) > 0;) {
        const struct registry_plugin *other = &registry->plugins[i];
        bool all = runs(other);
        cJSON_ArrayForEach(one, provided) {
            const char *id = json_string(one, "id", "");
            int major = (int)json_integer(one, "major", 0);
            all = all && registry_provides(registry, i, id, major) &&
                  (other->third_party == plugin->third_party || is_ranked(options, id, major, other->id));
        }
        if (all) return i;
    }
    return SIZE_MAX;
}

static void find_stand_ins(struct registry *registry, const struct engine_options *options) {
    for (size_t i = 0; i < registry->plugins_count; i++)
        registry->plugins[i].stands_by = runs(&registry->plugins[i]) ? find_better(registry, i, options) : SIZE_MAX;
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
        if (index != SIZE_MAX) {
            mark_wanted(registry, index, wanted);
            continue;
        }
        ok = error_set(error, "there is no plugin \"%s\" (sonde plugin list shows all, and what is broken)", only[i]);
        if (error) error->code = EINVAL;
    }
    for (size_t i = 0; ok && i < registry->plugins_count; i++)
        if (!wanted[i] && registry->plugins[i].enabled)
            refuse(&registry->plugins[i], "%s%s", "not asked for in this run", "");
    free(wanted);
    return ok;
}

bool registry_wire(struct registry *registry, const struct engine_options *options, struct error *error) {
    for (size_t i = 0; i < registry->plugins_count; i++) {
        struct registry_plugin *plugin = &registry->plugins[i];
        if (!registry->libraries[plugin->library].loaded && plugin->enabled)
            refuse(plugin, "%s%s", "its library was refused", "");
        if (plugin->enabled && is_listed(options->disabled, options->disabled_count, plugin->id))
            refuse(plugin, "%s%s", "disabled by configuration", "");
    }
    for (size_t i = 0; i < options->rankings_count; i++)
        if (!apply_ranking(registry, &options->rankings[i], error)) return false;
    if (!make_groups(registry, options->isolation, error)) return false;
    for (size_t i = 0; i < registry->plugins_count; i++)
        for (size_t n = 0; n < registry->plugins[i].needs_count; n++)
            if (!find_providers(registry, &registry->plugins[i].needs[n], options, error)) return false;
    if (!cut_circles(registry, error)) return false;
    while (refuse_unprovided(registry)) continue;
    if (options->only && !keep_only(registry, options->only, options->only_count, error)) return false;
    find_stand_ins(registry, options);
    for (size_t i = 0; i < registry->plugins_count; i++)
        if (registry->plugins[i].enabled) registry->groups[registry->plugins[i].group].plugins_count++;
    return true;
}
