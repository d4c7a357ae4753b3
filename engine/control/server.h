/* The engine's end of the control socket (schema/control.md): one JSON object a line, one request a connection, any number
 * of answers, the last of which ends the connection.
 *
 * Nothing that a client does can hurt: strangers are hung up on, a request has 10 s and 4 MiB, at most 16 clients are
 * connected, one that doesn't read what it asked for is hung up on when 8 MiB wait for it, and a request that isn't one by
 * schema/control.json is answered with a sentence. Loop thread only. */
#ifndef SONDE_CONTROL_SERVER_H
#define SONDE_CONTROL_SERVER_H

#include "engine/base/error.h"

#include <cjson/cJSON.h>
#include <uv.h>

#define CONTROL_VERSION     1
#define CONTROL_MAX_REQUEST (4 << 20)
#define CONTROL_MAX_DEPTH   8

struct control_server;
struct control_client;

struct control_calls {
    /* A request that satisfies the schema; valid during the call. Answer it, now or later, ending with control_end. */
    void (*request)(void *user, struct control_client *client, const cJSON *request);
    /* The client has left, or was hung up on, before control_end: it must not be used any more. */
    void (*left)(void *user, struct control_client *client);
};

/* Listens for the catalogue, whose lock the caller holds. NULL with a sentence. */
struct control_server *control_server_new(uv_loop_t *loop, const char *catalogue, const struct control_calls *calls,
                                          void *user, struct error *error);

/* Hangs up on everybody (`left` isn't called) and takes the socket away; `closed` is called when the loop has let go. */
void control_server_free(struct control_server *server, void (*closed)(void *context), void *context);

/* One answer; takes the object (NULL: out of memory, nothing is sent). */
void control_send(struct control_client *client, cJSON *answer);

/* The last answer: {"event": "reply", "ok": true, ...} of `reply` (an object that is taken, or NULL), or, with `problem`, "ok":
 * false and the sentence. The client must not be used any more. */
void control_end(struct control_client *client, cJSON *reply, const char *problem);

#endif
