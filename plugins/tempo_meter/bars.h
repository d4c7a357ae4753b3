/* Which beats begin a bar, and how many beats a bar has. */
#ifndef TEMPO_METER_BARS_H
#define TEMPO_METER_BARS_H

#include <stdbool.h>
#include <stdint.h>

#define BARS_LONGEST 7

struct bars {
    int beats_per_bar;              /* of the tracked beats: 2 to 7; 0 when there are fewer than 6 beats */
    double confidence;              /* 0 to 1: share of the evidence for this number among all */
    double share[BARS_LONGEST + 1]; /* the same for every number of beats */
    uint8_t *is_downbeat;           /* one a beat */
};

/* `downbeat` is the network's output at `fps` for `count` frames, `time` the `beats` beats in seconds. The best
 * sequence of bars is found for each number of beats; a bar may be cut short or prolonged at a cost (Krebs et al. 2016,
 * "Downbeat tracking using beat-synchronous features and recurrent neural networks", section 3.2). The caller frees
 * with bars_free; false when out of memory. */
bool bars_find(const float *downbeat, int64_t count, double fps, const double *time, int beats, struct bars *bars);
void bars_free(struct bars *bars);

#endif
