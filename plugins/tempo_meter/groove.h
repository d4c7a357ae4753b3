/* What happens between beats: straight or triple division, swing, and how closely onsets keep to a grid. */
#ifndef TEMPO_METER_GROOVE_H
#define TEMPO_METER_GROOVE_H

#include "onsets.h"

struct groove {
    double triple; /* 0 to 1: share of the subdividing onsets that split the beat in three rather than in two or four */
    double swing;  /* 0 (straight) to 1 (the off-beat at two thirds); meaningful when swing_onsets > 0 */
    int swing_onsets; /* off-beat onsets it rests on; 0 when there are too few to say */
    int subdivision;  /* steps of the quantising grid in a beat: 1, 2, 3 or 4 */
    double deviation; /* s: median distance of the onsets from that grid; 0 without onsets */
};

/* `time` holds `beats` ascending beat times in seconds. Allocates nothing that outlives the call; false when out of
 * memory. */
bool groove_find(const struct onsets *onsets, const double *time, int beats, struct groove *groove);

#endif
