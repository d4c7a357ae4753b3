/* The engine's end of its conversation with one worker: an NNG pair1 socket and an ipc:// listener of its own.
 *
 * One channel serves one life of one worker. A shared listener would not do: with NNG 1.5.2 a peer that dies during the
 * handshake makes the listener deaf to all later peers (nanomsg/nng#1518); and a fresh channel costs 0.1 ms.
 *
 * Loop thread only. NNG's threads never reach the callbacks below: they fill a bounded queue and wake the loop. */
#ifndef SONDE_IPC_CHANNEL_H
#define SONDE_IPC_CHANNEL_H

#include "engine/base/error.h"

#include <cjson/cJSON.h>
#include <sys/types.h>
#include <uv.h>

struct channel;

/* One of:
 * - `message` is set: a message has come, which now belongs to the receiver (cJSON_Delete).
 * - `message` is NULL, problem->code EPROTO: what came was no message. Nothing more will be delivered: kill the worker.
 * - `message` is NULL, problem->code EPIPE: the connection is gone. Everything sent before has been delivered. Mostly
 * the worker is dead or dying and its exit callback follows; if it doesn't within a moment, kill it: it has closed its
 *   socket, or has sent more than a message may hold.
 * channel_close may be called from inside, after killing and reaping the worker. */
typedef void (*channel_fn)(void *context, cJSON *message, const struct error *problem);

/* Opens a channel listening at FOLDER/NAME (the folder is private to the engine: engine/ipc/run_folder.h). */
struct channel *channel_open(uv_loop_t *loop, const char *folder, const char *name, channel_fn on_event, void *context,
                             struct error *error);

/* What to tell the worker: "ipc://FOLDER/NAME". Valid until channel_close. */
const char *channel_url(const struct channel *channel);

/* Only process `pid` may talk here: call it right after spawning, before the loop runs again. Whatever other processes
 * have said or will say is thrown away. Until it is called nothing is delivered. */
void channel_expect(struct channel *channel, pid_t pid);

/* Sends a message, which stays the caller's. Never blocks; messages sent before the worker has dialled wait for it.
 * `error->code` is EAGAIN when 16 messages wait already: the worker isn't listening, or too much was sent at once; ENOMEM
 * when there is no memory for it. */
bool channel_send(struct channel *channel, const cJSON *message, struct error *error);

/* What the worker has said and will say is thrown away unread from here on: of the events only EPIPE still comes. */
void channel_ignore(struct channel *channel);

/* No callback comes after this. Call it when the worker's process has ended (or was never started), and let the loop
 * run: the memory goes when the connection is seen to be gone. NULL is fine.
 *
 * NNG 1.5.2 deadlocks for good when a socket or listener is closed while a peer connects or sends (nanomsg/nng#1543,
 * #1813; 500 of 500 tries ended so within seconds). So the worker must be dead first; what it still had sent is read
 * and thrown away until the connection is gone; and a listener is never closed and opened again: a worker that doesn't
 * say hello in time is killed, and the next one gets a new channel. */
void channel_close(struct channel *channel);

/* Ends a loop whose channels are closed, as uv_loop_close does: once their memory is gone, or after half a second without. */
void channel_close_loop(uv_loop_t *loop);

#endif
