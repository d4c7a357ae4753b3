#include "engine/schedule/discovery.h"

#include "engine/base/json.h"
#include "engine/base/text.h"
#include "engine/ipc/channel.h"
#include "engine/ipc/run_folder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

cJSON *discovery_settings(const struct engine_options *options) {
    cJSON *settings = cJSON_CreateObject();
    if (settings && cJSON_AddStringToObject(settings, "profile", options->profile) &&
        cJSON_AddNumberToObject(settings, "landlock_abi_max", options->landlock_abi_max) &&
        cJSON_AddNumberToObject(settings, "memory_limit", (double)options->memory_limit) &&
        cJSON_AddNumberToObject(settings, "cpu_limit", (double)options->cpu_limit) &&
        cJSON_AddBoolToObject(settings, "background", options->background) &&
        cJSON_AddNumberToObject(settings, "block_frames", 0))
        return settings;
    cJSON_Delete(settings);
    return NULL;
}

bool discovery_object(const char *text, const char *what, cJSON **value, struct error *error) {
    struct error why;
    *value = text ? json_parse(text, strlen(text), 1 << 20, 8, &why) : cJSON_CreateObject();
    if (!*value) return text ? error_set(error, "%s: %.400s", what, why.text) : error_memory(error);
    return cJSON_IsObject(*value) || error_set(error, "%s must be an object", what);
}

static bool probe(const struct discovery *discovery, const struct engine_options *options, const cJSON *settings,
                  const cJSON *params, struct registry *registry, struct probe_report *report, struct error *error) {
    struct probe_cache *cache = probe_cache_open(options->probe_cache, options->worker, params);
    struct probe_spec spec = {
        .loop = discovery->loop,
        .binary = options->worker,
        .folder = discovery->folder,
        .settings = settings,
        .params = params,
        .hello_deadline = options->deadlines.hello,
        .load_deadline = options->deadlines.load,
        .memory_limit = options->memory_limit,
        .numbers = discovery->numbers,
        /* None at all is for developers, with what is bundled: that is more than weak. */
        .allow_weak_sandbox = options->allow_weak_sandbox && strcmp(options->profile, "none") != 0,
        .cache = cache,
        .cancelled = discovery->cancelled,
    };
    bool ok = probe_libraries(&spec, registry, report, error);
    probe_cache_close(cache);
    return ok;
}

struct registry *discovery_learn(const struct discovery *discovery, const struct engine_options *options,
                                 struct probe_report *report, struct error *error) {
    *report = (struct probe_report){0};
    cJSON *settings = discovery_settings(options), *params = NULL;
    struct registry *registry = NULL;
    bool ok = settings || error_memory(error);
    ok = ok && discovery_object(options->params_json, "the plugins' parameters", &params, error);
    if (ok) registry = registry_new(options->libraries, options->libraries_count, discovery->folder, error);
    ok = registry && probe(discovery, options, settings, params, registry, report, error) &&
         registry_wire(registry, options, error);
    cJSON_Delete(settings);
    cJSON_Delete(params);
    if (ok) return registry;
    registry_free(registry);
    return NULL;
}

struct registry *discovery_run(const struct engine_options *options, struct probe_report *report, struct error *error) {
    uv_loop_t loop;
    struct run_folder folder;
    struct registry *registry = NULL;
    uint64_t numbers = 0;
    *report = (struct probe_report){0};
    if (!run_folder_open(&folder, error)) return NULL;
    int status = uv_loop_init(&loop);
    if (status == 0) {
        struct discovery discovery = {.loop = &loop, .folder = folder.path, .numbers = &numbers};
        registry = discovery_learn(&discovery, options, report, error);
        channel_close_loop(&loop);
    } else {
        error_set(error, "no event loop: %s", uv_strerror(status));
    }
    run_folder_close(&folder);
    return registry;
}

/* The path of a library may hold anything, and the sentence may name it. */
static void tell_of_library(const struct registry_library *library,
                            void (*tell)(void *user, const char *plugin_or_library, const char *sentence), void *user) {
    char *path = text_display(library->path, strlen(library->path));
    char *sentence = text_display(library->reason, strlen(library->reason));
    if (path && sentence) tell(user, path, sentence);
    free(path);
    free(sentence);
}

void discovery_problems(const struct registry *registry,
                        void (*tell)(void *user, const char *plugin_or_library, const char *sentence), void *user) {
    if (!tell) return;
    for (size_t i = 0; i < registry->libraries_count; i++)
        if (registry->libraries[i].reason[0]) tell_of_library(&registry->libraries[i], tell, user);
    for (size_t i = 0; i < registry->plugins_count; i++) {
        const struct registry_plugin *plugin = &registry->plugins[i];
        bool expected = strncmp(plugin->reason, "not asked for", 13) == 0 ||
                        strncmp(plugin->reason, "disabled", 8) == 0;
        if ((!plugin->enabled || plugin->unmet) && !expected) tell(user, plugin->id, plugin->reason);
        if (plugin->enabled && plugin->left_out[0]) tell(user, plugin->id, plugin->left_out);
    }
}

bool discovery_check_params(const struct registry *registry, const cJSON *params,
                            void (*tell)(void *user, const char *plugin_or_library, const char *sentence), void *user,
                            struct error *error) {
    for (const cJSON *one = params ? params->child : NULL; one; one = one->next) {
        size_t i = registry_find(registry, one->string);
        if (i == SIZE_MAX) {
            if (tell) tell(user, one->string, "its parameters are set, but there is no such plugin here");
        } else if (json_bool(registry->plugins[i].descriptor, "settings_refused", false)) {
            error_set(error, "%s: %.400s (sonde plugin show %s lists its parameters)", one->string,
                      registry->plugins[i].reason, one->string);
            if (error) error->code = EINVAL;
            return false;
        }
    }
    return true;
}
