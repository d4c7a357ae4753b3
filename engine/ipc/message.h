/* What a message may be: one JSON object with a "type", within the caps of schema/protocol.md. Any thread. */
#ifndef SONDE_IPC_MESSAGE_H
#define SONDE_IPC_MESSAGE_H

#include "engine/base/error.h"

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_PROTOCOL    1
#define MESSAGE_TO_WORKER   ((size_t)4 << 20) /* bytes, at most */
#define MESSAGE_FROM_WORKER ((size_t)2 << 20) /* bytes, at most */
#define MESSAGE_DEPTH       40

/* What a worker exits with, where it is not 0 or the system's doing. */
#define WORKER_EXIT_NO_RESPAWN 64 /* trying again is pointless, the last line on stderr says why */
#define WORKER_EXIT_HUNG_UP    65 /* its connection to the engine broke */

/* A new message {"type": type}; NULL when out of memory. cJSON_Delete frees it. */
cJSON *message_new(const char *type);

/* {"type": type, "job": job, "nonce": nonce}: a message about a job. */
cJSON *message_new_job(const char *type, int64_t job, int64_t nonce);

/* Reads a message of `n` bytes; NULL with a sentence when it is more than `max_bytes`, not JSON within the limits, not
 * an object, or has no text "type". */
cJSON *message_parse(const void *bytes, size_t n, size_t max_bytes, struct error *error);

/* The message as text of `*n` bytes; NULL with a sentence when longer than `max_bytes`. Freed with cJSON_free. */
char *message_print(const cJSON *message, size_t max_bytes, size_t *n, struct error *error);

#endif
