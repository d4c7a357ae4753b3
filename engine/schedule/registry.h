/* The plugin table: what the libraries hold, as probe workers told, checked and wired together.
 *
 * Nothing a library says about itself is believed unchecked: descriptors come from a process that has run its code.
 * Plugins are tied together by interfaces. Where several plugins provide one, they are ranked: those that the user put first,
 * then bundled ones, then in the order of the libraries. Whoever needs the interface reads the first that succeeds. Loop
 * thread only. */
#ifndef SONDE_SCHEDULE_REGISTRY_H
#define SONDE_SCHEDULE_REGISTRY_H

#include "engine/base/error.h"
#include "engine/base/hash.h"
#include "engine/base/schema.h"
#include "engine/schedule/copies.h"
#include "engine/schedule/engine.h"

#include <cjson/cJSON.h>
#include <stddef.h>

#define REGISTRY_PLUGINS_MAX 512

struct registry_need {
    const char *interface;
    int major;
    bool required, early;
    size_t *providers; /* indexes of plugins, best first */
    size_t providers_count;
};

struct registry_plugin {
    cJSON *descriptor; /* of the protocol; the texts below lie in it */
    const char *id, *name, *version, *vendor, *description, *licence;
    char *descriptor_text, *schema_text; /* schema_text NULL: any object */
    char *interfaces;                    /* JSON array of "id/major"; NULL: none */
    struct schema *schema;               /* NULL: any object */
    size_t library, group;
    bool third_party;
    bool enabled;       /* has an outcome on every region */
    bool unmet;         /* ... which is "skipped", for its needs can't be met */
    char reason[512];   /* why not enabled, or unmet */
    char left_out[300]; /* what it declares and sonde leaves out, in a sentence; "": nothing */
    size_t
        stands_by; /* runs only where that next better provider of the same interfaces fails; SIZE_MAX: always runs */
    struct registry_need *needs;
    size_t needs_count;
    char base[HASH_TEXT]; /* id, version, library, effective parameters, resources */
};

struct registry_library {
    char *path, *resources; /* where the user has them */
    char *bridge;           /* what loads it instead of the worker itself; NULL: nothing */
    struct copy copy;       /* what workers load (copies.h) */
    bool third_party, loaded;
    bool refused; /* not to be looked at: its reason says why */
    char hash[HASH_TEXT];
    char reason[512]; /* why not loaded */
};

/* Plugins that share a process. */
struct registry_group {
    char name[128];
    bool third_party;
    size_t plugins_count; /* enabled ones */
};

struct registry {
    struct registry_library *libraries;
    size_t libraries_count;
    struct registry_plugin *plugins;
    size_t plugins_count;
    struct registry_group *groups;
    size_t groups_count;
};

/* Names the libraries, and copies them into `folder` (NULL: they are used where they are, without a copy); nothing is known
 * yet of what is in them. */
struct registry *registry_new(const struct engine_library *libraries, size_t count, const char *folder,
                              struct error *error);
void registry_free(struct registry *registry); /* NULL is fine */

/* Takes in a `library` message of a probe (or refuses it: library->reason). */
void registry_take(struct registry *registry, size_t library, const cJSON *message);
void registry_refuse(struct registry *registry, size_t library, const char *sentence);

/* Groups and wires what was taken in, as the options say: `only` (NULL: all) keeps those and what they need, `disabled`,
 * `rankings`, `isolation`. Plugins that can't run get their reason: disabled, an id that is taken; or, enabled but unmet, a
 * need that nobody provides or a circle of needs. */
bool registry_wire(struct registry *registry, const struct engine_options *options, struct error *error);

/* The index of plugin `id`, or SIZE_MAX. */
size_t registry_find(const struct registry *registry, const char *id);

/* Whether plugin `index` provides interface `id`/`major`. */
bool registry_provides(const struct registry *registry, size_t index, const char *id, int major);

/* The `libraries` setting of an analyser of `group`; `params` as in engine_options. Caller frees. */
cJSON *registry_group_libraries(const struct registry *registry, size_t group, const cJSON *params);

/* A hash of all enabled plugins: their bases and wiring. */
void registry_hash(const struct registry *registry, struct hash *hash);

#endif
