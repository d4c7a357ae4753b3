/* All that tempo_meter says about a region, from its bands and a few facts. Knows neither host nor audio. */
#ifndef TEMPO_METER_RHYTHM_H
#define TEMPO_METER_RHYTHM_H

#include "bars.h"
#include "beats.h"
#include "groove.h"
#include "network.h"
#include "onsets.h"
#include "tempo.h"
#include "tempogram.h"

#include <stdbool.h>
#include <stdint.h>

/* The trained parts. Owned by whoever made them. */
struct rhythm_models {
    const struct network *network;
    const struct tempogram *tempogram;
};

struct rhythm_facts {
    double duration;     /* s, of the region */
    double loop_seconds; /* length of what may be a loop cut on the bar: the whole file, or its embedded loop; else 0 */
    double loop_start;   /* s from the start of the region; negative where the loop begins before it */
    double embedded_bpm; /* from the file's tags; 0: none */
    double lead;         /* s of silence before the region */
    struct tempo_range range;
};

#define RHYTHM_FROM_BEATS "beats"
#define RHYTHM_FROM_LOOP  "loop length"

struct rhythm {
    double bpm;            /* 0: no tempo */
    double bpm_confidence; /* probability that bpm is right to 4 % */
    const char *basis;     /* RHYTHM_FROM_... */
    const char *none;      /* without a tempo: why, one sentence; else NULL */
    struct tempo_candidate candidates[TEMPO_CANDIDATES];
    int candidate_count;
    double stability;   /* 0 to 1 */
    struct beats beats; /* none without a tempo */
    struct bars bars;
    int meter_beats; /* upper number of the time signature; 0: not known */
    int meter_unit;  /* lower number */
    struct onsets onsets;
    struct groove groove;
};

/* `amplitudes` is count * BANDS_COUNT band amplitudes as bands_apply makes them; overwritten. The caller frees `rhythm`
 * with rhythm_free, also after false (out of memory). */
bool rhythm_analyse(const struct rhythm_models *models, float *amplitudes, int64_t count,
                    const struct rhythm_facts *facts, struct rhythm *rhythm);
void rhythm_free(struct rhythm *rhythm);

#endif
