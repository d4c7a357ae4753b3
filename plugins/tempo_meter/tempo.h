/* The tempo in beats a minute: from beats, from the length of a loop, and what else it could have been. */
#ifndef TEMPO_METER_TEMPO_H
#define TEMPO_METER_TEMPO_H

#include <stdbool.h>
#include <stdint.h>

#define TEMPO_CANDIDATES  8
#define TEMPO_SLOWEST_BPM 32.0
#define TEMPO_FASTEST_BPM 236.0

/* The tempi that a user has: others are doubled or halved until they lie within, for which it is at least an octave wide. 0 to
 * 0: any tempo. A tempo is measured, and so lies within a range up to 1 % beyond its ends. */
struct tempo_range {
    double slowest, fastest; /* bpm */
};

struct tempo_candidate {
    double bpm;
    double strength; /* 0 to 1; those of one region sum to 1 */
};

/* Reads "85-170"; "" is any tempo. False for anything else, for less than an octave, and beyond TEMPO_SLOWEST_BPM and
 * TEMPO_FASTEST_BPM. */
bool tempo_range_read(const char *text, struct tempo_range *range);

/* What `bpm` is to be multiplied by to lie within the range: a power of two. */
double tempo_range_ratio(const struct tempo_range *range, double bpm);

/* The steady tempo behind beat times: the most common local tempo (over 8 beats), then a least-squares line through the
 * longest run of beats that keep to it within 4 %. 0 for fewer than 4 beats. */
double tempo_from_beats(const double *time, int beats);

/* Share of beats whose local tempo (over 4 beats) is within 4 % of `bpm`, 0 to 1. */
double tempo_stability(const double *time, int beats, double bpm);

/* How periodic the activation is at `bpm`: mean autocorrelation at one to four beats, over that at zero; -1 to 1. */
double tempo_periodicity(const float *activation, int64_t count, double fps, double bpm);

/* Fills in `out` with out of what was considered (`known`, any order, each tempo once, `bpm` among them): `bpm` first, then
 * by strength; its double, half, two thirds and three quarters always among them, and the strongest others. Returns how
 * many. */
int tempo_candidates(const struct tempo_candidate *known, int known_count, double bpm,
                     struct tempo_candidate out[TEMPO_CANDIDATES]);

#endif
