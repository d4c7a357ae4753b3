/* Ini files whose values may be of any length, read by inih.
 *
 * By itself inih keeps 200 bytes of a line and reads the rest as another, takes a line that begins with a space for a new value of
 * the key above it, and cuts the names of sections at 50 bytes: all of it without a word. So it is handed only what it can't
 * misread, and what is too long for it goes past it. One thread. */
#ifndef SONDE_CLI_INI_LINES_H
#define SONDE_CLI_INI_LINES_H

#include "engine/base/error.h"

#include <ini.h>
#include <stdio.h>

/* Calls `take` for each `key = value`. Returns 0, or the number of the first line that is wrong (with a sentence in `error` where
 * there is more to say than that it should be a [section] or key = value); -1 with errno: the stream can't be read. */
int ini_lines_read(FILE *stream, ini_handler take, void *user, struct error *error);

#endif
