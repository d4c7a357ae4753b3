/* Notices that plugins have come, gone or changed while an engine runs, or that the user has chosen anew among them.
 *
 * Every few seconds a thread looks at the plugins of others (with their resources) and at the choices; what differs from the
 * start and is the same at two looks is worth a reload: a library that a linker is still writing isn't whole yet. Looking
 * rather than being told works on every file system, and a folder that doesn't answer hangs that thread alone. Bundled plugins
 * are part of the program: they change when it is started anew. Loop thread. */
#ifndef SONDE_CLI_LOOKOUT_H
#define SONDE_CLI_LOOKOUT_H

#include "engine/base/error.h"
#include "engine/base/hash.h"

#include <uv.h>

struct config;
struct lookout;

/* What there is now, in one word. Take it before the engine that is to be kept up to date is made: nothing is missed then.
 * Any thread. False: out of memory. */
bool lookout_sight(const struct config *config, char sight[HASH_TEXT]);

/* Begins to look, every `seconds`; `changed` is called once for each new state that holds still. `config` must outlive it. */
struct lookout *lookout_new(uv_loop_t *loop, const struct config *config, const char *sight, double seconds,
                            void (*changed)(void *user), void *user, struct error *error);

/* Stops. Runs the loop for a moment, so not from a callback. NULL is fine. */
void lookout_free(struct lookout *lookout);

#endif
