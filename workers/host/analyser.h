/* The roles analyse and probe of sonde-worker (schema/protocol.md, "Analyser"): plugins, region by region.
 *
 * analyse: loads the settings' libraries, makes an instance of every plugin, locks the sandbox, and serves jobs.
 * probe: the same up to `ready`, to learn what a library declares; then it only waits for `quit`. */
#ifndef SONDE_HOST_ANALYSER_H
#define SONDE_HOST_ANALYSER_H

#include "workers/worker.h"

/* Returns the process's exit code. */
int analyser_run(struct worker *worker);

#endif
