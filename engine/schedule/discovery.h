/* What plugins there are: from a list of library files to a wired table, for the engine and for whoever only wants to know.
 * Loop thread. */
#ifndef SONDE_SCHEDULE_DISCOVERY_H
#define SONDE_SCHEDULE_DISCOVERY_H

#include "engine/schedule/engine.h"
#include "engine/schedule/probe.h"
#include "engine/schedule/registry.h"

/* Who asks: its loop, its private folder (for sockets and the copies of libraries), its count of workers. */
struct discovery {
    uv_loop_t *loop;
    const char *folder;
    uint64_t *numbers;
    const bool *cancelled; /* as in probe_spec; NULL: never */
};

/* The settings that all workers share (protocol, without libraries and read_paths); NULL: out of memory. */
cJSON *discovery_settings(const struct engine_options *options);

/* A JSON object out of the options; `text` NULL is an empty one. `what` begins the sentence. */
bool discovery_object(const char *text, const char *what, cJSON **value, struct error *error);

/* Copies, probes and wires the libraries of the options. The caller frees the registry, and report->sandbox with cJSON_free.
 * NULL with a sentence when no worker can be started, memory is short, or it was cancelled. */
struct registry *discovery_learn(const struct discovery *discovery, const struct engine_options *options,
                                 struct probe_report *report, struct error *error);

/* The same for a program that has neither loop nor folder; nothing of either is left after it. The copies of the registry's
 * libraries are gone then. */
struct registry *discovery_run(const struct engine_options *options, struct probe_report *report, struct error *error);

/* Calls `tell` for each library and plugin that can't be used although nobody forbade it, and for what is left out of others. */
void discovery_problems(const struct registry *registry,
                        void (*tell)(void *user, const char *plugin_or_library, const char *sentence), void *user);

/* Whether every plugin takes the parameters ({plugin id: {parameter: value}}, or NULL) that it was given; false, with error->code
 * EINVAL, names the first that doesn't. Plugins that aren't there are told of, as above. */
bool discovery_check_params(const struct registry *registry, const cJSON *params,
                            void (*tell)(void *user, const char *plugin_or_library, const char *sentence), void *user,
                            struct error *error);

#endif
