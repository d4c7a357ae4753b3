/* Work that a running engine does for a command, which shows how far it is. One thread. */
#ifndef SONDE_CLI_HANDOVER_H
#define SONDE_CLI_HANDOVER_H

#include "engine/cli/progress.h"
#include "engine/control/client.h"

/* Adds what was named on a command line (named.h). */
bool handover_add_paths(cJSON *request, int count, char **paths, bool resolved);

/* Sends the request (analyze or rescan; taken) with `follow`, and shows its progress until it is done; returns an exit code.
 * Ctrl-C leaves the engine to it. */
int handover_follow(struct control_link *link, cJSON *request, struct progress *progress);

#endif
