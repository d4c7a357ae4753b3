/* Fuzzes what a library says of itself (the `library` message of a probe, which has run that library's code): whatever it is, it
 * is taken or refused with a sentence, and the plugin table can be wired, asked, hashed and freed. The input is one message
 * a line, for a bundled library and two of others. */
#include "engine/ipc/message.h"
#include "engine/schedule/registry.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { LIBRARIES = 3 };

static void take_lines(struct registry *registry, const uint8_t *data, size_t n) {
    for (size_t i = 0; i < LIBRARIES && n > 0; i++) {
        const uint8_t *end = memchr(data, '\n', n);
        size_t length = end ? (size_t)(end - data) : n;
        cJSON *message = message_parse(data, length, MESSAGE_FROM_WORKER, NULL);
        if (message) {
            registry_take(registry, i, message);
            if (!registry->libraries[i].loaded && !registry->libraries[i].reason[0])
                abort(); /* refused without a word */
        }
        cJSON_Delete(message);
        data += end ? length + 1 : length;
        n -= end ? length + 1 : length;
    }
}

static void ask(const struct registry *registry) {
    for (size_t i = 0; i < registry->plugins_count; i++) {
        const struct registry_plugin *plugin = &registry->plugins[i];
        if (!plugin->id[0] || registry_find(registry, plugin->id) > i) abort();
        if ((!plugin->enabled || plugin->unmet) && !plugin->reason[0]) abort();
        for (size_t k = 0; k < plugin->needs_count; k++)
            for (size_t p = 0; p < plugin->needs[k].providers_count; p++)
                if (!registry_provides(registry, plugin->needs[k].providers[p], plugin->needs[k].interface,
                                       plugin->needs[k].major))
                    abort();
    }
    for (size_t g = 0; g < registry->groups_count; g++) cJSON_Delete(registry_group_libraries(registry, g, NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static const struct engine_library libraries[LIBRARIES] = {{.path = "/p/bundled.so"},
                                                               {.path = "/p/one.so", .third_party = true},
                                                               {.path = "/p/two.so", .third_party = true}};
    struct engine_options options;
    struct error error = {0};
    engine_options_init(&options);
    struct registry *registry = registry_new(libraries, LIBRARIES, NULL, &error);
    if (!registry) return 0;
    take_lines(registry, data, n);
    if (!registry_wire(registry, &options, &error)) abort(); /* nothing was asked for that could be missing */
    ask(registry);
    char text[HASH_TEXT];
    struct hash *hash = hash_new();
    if (hash) {
        registry_hash(registry, hash);
        hash_text(hash, text);
    }
    hash_free(hash);
    registry_free(registry);
    return 0;
}
