/* SPDX-License-Identifier: MIT
 *
 * Chords over time: a hidden Markov model over 9 qualities on 12 roots and "no chord", decoded by Viterbi's algorithm.
 *
 * How well a frame fits a chord is the cosine between the square roots of its treble chroma and the chord's tones, plus a
 * share for the root in the bass; rarer qualities start with a handicap. Any thread. */
#ifndef SONDE_KEY_CHORDS_H
#define SONDE_KEY_CHORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHORD_QUALITIES 9
#define CHORD_NONE      (-1)
#define CHORD_MAJOR     0 /* the qualities that are triads of a key */
#define CHORD_MINOR     1

struct chord {
    size_t from, to; /* frames, end exclusive */
    int root;        /* 0 (C) to 11, or CHORD_NONE */
    int quality;     /* 0 to 8: see chords_quality */
    float fit; /* mean over its frames, 0 to 1, of how near they are to it: cosine and share of the root in the bass */
};

/* "maj", "min", "7", "maj7", "min7", "dim", "aug", "sus4", "sus2". */
const char *chords_quality(int quality);
/* Whether the quality has a minor third. */
bool chords_minor(int quality);

/* `treble`, `bass`: frames x 12, as notes_fold makes them; `strength` of each frame. Writes up to `frames` chords, without
 * gaps and in order; returns how many. false: no memory. */
bool chords_find(const float *treble, const float *bass, const float *strength, size_t frames, struct chord *chords,
                 size_t *count);

#endif
