/* What was heard when: the segments of a sound's current regions, in time, as the classifier's results have them
 * (interface classifier/1), or the content timeline's where a region has none of those. A user's word on a region is the label
 * of all its segments. Reads only. One thread. */
#ifndef SONDE_CATALOGUE_SEGMENTS_H
#define SONDE_CATALOGUE_SEGMENTS_H

#include "engine/catalogue/catalogue.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct segment {
    int64_t region;    /* its position in the file, from 0 */
    double start, end; /* s from the start of the file */
    const char *label; /* what it is called, and in which group; NULL: no classifier has heard it */
    const char *group;
    const char *content; /* speech, music over environment ...; NULL: unknown */
    double confidence;   /* of the label, or of the content where there is none: 0 to 1; NaN: unknown */
};

/* Called for each segment; its texts are valid until it returns. False ends the search, which then succeeds. */
typedef bool segments_take(void *context, const struct segment *segment);

/* All segments of this audio. False with a sentence on failure. */
bool segments_each(struct catalogue *catalogue, int64_t audio, segments_take *take, void *context, struct error *error);

/* Of two sounds at once ("speech over music"), how many bytes name the one above; 0: it is one sound. */
size_t segment_above(const char *content);

/* Whether a word (in whatever case) is the segment's label, its group or the first of several things that the group is, or
 * its content or one of two sounds that are mixed there. */
bool segment_is(const struct segment *segment, const char *word);

#endif
