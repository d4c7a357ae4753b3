/* What went wrong and still is: files that failed or are gone, regions without a result of some plugin (the catalogue's view
 * `problems`). */
#ifndef SONDE_CLI_PROBLEMS_H
#define SONDE_CLI_PROBLEMS_H

#include "engine/base/error.h"
#include "engine/catalogue/catalogue.h"

#include <stdint.h>

enum problems_style {
    PROBLEMS_LINES, /* a sentence each */
    PROBLEMS_JSON,  /* an object a line: path, path_hex, file_id, region, plugin, outcome, reason */
    PROBLEMS_PATHS, /* the files that are there, each once, its bytes ended by NUL: for `xargs -0 sonde retry` */
};

/* Prints them by path; how many there were, or -1 with a sentence. */
int64_t problems_print(struct catalogue *catalogue, enum problems_style style, struct error *error);

#endif
