/* SPDX-License-Identifier: MIT
 *
 * The shape of a sound over time, and what kind of sound its shape suggests.
 *
 * Attack, decay and sustain follow Peeters 2004 section 4.1 on the RMS of 10 ms frames smoothed over 30 ms, for the first
 * event that reaches half of the region's highest RMS. They describe one-shots and notes well; in long music they describe
 * its first strong event. Any thread. */
#ifndef SONDE_FEATURES_ENVELOPE_H
#define SONDE_FEATURES_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct envelope {
    double attack;      /* s from 10 % to 90 % of the event's highest RMS */
    double decay;       /* s from there until 20 dB below, or until the region ends */
    double sustain;     /* median RMS from the top to 20 dB below over the highest RMS, 0 to 1 */
    double centroid;    /* s from the region's start: mean time, weighted by energy */
    double steadiness;  /* 0 to 1: one minus the spread of the RMS (standard deviation over mean, at most 1) */
    double start_level; /* RMS of the first 50 ms over the highest, 0 to 1 */
    double end_level;   /* RMS of the last 50 ms over the highest, 0 to 1 */
};

/* `squares`: mean square of each 10 ms. false: no memory. All values are 0 for silence. */
bool envelope_measure(const float *squares, size_t count, struct envelope *e);

#define ENVELOPE_ONE_SHOT "one-shot" /* one event that dies away, up to 8 s */
#define ENVELOPE_LOOP     "loop"     /* a whole file of 0.8 to 40 s, several onsets, begins with one */
#define ENVELOPE_MELODY   "melody"   /* one voice with a clear pitch that moves between steady notes */
#define ENVELOPE_TEXTURE  "texture"  /* steady, no clear onsets */
#define ENVELOPE_MIXED    "mixed"    /* none of these: speech, songs, scenes */

struct envelope_context {
    double duration; /* s */
    bool whole_file; /* the region touches both ends of its file */
    uint32_t onsets;
    double onset_rate;             /* 1/s */
    double voiced;                 /* 0 to 1 */
    double f0_stability, f0_jumps; /* as in spectral.h */
};

/* One of the names above. The rules are those of the comments; they are rules of thumb, not a classifier. */
const char *envelope_kind(const struct envelope *e, const struct envelope_context *context);

#endif
