/* SPDX-License-Identifier: MIT
 *
 * Which key, how sure, and whether there is one at all.
 *
 * A stretch of music is described by blocks of 12 numbers over pitch classes (TONALITY_BLOCKS of them); the score of a key
 * is the sum of those numbers, turned so that its tonic comes first, times learned weights, one set for major and one for
 * minor; a softmax makes probabilities of the 24 scores. Weights and calibration are in
 * tonality_weights.h. Any thread. */
#ifndef SONDE_KEY_TONALITY_H
#define SONDE_KEY_TONALITY_H

#include "chords.h"
#include "names.h"

#include <stddef.h>

#define TONALITY_BLOCKS 2 /* treble, bass: means over frames, each summing to 12 */

struct tonality_view {
    double block[TONALITY_BLOCKS][12];
    double weight; /* sum of the frames' weights */
    double frames; /* frames in which something sounds */
};

struct tonality {
    double score[KEYS]; /* probabilities, given that there is a key */
    int key;            /* the most probable one */
    double tonal;       /* probability that there is a key at all */
    double confidence;  /* probability that `key` is right (when tonal >= 0.5), or that there is none */
};

/* Describes frames `from` to `to`; frames count by strength, compressed: strength / (strength + 1 % of the loudest). */
void tonality_view_make(const float *treble, const float *bass, const float *strength, size_t from, size_t to,
                        float loudest, struct tonality_view *view);

/* Probabilities of the 24 keys for a view. */
void tonality_score(const struct tonality_view *view, double score[KEYS]);

/* `clarity`: see notes.h. `fit`: mean of the chords' fit, weighted by length. */
void tonality_judge(const struct tonality_view *view, double clarity, double fit, struct tonality *result);

struct key_span {
    size_t from, to; /* frames */
    int key;
    double confidence;
};

/* The key over time: views of 16 s every 2 s, and a Markov chain that rather stays. At most `room` spans; returns how many.
 * `global` has a word in it, so that a short stray doesn't count as a change. */
size_t tonality_follow(const float *treble, const float *bass, const float *strength, size_t frames, double frame_seconds,
                       const double global[KEYS], struct key_span *spans, size_t room);

#endif
