/* The regions of a file and the outcome of every plugin on them, for `sonde show`. One thread. */
#ifndef SONDE_CLI_SHOW_RESULTS_H
#define SONDE_CLI_SHOW_RESULTS_H

#include "engine/catalogue/catalogue.h"

#include <stdint.h>

struct show_results {
    struct catalogue *catalogue;
    int64_t audio;
    int64_t region; /* only this one; 0: all */
    bool all;       /* the results of all regions, not of the first few only */
    bool colour;
    int width;
};

bool show_results_print(const struct show_results *show, struct error *error);

#endif
