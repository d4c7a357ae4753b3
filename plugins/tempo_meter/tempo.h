/* The tempo in beats a minute: from beats, from the length of a loop, and what else it could have been. */
#ifndef TEMPO_METER_TEMPO_H
#define TEMPO_METER_TEMPO_H

#include "network.h"

#include <stdbool.h>
#include <stdint.h>

#define TEMPO_CANDIDATES 8

struct tempo_candidate {
    double bpm;
    double strength; /* 0 to 1; those of one region sum to 1 */
};

/* The steady tempo behind beat times: the most common local tempo (over 8 beats), then a least-squares line through the
 * longest run of beats that keep to it within 4 %. 0 for fewer than 4 beats. */
double tempo_from_beats(const double *time, int beats);

/* Share of beats whose local tempo (over 4 beats) is within 4 % of `bpm`, 0 to 1. */
double tempo_stability(const double *time, int beats, double bpm);

/* How periodic the activation is at `bpm`: mean autocorrelation at one to four beats, over that at zero; -1 to 1. */
double tempo_periodicity(const float *activation, int64_t count, double fps, double bpm);

/* Fills in `out` with `bpm`, its double, half, two thirds, three quarters, and the strongest others, strongest first
 * but `bpm` always at the top. Returns how many. */
int tempo_candidates(const struct network_output *heard, int64_t count, double fps, double bpm,
                     struct tempo_candidate out[TEMPO_CANDIDATES]);

/* A recording of `seconds` that is a whole number of bars. */
struct tempo_loop {
    double bpm;
    int beats;
    int beats_per_bar;
    double score; /* log-odds that this is right */
};

/* The best number of beats for a loop of `seconds`, given what the network heard in the loop repeated over `count`
 * frames: a tempo it heard, beats on the grid that begins at the loop's start, and a usual number of bars. False when
 * no usual number of bars gives a tempo between 40 and 220 bpm. */
bool tempo_loop_find(const struct network_output *heard, int64_t count, double fps, double seconds,
                     struct tempo_loop *loop);

#endif
