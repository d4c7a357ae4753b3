/* Whether a catalogue holds what it promises. Reads only; works on a reading connection. One thread. */
#ifndef SONDE_CATALOGUE_CHECK_H
#define SONDE_CATALOGUE_CHECK_H

#include "engine/catalogue/catalogue.h"

#include <stdint.h>

/* Called with each thing that is wrong: a sentence. */
typedef void (*check_report)(void *context, const char *sentence);

/* Checks all of it: the file's pages and indexes; references; that every done file has regions and, for every region
 * and enabled plugin, an outcome; that queue and statuses agree; that search has every file; that no two results of one
 * identity differ; and that every summary equals what its rules make of the stored results. *wrong counts what was reported (at most 20 of a kind are reported
 * one by one). False when it couldn't be checked. */
bool check_catalogue(struct catalogue *catalogue, check_report report, void *context, int64_t *wrong,
                     struct error *error);

#endif
