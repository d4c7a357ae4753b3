/* Looks at what is settling (settle.h), taken on threads, for a look may hang with its file system. Each group of files, one file
 * system as a rule, has at most one batch under way, without a deadline: where a share doesn't answer, its own files wait, and no
 * others. Loop thread. */
#ifndef SONDE_WATCH_LOOKS_H
#define SONDE_WATCH_LOOKS_H

#include "engine/base/error.h"
#include "engine/watch/settle.h"

#include <uv.h>

struct looks;

/* `settled` is called for each file that is whole. `settle` stays the caller's; it and `context` must outlive looks_free's call. */
struct looks *looks_new(uv_loop_t *loop, struct settle *settle, void (*settled)(void *context, const char *path),
                        void *context, struct error *error);

/* Sends somebody to look at what is due in `group`, unless that group's last batch is still under way. */
void looks_send(struct looks *looks, size_t group);

/* What is under way in `group` doesn't count any more, and need not be waited for. */
void looks_forget(struct looks *looks, size_t group);

/* `closed` is called on the loop thread when the loop's handles are. Hanging threads are left to themselves. */
void looks_free(struct looks *looks, void (*closed)(void *context), void *context);

#endif
