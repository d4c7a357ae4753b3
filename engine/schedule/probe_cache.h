/* What probes have told of plugin libraries, kept from run to run, so that a start loads no library only to ask what it holds.
 *
 * One file a library in a folder of the user's cache: the key (path, time, size and content of the library, its resources, the
 * parameters, the worker program) and the `library` message that the probe sent. An entry is used only when its key is the
 * very same and its bytes carry their own hash; whatever else lies there (damage, another version, a folder or a file that
 * others can write to) is as good as nothing, and the library is looked at again. Entries are replaced in one step, so any
 * number of engines may use the folder at once. Only libraries whose plugins all could be created are kept: what is broken
 * is tried again each time, for its cause may lie outside of it. One thread. */
#ifndef SONDE_SCHEDULE_PROBE_CACHE_H
#define SONDE_SCHEDULE_PROBE_CACHE_H

#include "engine/schedule/copies.h"

#include <cjson/cJSON.h>

struct probe_cache;

/* `folder` is made where it is missing (parents too). `worker`: path of the worker program; `params`: JSON of the plugins'
 * parameters or NULL. NULL: no cache can be had, which the functions below take as an empty one. */
struct probe_cache *probe_cache_open(const char *folder, const char *worker, const cJSON *params);
void probe_cache_close(struct probe_cache *cache);

/* The message about a library, or NULL. Caller frees. */
cJSON *probe_cache_find(const struct probe_cache *cache, const char *library, const struct copy *copy);

/* Keeps a message, if all is well with the library; failing to is no error. */
void probe_cache_keep(const struct probe_cache *cache, const char *library, const struct copy *copy,
                      const cJSON *message);

/* Forgets what is kept about a library; `folder` NULL: nothing is. */
void probe_cache_forget(const char *folder, const char *library);

#endif
