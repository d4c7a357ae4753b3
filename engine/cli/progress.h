/* How a run shows what it does: a line that moves on a terminal, plain lines elsewhere, or JSON for programs.
 * One thread. Everything goes to standard error but JSON, which goes to standard output. */
#ifndef SONDE_CLI_PROGRESS_H
#define SONDE_CLI_PROGRESS_H

#include "engine/schedule/engine.h"

enum progress_style {
    PROGRESS_BAR,   /* one line, redrawn */
    PROGRESS_LINES, /* a line every 10 s, one for each failure */
    PROGRESS_JSON,  /* one object a line, for every file and every 0.5 s (schema/progress.md) */
    PROGRESS_QUIET,
};

struct progress;

/* NULL: out of memory. */
struct progress *progress_new(enum progress_style style, int width, bool colour);

/* The events to give to engine_new, with the progress as their user. */
const struct engine_events *progress_events(void);

/* Only paths for which `wanted` says so are looked at. Before engine_run. */
void progress_only(struct progress *progress, bool (*wanted)(void *context, const char *path), void *context);

/* The end: clears the line and prints the summary, which names every failure. `stopped`: by Ctrl-C. Returns the number
 * of files that failed and of results that are missing because workers could not be started. */
uint64_t progress_finish(struct progress *progress, const struct engine_progress *final, bool stopped);

void progress_free(struct progress *progress);

#endif
