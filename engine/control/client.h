/* A command's end of the control socket (schema/control.md). Waits; one thread. */
#ifndef SONDE_CONTROL_CLIENT_H
#define SONDE_CONTROL_CLIENT_H

#include "engine/base/error.h"

#include <cjson/cJSON.h>
#include <stddef.h>

struct control_link;

/* Connects to the engine that writes this catalogue. NULL with a sentence when none answers. */
struct control_link *control_connect(const char *catalogue, struct error *error);

/* A request of that name, to be filled in. NULL: out of memory. */
cJSON *control_request(const char *command);

/* Adds one of its `paths`: any bytes. */
bool control_add_path(cJSON *request, const char *path, size_t n);

/* Sends the request, which is taken. */
bool control_ask(struct control_link *link, cJSON *request, struct error *error);

/* The next answer, waiting up to `seconds` for it (0: for ever). NULL: `error->code` is EPIPE when the engine has hung up,
 * ETIMEDOUT when nothing came, EPROTO when it wasn't one. The caller frees. */
cJSON *control_next(struct control_link *link, int seconds, struct error *error);

/* Sends, and waits for the reply, which is checked: NULL with the engine's sentence when it says no. */
cJSON *control_ask_once(struct control_link *link, cJSON *request, struct error *error);

void control_close(struct control_link *link); /* NULL is fine */

/* %XX in place back into bytes; false when that leaves a zero byte, or a % with something else behind it. */
bool control_path_decode(char *text);

#endif
