/* What went wrong and still is: files that failed or are gone, regions without a result of some plugin (the catalogue's view
 * `problems`), and what the decoder has to say of files that it could read. */
#ifndef SONDE_CLI_PROBLEMS_H
#define SONDE_CLI_PROBLEMS_H

#include "engine/base/error.h"
#include "engine/catalogue/catalogue.h"

#include <stdint.h>

/* The rows that there are: file_id, path, region, plugin, outcome, reason. */
#define PROBLEMS_ALL                                                                                                   \
    "(SELECT * FROM problems UNION ALL SELECT f.file_id, f.path_text, NULL, NULL, 'warning', w.value FROM audio AS a"  \
    " CROSS JOIN files AS f ON f.file_audio_id = a.audio_id CROSS JOIN json_each(a.warnings) AS w"                     \
    " WHERE a.warnings IS NOT NULL AND f.status NOT IN ('failed', 'missing'))"

enum problems_style {
    PROBLEMS_LINES, /* a sentence each */
    PROBLEMS_JSON,  /* an object a line: path, path_hex, file_id, region, plugin, outcome, reason */
    PROBLEMS_PATHS, /* the files that are there, each once, its bytes ended by NUL: for `xargs -0 sonde retry`, which can
                     * do nothing about warnings */
};

/* Prints them by path; how many there were, or -1 with a sentence. */
int64_t problems_print(struct catalogue *catalogue, enum problems_style style, struct error *error);

#endif
