/* The writer: the one thread that owns the writing connection.
 *
 * Work is posted as functions. The thread runs as many as have come, at most WRITER_BATCH of them or about 200 ms, in
 * one transaction, each inside a savepoint, so that one that fails undoes only itself. After the COMMIT (and only then)
 * their `done` functions run on the loop's thread, in the order of posting.
 *
 * When the disk is full (or the catalogue can't be written for another passing reason) the whole batch is rolled back
 * and kept; the writer pauses, says so once through `state`, tries again after 0.1 s to 1.6 s, and says when it goes
 * on. Nothing is lost and nothing reported as done meanwhile. So a function may run more than once: it must do the same
 * each time.
 *
 * Readers wait for nothing, and nothing here waits for readers, however long one stays: the log holds what they don't see yet. (But
 * for a log beyond 256 MiB, which a reader keeps from being started anew: then 100 ms in 10 s.)
 *
 * A catalogue that is found damaged is written no further: from there on all work fails, lest something is stored that
 * builds on what was lost. */
#ifndef SONDE_CATALOGUE_WRITER_H
#define SONDE_CATALOGUE_WRITER_H

#include "engine/base/error.h"
#include "engine/catalogue/catalogue.h"

#include <stddef.h>
#include <uv.h>

#define WRITER_BATCH 500

struct writer;

/* On the writer's thread. False: its changes are undone, and `done` gets the error. */
typedef bool (*writer_function)(struct catalogue *catalogue, void *argument, struct error *error);

/* On the loop's thread. `error` is NULL when the work is in the catalogue for good. */
typedef void (*writer_done)(void *argument, const struct error *error);

/* On the loop's thread: paused with a sentence for the user ("no space left on ..., waiting"), or going on (NULL). */
typedef void (*writer_state)(void *context, const char *sentence);

/* Starts the thread. `catalogue` (opened for writing) belongs to the writer from here on, and is closed by it. NULL
 * with a sentence on failure, and then the catalogue is still the caller's. Loop thread. */
struct writer *writer_new(struct catalogue *catalogue, uv_loop_t *loop, writer_state state, void *context,
                          struct error *error);

/* Posts work; `done` may be NULL. False when out of memory or after writer_stop: `done` won't be called. Loop thread.
 */
bool writer_post(struct writer *writer, writer_function function, void *argument, writer_done done);

/* Work posted and not done yet, for back-pressure. Loop thread. */
size_t writer_pending(const struct writer *writer);

/* Finishes what was posted, closes the catalogue, ends the thread; then calls `stopped` on the loop's thread, after
 * which the writer is gone. With `give_up` work that waits for disk space is dropped (its `done` gets the error). Loop
 * thread. */
void writer_stop(struct writer *writer, bool give_up, void (*stopped)(void *context), void *context);

#endif
