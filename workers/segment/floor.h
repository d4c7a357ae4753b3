/* The background of a recording: how loud silence is at each place, and from where on something is a sound.
 * All series have one byte per level (levels.h). Any thread. */
#ifndef SONDE_SEGMENT_FLOOR_H
#define SONDE_SEGMENT_FLOOR_H

#include "workers/segment/segment.h"

/* A stretch of levels, end exclusive. */
struct run {
    size_t start, end;
};

/* For each place, the two thresholds: sound reaches `open` somewhere and lasts while it is above `close`. */
struct thresholds {
    uint8_t *close, *open;
    uint8_t silence; /* what is at or below this is silence whatever the floor */
};

/* Makes the thresholds of steps 1 to 3 of segment.h. False: out of memory. Free with floor_free. */
bool floor_find(struct thresholds *thresholds, const struct segment_parameters *parameters,
                const struct levels *levels);

/* Step 4: measures the floor inside the gaps between `sounds` (and before and behind them), and adjusts the thresholds to
 * it. Without a gap long enough nothing changes. False: out of memory. */
bool floor_refine(struct thresholds *thresholds, const struct levels *levels, const struct run *sounds, size_t count);

/* Whether a gap, a stretch under the thresholds, has a silence of half of `min_silence` in it by the criteria of step 1:
 * quiet phrases near a floor are music still. */
bool floor_is_silence(const struct thresholds *thresholds, const struct segment_parameters *parameters,
                      const struct levels *levels, size_t start, size_t end);

void floor_free(struct thresholds *thresholds);

#endif
