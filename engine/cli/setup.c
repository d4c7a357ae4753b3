#include "engine/cli/setup.h"

#include "engine/cli/config.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* {plugin: {key: value}} of what the configuration sets; NULL: nothing is set, or (with *ok false) out of memory. */
static char *params_json(const struct config *config, bool *ok) {
    const char *plugin, *key, *value;
    *ok = true;
    if (!config_plugin_param(config, 0, &plugin, &key, &value)) return NULL;
    cJSON *all = cJSON_CreateObject();
    *ok = all != NULL;
    for (size_t i = 0; *ok && config_plugin_param(config, i, &plugin, &key, &value); i++) {
        cJSON *one = cJSON_GetObjectItemCaseSensitive(all, plugin);
        if (!one) one = cJSON_AddObjectToObject(all, plugin);
        *ok = one && cJSON_AddStringToObject(one, key, value); /* the plugin host knows what kind it should be */
    }
    char *text = *ok ? cJSON_PrintUnformatted(all) : NULL;
    cJSON_Delete(all);
    if (!text) *ok = false;
    return text;
}

/* The segmenter's parameters that are set, as an object, or NULL as above. */
static char *segment_json(const struct config *config, bool *ok) {
    cJSON *object = cJSON_CreateObject();
    *ok = object != NULL;
    for (const struct config_key *key = config_keys(); *ok && key->name; key++) {
        if (strncmp(key->name, "segment.", 8) != 0 || config_text(config, key->name)[0] == '\0') continue;
        *ok = cJSON_AddNumberToObject(object, key->name + 8, config_number(config, key->name)) != NULL;
    }
    char *text = *ok && object->child ? cJSON_PrintUnformatted(object) : NULL;
    if (*ok && object->child && !text) *ok = false;
    cJSON_Delete(object);
    return text;
}

/* All that is disabled: words of the configuration's list (cut in place), and the choices. */
static bool list_disabled(struct setup *setup, struct error *error) {
    size_t n = 0, room = strlen(setup->disabled) / 2 + 1 + setup->choices.disabled_count;
    setup->words = calloc(room + 1, sizeof *setup->words);
    if (!setup->words) return error_memory(error);
    char *rest = NULL;
    for (char *word = strtok_r(setup->disabled, ", ", &rest); word; word = strtok_r(NULL, ", ", &rest))
        setup->words[n++] = word;
    for (size_t i = 0; i < setup->choices.disabled_count; i++) setup->words[n++] = setup->choices.disabled[i];
    setup->options.disabled = setup->words;
    setup->options.disabled_count = n;
    return true;
}

static bool parse_isolation(const char *word, enum engine_isolation *isolation, struct error *error) {
    static const char *const words[] = {"plugin", "library", "vendor", "shared"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(words[i], word) != 0) continue;
        *isolation = (enum engine_isolation)i;
        return true;
    }
    return error_set(error, "plugins.isolation = %.100s: should be plugin, library, vendor or shared", word);
}

/* $XDG_CACHE_HOME/sonde/probes or ~/.cache/sonde/probes; NULL: none, or (with *ok false) out of memory. */
static char *cache_folder(bool *ok) {
    const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char *folder = NULL;
    int n = 0;
    if (base && base[0] == '/')
        n = asprintf(&folder, "%s/sonde/probes", base);
    else if (home && home[0] == '/')
        n = asprintf(&folder, "%s/.cache/sonde/probes", home);
    *ok = n >= 0;
    return n > 0 ? folder : NULL;
}

bool setup_set_order(struct setup *setup, const char *name, struct error *error) {
    static const char *const names[] = {[ENGINE_ARRIVAL] = "arrival",
                                        [ENGINE_NEWEST] = "newest",
                                        [ENGINE_OLDEST] = "oldest",
                                        [ENGINE_SMALLEST] = "smallest"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) != 0) continue;
        setup->options.order = (enum engine_order)i;
        setup->order = names[i];
        return true;
    }
    error_set(error, "order %s: should be arrival, newest, oldest or smallest", name);
    error->code = EINVAL;
    return false;
}

bool setup_open(struct setup *setup, const struct cli *cli, struct error *error) {
    const struct config *config = cli->config;
    *setup = (struct setup){.choices.lock = -1};
    struct engine_options *options = &setup->options;
    engine_options_init(options);
    bool params_ok, segment_ok, cache_ok;
    setup->probe_cache = cache_folder(&cache_ok);
    setup->params = params_json(config, &params_ok);
    setup->segment = segment_json(config, &segment_ok);
    setup->disabled = strdup(config_text(config, "plugins.disabled"));
    if (!params_ok || !segment_ok || !cache_ok || !setup->disabled) return error_memory(error);
    if (!choices_open(&setup->choices, config, false, error) || !list_disabled(setup, error) ||
        !parse_isolation(config_text(config, "plugins.isolation"), &options->isolation, error))
        return false;
    setup->worker = places_worker(config, error);
    if (!setup->worker || !places_find_plugins(config, &setup->plugins, error)) return false;
    options->catalogue = cli->catalogue;
    options->worker = setup->worker;
    options->libraries = setup->plugins.libraries;
    options->libraries_count = setup->plugins.count;
    options->rankings = setup->choices.rankings;
    options->rankings_count = setup->choices.rankings_count;
    options->probe_cache = setup->probe_cache;
    options->params_json = setup->params;
    options->segment_json = setup->segment;
    options->jobs = (unsigned)config_integer(config, "engine.jobs");
    options->byte_budget = (uint64_t)config_integer(config, "engine.pcm_budget") << 20;
    options->memory_limit = (uint64_t)config_integer(config, "worker.memory_limit") << 20;
    options->cpu_limit = (uint64_t)config_integer(config, "worker.cpu_limit");
    options->deadlines.open = config_number(config, "engine.open_deadline");
    options->deadlines.load = config_number(config, "engine.load_deadline");
    options->deadlines.decode = config_number(config, "engine.decode_deadline");
    options->deadlines.analyse = config_number(config, "engine.analyse_deadline");
    options->circuit_rest = config_number(config, "engine.circuit_rest");
    options->min_free = (uint64_t)config_integer(config, "engine.min_free") << 20;
    options->background = config_boolean(config, "engine.background");
    return setup_set_order(setup, config_text(config, "queue.order"), error);
}

void setup_close(struct setup *setup) {
    places_free_plugins(&setup->plugins);
    free(setup->worker);
    free(setup->params);
    free(setup->segment);
    free(setup->disabled);
    free(setup->probe_cache);
    free(setup->words);
    choices_close(&setup->choices);
}
