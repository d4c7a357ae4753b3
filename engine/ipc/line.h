/* The worker's end of its conversation with the engine (engine/ipc/channel.h is the other). One thread. */
#ifndef SONDE_IPC_LINE_H
#define SONDE_IPC_LINE_H

#include "engine/base/error.h"

#include <cjson/cJSON.h>

struct line;

/* Opens the socket, which starts NNG's threads, and dials. Waits until the engine answers or refuses. */
struct line *line_dial(const char *url, struct error *error);

/* Whether the connection has ended; what came before may still wait to be received. Any thread. */
bool line_is_gone(const struct line *line);

/* Waits up to `timeout_ms` (-1: for ever) for the next message; the caller frees it with cJSON_Delete. NULL:
 * `error->code` is ETIMEDOUT, EPIPE when the engine has closed the connection, EPROTO when what came was no message. */
cJSON *line_receive(struct line *line, int timeout_ms, struct error *error);

/* Sends a message, which stays the caller's. `error->code` is EPIPE when the engine is gone, EMSGSIZE when the message
 * is longer than a worker may send. */
bool line_send(struct line *line, const cJSON *message, struct error *error);

/* Gives what was sent a moment to leave. The process must then end by _exit: NNG 1.5.2 can deadlock when a socket is
 * closed (see channel.h), and does no good in exit handlers. NULL is fine. */
void line_finish(struct line *line);

#endif
