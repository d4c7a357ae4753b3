/* The decoder role: `scan` and `read` jobs of schema/protocol.md, one after the other.
 *
 * A scan is one pass (scan.h). A read enters the file where its format allows that exactly, and otherwise decodes from the
 * start; the file stays open, so that the next read of the same file that lies further on costs only what is new. */
#ifndef SONDE_DECODE_DECODER_H
#define SONDE_DECODE_DECODER_H

#include "workers/worker.h"

/* Loads FFmpeg's libraries, if any; locks down; serves. Returns the exit code. */
int decoder_run(struct worker *worker);

#endif
