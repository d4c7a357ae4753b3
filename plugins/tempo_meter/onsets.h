/* Where sounds begin. */
#ifndef TEMPO_METER_ONSETS_H
#define TEMPO_METER_ONSETS_H

#include <stdbool.h>
#include <stdint.h>

struct onsets {
    float *envelope; /* one a frame: mean rise of the bands, at least 0 */
    double *time;    /* s from the start of the region, ascending */
    float *strength; /* 0 to 1, the strongest of the region being 1 */
    int count;
};

/* SuperFlux (Böck and Widmer, "Maximum filter vibrato suppression for onset detection", DAFx 2013) over `count` frames
 * of BANDS_COUNT compressed bands, and its peaks. The caller frees with onsets_free; false when out of memory. */
bool onsets_find(const float *frames, int64_t count, struct onsets *onsets);
void onsets_free(struct onsets *onsets);

#endif
