/* Short-time spectra of a stream of samples, by the definition of sonde_input_t: periodic Hann window, frame k centred on
 * sample k*hop, zeros outside, a full-scale sine peaks at 1.0. One thread. */
#ifndef SONDE_HOST_SPECTRUM_H
#define SONDE_HOST_SPECTRUM_H

#include "kernels/lanes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The transform of one window length; serves many tracks in turn. */
struct spectrum_plan;

/* Plans, kept from region to region: for a short sound, making them would cost more than all the rest. */
struct spectrum_plans {
    struct spectrum_plan *first;
};
const struct spectrum_plan *spectrum_plans_get(struct spectrum_plans *plans, uint32_t window); /* NULL: out of memory */
void spectrum_plans_close(struct spectrum_plans *plans);

/* One channel's samples on their way into frames. */
struct spectrum_track {
    const struct spectrum_plan *plan;
    uint32_t hop;
    float *samples; /* those that later frames still need */
    size_t count, capacity;
    int64_t first;    /* sample index of samples[0]; the first window begins at -window/2 */
    int64_t next;     /* the next frame's index */
    int64_t received; /* samples pushed so far */
    bool ended;
};

bool spectrum_track_init(struct spectrum_track *track, const struct spectrum_plan *plan, uint32_t hop);
void spectrum_track_close(struct spectrum_track *track);

/* Appends samples. False: out of memory. */
bool spectrum_track_push(struct spectrum_track *track, const float *samples, size_t count);

/* No more samples: appends the zeros that the last frames need. */
bool spectrum_track_end(struct spectrum_track *track);

/* Number of frames that can be computed now. */
int64_t spectrum_track_ready(const struct spectrum_track *track);

/* Most frames that one call computes at once; fewer cost as much. */
#define SPECTRUM_FRAMES LANES

/* Computes the `count` frames from `next` on, which are ready (1 to SPECTRUM_FRAMES), and goes on to the one after them.
 * Frame f goes to complex_values + f * complex_stride (window/2 + 1 values, re and im in turn), and its squared magnitudes
 * to powers + f * power_stride; either may be NULL. */
void spectrum_track_take(struct spectrum_track *track, uint32_t count, float *complex_values, size_t complex_stride,
                         float *powers, size_t power_stride);

#endif
