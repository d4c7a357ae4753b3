/* Where the worker program and the plugin libraries are: beside the running program, in a build tree or an installation.
 * Any thread: nothing is kept between two calls. */
#ifndef SONDE_CLI_PLACES_H
#define SONDE_CLI_PLACES_H

#include "engine/base/error.h"

#include <stddef.h>

struct config;
struct engine_library;

/* The path of sonde-worker: worker.path of the configuration, else beside this program, else where a build tree or an
 * installation has it. Caller frees; NULL with a sentence. */
char *places_worker(const struct config *config, struct error *error);

/* Plugin libraries that were found. */
struct places_plugins {
    struct engine_library *libraries; /* bundled ones first; paths owned by this struct */
    size_t count;
};

/* All plugin libraries: the bundled folder (plugins.bundled, else beside the program), then those of others in
 * $SONDE_PLUGIN_PATH, plugins.path, ~/.local/lib/sonde, ../lib/sonde seen from the program, and the system's library folders,
 * in that order; then the Vamp libraries that plugins.vamp asks for. The resources of DIR/NAME.so are the folder DIR/NAME.resources, if there is one. What is found and can't be
 * used is among them with the reason: a second file of the same name, a link to nothing, a folder that can't be read. False
 * with a sentence when there are no bundled plugins or memory is short. Any thread. */
bool places_find_plugins(const struct config *config, struct places_plugins *plugins, struct error *error);
void places_free_plugins(struct places_plugins *plugins);

#endif
