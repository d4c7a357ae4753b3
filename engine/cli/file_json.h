/* A file with all that is known about it as one JSON object, as `sonde show --json` and `sonde export --json` print it. One
 * thread. */
#ifndef SONDE_CLI_FILE_JSON_H
#define SONDE_CLI_FILE_JSON_H

#include "engine/catalogue/catalogue.h"

#include <stdint.h>
#include <stdio.h>

/* Prints the object without a newline; `region` is not 0: with this region alone. Nothing when the file has left the
 * catalogue. */
bool file_json_print(FILE *out, struct catalogue *catalogue, int64_t file, int64_t region, struct error *error);

#endif
