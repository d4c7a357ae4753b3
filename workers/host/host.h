/* The plugin host: libraries and their instances, and the way of one region through them.
 *
 *     host_new, host_load ..., host_create,
 *     ( host_region_begin, host_region_feed ..., host_region_finish, host_result ..., host_region_end )*, host_free
 *
 * It knows nothing of messages, files or processes: the worker and the development tools use it alike. One thread. */
#ifndef SONDE_HOST_HOST_H
#define SONDE_HOST_HOST_H

#include "engine/base/error.h"
#include "workers/host/library.h"
#include "workers/host/params.h"
#include "workers/host/writer.h"

#include <cjson/cJSON.h>
#include <stddef.h>

/* Who wants to know. Members may be NULL. */
struct host_hooks {
    void *context;
    /* Around every call into a plugin or library; `plugin`: its id, or the library's file name. */
    void (*enter)(void *context, const char *plugin, enum host_phase phase);
    void (*leave)(void *context);
    /* A line from a plugin ("" when it isn't inside one), clean UTF-8. */
    void (*log)(void *context, const char *plugin, int level, const char *text);
    /* Whether the region is no longer wanted. */
    bool (*cancelled)(void *context);
    /* For whoever checks what plugins do with blocks. Before every `process`: the block that the plugin gets instead of
     * `block`; and after it, that one. Both or neither. */
    const sonde_block_t *(*give)(void *context, const sonde_block_t *block);
    void (*take)(void *context, const sonde_block_t *given);
};

/* One plugin that was loaded. */
struct host_plugin {
    struct library *library;
    const sonde_descriptor_t *descriptor;
    const struct schema *schema; /* NULL: any object */
    struct params params;        /* effective */
    sonde_plugin_t *instance;    /* NULL: create failed */
    struct error failure;        /* why, when there is no instance */
    struct sonde_plugin *twin;   /* a second instance beside it (host_use_twins), or NULL */
    bool disturbed;              /* changed the arithmetic or the locale in a call, and didn't set it back */
};

#define HOST_OK          0
#define HOST_EMPTY       1
#define HOST_FAILED      2
#define HOST_UNSUPPORTED 3
#define HOST_MEMORY      4
#define HOST_SKIPPED     5

/* "ok", "empty", "failed", "unsupported", "memory", "skipped" (schema/outcomes.md). */
const char *host_outcome_name(int outcome);

/* What became of one plugin on the region. Valid until host_region_end. */
struct host_result {
    const struct host_plugin *plugin;
    int outcome;
    char reason[500];
    const char *json; /* NULL unless ok */
    size_t json_length;
    const struct host_array *arrays;
    size_t arrays_count;
    int64_t cpu_ns, wall_ns;
    int64_t peak_bytes; /* most heap it held between its calls, or used in begin or finish as far as that raised the
                           process's peak */
    uint64_t nonfinite;
    const char *refused;  /* what was wrong with what it wrote: "writing", "schema" or "instants"; NULL: nothing */
    int32_t code;         /* what its last call returned */
    char undeclared[100]; /* an interface that it read without needing it, or "" */
};

/* An array of an input. `data`: 64-byte aligned; belongs to the caller, until host_region_end. */
struct host_input_array {
    const char *name, *unit;
    uint32_t dtype, dimensions;
    uint64_t shape[4];
    double hop, start;
    const void *data;
};

/* The result of an interface that an earlier pass made. Belongs to the caller, until host_region_end. */
struct host_input {
    const char *interface;
    uint32_t major;
    const char *provider; /* plugin id */
    const char *outcome;  /* "ok", or why there is no result */
    const char *reason;
    const char *json; /* zero-terminated; NULL unless ok */
    size_t json_length;
    const struct host_input_array *arrays;
    size_t arrays_count;
};

struct host;

/* NULL: out of memory. The calling thread's floating-point environment and locale become the host's. */
struct host *host_new(const struct host_hooks *hooks, struct error *error);

/* Destroys all instances and unloads all libraries. Not during a region. NULL is fine. (A worker just exits instead: there
 * is nothing to save, and less of other people's code to wait for.) */
void host_free(struct host *host);

/* Loads a library. `only`: an array of plugin ids, or NULL for all; `settings`: {plugin id: {parameter: value}}, or NULL.
 * False with a sentence when it is refused; a plugin with bad settings is kept, without instance and with its failure.
 * Also refused: a plugin id that another library has. */
bool host_load(struct host *host, const char *path, const char *resource_dir, const cJSON *only, const cJSON *settings,
               struct error *error);

/* From now on every plugin has a second instance, which lives through the same regions at half the amplitude, call by call
 * beside the first, and whose results are dropped: plugins that share anything between instances give themselves away. */
void host_use_twins(struct host *host);

/* Makes an instance of every plugin that has none yet. Afterwards no more files are needed. */
void host_create(struct host *host);

size_t host_plugins_count(const struct host *host);
const struct host_plugin *host_plugin_at(const struct host *host, size_t index);
const struct host_plugin *host_plugin_find(const struct host *host, const char *id); /* or NULL */

/* The libraries, in the order of loading. */
size_t host_libraries_count(const struct host *host);
const struct library *host_library_at(const struct host *host, size_t index);

/* A region begins, for the plugins `run` (distinct, of this host; in order of preference where several provide the same).
 * `region` must stay valid until host_region_end. `block_frames` as in feed_new. False with a sentence when the region
 * itself is impossible; what goes wrong in a plugin is in its result. */
bool host_region_begin(struct host *host, const sonde_region_t *region, const struct host_plugin *const *run,
                       size_t count, const struct host_input *inputs, size_t inputs_count, uint32_t block_frames,
                       struct error *error);

/* The next `frames` native frames, one pointer a channel (4-byte aligned; valid during the call). */
void host_region_feed(struct host *host, const float *const *planes, size_t frames);

/* All of the region's frames were fed: every plugin finishes, in order of needs, and has its result. Once the region is
 * cancelled, those that haven't finished yet are abandoned. */
void host_region_finish(struct host *host);

/* The result of run[index]; after host_region_finish. */
const struct host_result *host_result(const struct host *host, size_t index);

/* CPU time of the host's own work on this region: resampling, spectra, and everything else outside plugins. */
void host_region_cost(const struct host *host, int64_t *resample_us, int64_t *spectrum_us, int64_t *feed_us);

/* The region is over: frees results and, where host_region_finish wasn't called, abandons what runs. */
void host_region_end(struct host *host);

#endif
