/* Files of the catalogue by what people call them. Reads only. One thread. */
#ifndef SONDE_CATALOGUE_LOOKUP_H
#define SONDE_CATALOGUE_LOOKUP_H

#include "engine/catalogue/catalogue.h"

#include <stdint.h>

/* What "drums/loop.wav" or "loop.wav#2" names. */
struct lookup {
    int64_t file;
    int64_t content, audio; /* 0: none yet */
    int64_t region;         /* id; 0: the whole file */
    int64_t position;       /* of the region, or -1 */
};

/* Finds the file by its path (relative to the working directory too, links followed), or by its name alone when only
 * one file has it (missing ones count where there are no others). "#N" behind it means its region N, counted from 0.
 * False with a sentence that lists what might be meant. */
bool lookup_find(struct catalogue *catalogue, const char *name, struct lookup *found, struct error *error);

#endif
