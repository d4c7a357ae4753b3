/* A loaded library as the JSON of a `library` message (schema/protocol.md). */
#ifndef SONDE_HOST_DESCRIBE_H
#define SONDE_HOST_DESCRIBE_H

#include "workers/host/host.h"

#include <cjson/cJSON.h>

/* Adds to `message`: hash, and plugins with their descriptors, resources and effective parameters, those of `library` that
 * the host keeps. False: out of memory. */
bool describe_library(cJSON *message, const struct host *host, const struct library *library);

#endif
