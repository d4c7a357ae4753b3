/* Runs once more what led to an incident. One thread. */
#ifndef SONDE_CLI_REPLAY_H
#define SONDE_CLI_REPLAY_H

#include "engine/cli/cli.h"

/* The plugin of incident `number` on its region (a decoder's on its file), alone, sandboxed, into a catalogue of its own
 * that is thrown away; prints the outcome, the reason, where the code was, and the worker's last words. With `debugger` the
 * worker stops before it loads anything and waits for one, without deadlines. Returns an exit code: CLI_OK when it went
 * well this time, CLI_SOME_FAILED when not. */
int replay_incident(long long number, bool debugger, const struct cli *cli);

#endif
