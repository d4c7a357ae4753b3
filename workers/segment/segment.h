/* Where the sounds of a file are: regions, from its short-time levels.
 *
 * The whole file is known when regions are decided, so the threshold follows the recording's own noise floor, which may
 * drift:
 *
 *  1. For each place, the level under which the sound stays for `min_silence`: its 95th percentile there. It is the level
 *     of a silence if something within `window` around is `contrast` louder and it is steady like noise (`steady`,
 *     `drift`), or if something is louder by `deep`.
 *  2. The floor is the least such level within `window` around, unless it is above `ceiling`. What is quieter than
 *     `silence` (less when all of the file is faint) is silence in any case.
 *  3. Sound begins where the level passes the floor by `open` and reaches back and on to where it falls to `close` above
 *     the floor: hysteresis.
 *  4. Gaps shorter than `min_silence`, and those without anything in them that is like a silence by 1, are no gaps. The
 *     floor is then measured again inside the gaps found, interpolated between them, and 3 and 4 are repeated with it: now
 *     the threshold is right in the middle of a drift, too.
 *  5. Sounds shorter than `min_region` are clicks, unless there is nothing else.
 *
 * Any thread. */
#ifndef SONDE_SEGMENT_SEGMENT_H
#define SONDE_SEGMENT_SEGMENT_H

#include "engine/base/error.h"
#include "workers/segment/levels.h"

#include <cjson/cJSON.h>

struct segment_parameters {
    double
        min_silence;   /* s. 1.0: pauses in speech and rests in music are mostly shorter, breaks between takes longer */
    double short_file; /* s. 30: a file shorter than this is one thing as long as ... */
    double short_silence; /* s. 2.0: ... it has no gap of this length: hits of one sample, bars of one loop */
    double min_region;    /* s. 0.03: a closed hi-hat lasts longer, a click is shorter */
    double padding;       /* s. 0.2: attacks and tails under the threshold stay with their sound */
    double max_region;    /* s. 600: longer sounds are cut at their quietest points */
    double threshold;     /* dBFS. A fixed threshold instead of all that follows; 0: adaptive */
    double silence;       /* dBFS. -60: below the ambient noise of a listening room at usual levels */
    double ceiling;       /* dBFS. -34: louder steady noise is the recording's subject, not its background */
    double steady;        /* dB. 9: between the 20th and the 95th percentile of a silence; brown noise reaches 8 */
    double drift;         /* dB. 0.5: of that, what isn't explained by differences from one level to the next */
    double contrast;      /* dB. 12: less than that between quiet and loud is no silence but dynamics */
    double deep;          /* dB. 35: so far below what is loud it is silence even if it isn't steady */
    double open;          /* dB. 6 above the floor: steady noise fluctuates by less */
    double close;         /* dB. 2.5: sound and floor of about the same power */
    double window;        /* s. 15, each side */
};

/* A stretch of sound, in frames of the file; ends are exclusive. */
struct region {
    int64_t start, end;             /* with padding; the next region doesn't begin before `end` */
    int64_t sound_start, sound_end; /* the sound itself */
    int part, parts;                /* 0-based part of a longer stretch; 0 of 1 when it wasn't cut */
};

struct regions {
    struct region *region; /* in order; NULL when there are none */
    size_t count;
};

#define SEGMENT_REGIONS_MAX 10000 /* of a file; min_silence is doubled until there are no more */
#define SEGMENT_IDENTITY    400   /* bytes, zero included */

struct segment_parameters segment_defaults(void);

/* Takes the members of `object` (may be NULL) that name a parameter above. False with a sentence for a name that isn't
 * one and for a value out of range. */
bool segment_parse(struct segment_parameters *parameters, const cJSON *object, struct error *error);

/* The segmenter's version and its parameters as one line: equal text, equal regions. */
void segment_identity(const struct segment_parameters *parameters, char identity[SEGMENT_IDENTITY]);

/* Decides the regions of a file of `frames` frames at `rate` Hz. A file without sound has none. False: out of memory.
 * The caller frees with segment_free. */
bool segment_decide(const struct segment_parameters *parameters, const struct levels *levels, int64_t frames, int rate,
                    struct regions *regions);
void segment_free(struct regions *regions);

#endif
