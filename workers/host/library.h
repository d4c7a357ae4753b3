/* A plugin library: loading, checking what it declares, and what the host offers it.
 *
 * Everything that a library declares is checked before it is used; a library that breaks a rule is refused with a sentence.
 * Pointers can't be checked: a library may crash its worker here, and the engine then knows which one it was.
 * The system's loader is behind library_file.h. One thread, the one that later calls the plugins. */
#ifndef SONDE_HOST_LIBRARY_H
#define SONDE_HOST_LIBRARY_H

#include "engine/base/error.h"
#include "engine/base/hash.h"
#include "engine/base/schema.h"
#include "sonde/plugin.h"
#include "workers/host/environment.h"

#include <stddef.h>
#include <stdint.h>

#define LIBRARY_MAX_PLUGINS 64
#define LIBRARY_MAX_LIST    64 /* inputs, needs, provides, params or arrays of one plugin */

/* What is being called. */
enum host_phase {
    HOST_LOAD, /* dlopen: constructors */
    HOST_INIT, /* init, plugin_count, plugin_at */
    HOST_CREATE,
    HOST_BEGIN,
    HOST_PROCESS,
    HOST_FINISH,
    HOST_ABANDON,
    HOST_DESTROY,
    HOST_DEINIT,
    HOST_UNLOAD, /* dlclose: destructors */
    HOST_PHASES
};

/* What the host does for its libraries. Members may be NULL but `environment`. */
struct library_services {
    const struct environment *environment;
    void *context;
    void (*enter)(void *context, const char *library,
                  enum host_phase phase);                    /* before a call; library: its file name */
    void (*leave)(void *context);                            /* after it */
    void (*log)(void *context, int level, const char *text); /* clean UTF-8 on one line */
    bool (*cancelled)(void *context);
};

/* A file that a plugin opened. */
struct resource {
    char *name;
    const void *data; /* mapped read-only and private */
    uint64_t size;
    char hash[HASH_TEXT];
};

struct library {
    char *path;
    char *resource_dir;   /* NULL: it has none */
    char hash[HASH_TEXT]; /* of the file */
    void *handle;
    const sonde_entry_t *entry;
    sonde_host_t api; /* what the library sees; its context is this struct */
    struct library_services services;
    bool initialised;
    bool may_open;  /* inside init or create: resource_open works */
    bool disturbed; /* it changed the arithmetic or the locale when loaded or in init, and didn't set it back */
    size_t plugins_count;
    sonde_descriptor_t *descriptors[LIBRARY_MAX_PLUGINS]; /* copies, in the sizes of this host's header */
    struct schema *schemas[LIBRARY_MAX_PLUGINS];          /* compiled; NULL where the descriptor has none */
    struct resource *resources;
    size_t resources_count;
};

/* Loads `path` (with a slash in it), calls init, and checks all descriptors. NULL with a sentence when it is refused. */
struct library *library_load(const char *path, const char *resource_dir, const struct library_services *services,
                             struct error *error);

/* Calls deinit and unloads. All instances must be destroyed. NULL is fine. */
void library_close(struct library *library);

/* Calls create. NULL with a sentence when the plugin refuses or what it returns isn't complete. */
sonde_plugin_t *library_create(struct library *library, const char *id, const sonde_param_value_t *values,
                               uint32_t count, struct error *error);

/* A copy of a plugin's descriptor, which may be of an older or newer minor version than this host, with its lists, in this
 * host's sizes (texts are still the plugin's); NULL with a sentence when it breaks a rule. Caller frees. (library_load calls
 * it.) */
sonde_descriptor_t *library_take_descriptor(const sonde_descriptor_t *given, struct error *error);

/* Opens a file below `dir`: plain names joined by "/", no "..", no links anywhere, a regular file. Fills in data, size and
 * hash; the caller unmaps. */
bool resource_map(const char *dir, const char *name, struct resource *resource, struct error *error);
void resource_unmap(struct resource *resource);

#endif
