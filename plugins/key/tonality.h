/* SPDX-License-Identifier: MIT
 *
 * Which key, how sure, and whether there is one at all.
 *
 * A stretch of music is described by TONALITY_BLOCKS blocks of 12 numbers over pitch classes; the score of a key is the
 * sum of those numbers, turned so that its tonic comes first, times learned weights, one set for major and one for minor;
 * a softmax makes probabilities of the 24 scores. Weights and calibration (tonality_weights.h) come from
 * tools/train/key.py. Any thread. */
#ifndef SONDE_KEY_TONALITY_H
#define SONDE_KEY_TONALITY_H

#include "chords.h"
#include "names.h"
#include "notes.h"

#include <stdbool.h>
#include <stddef.h>

/* What is known about a region, frame by frame. */
struct music {
    size_t frames, chords;
    float *treble, *bass; /* frames x 12, see notes.h */
    float *strength, loudest;
    struct chord *chord;
};

/* Treble and bass (means over frames, each summing to 12; a frame counts by its strength, compressed), the treble of the
 * opening (the first 12 sounding frames, summing to 3), and the first chord of more than 0.3 s (1 at its root, in the
 * block of its mode). */
#define TONALITY_BLOCKS 5

struct tonality_view {
    double block[TONALITY_BLOCKS][12];
    double frames; /* in which something sounds */
};

struct tonality {
    double score[KEYS]; /* probabilities, given that there is a key */
    int key;            /* the most probable one */
    double tonal;       /* probability that there is a key at all */
    double confidence;  /* probability that `key` is right (when tonal >= 0.5), or that there is none */
};

/* The whole region. `frame_seconds`: how long a frame is. */
void tonality_view_whole(const struct music *music, double frame_seconds, struct tonality_view *view);

/* Frames `from` to `to`, taken out of their context: the opening is the stretch itself, there is no first chord. */
void tonality_view_part(const struct music *music, size_t from, size_t to, struct tonality_view *view);

/* Probabilities of the 24 keys for a view. */
void tonality_score(const struct tonality_view *view, double score[KEYS]);

/* `view` is of the whole region. */
void tonality_judge(const struct music *music, const struct tonality_view *view, const struct notes_tuning *tuning,
                    struct tonality *result);

struct key_span {
    size_t from, to; /* frames */
    int key;
    double strength; /* mean probability */
};

/* The key over time: views of 16 s every 2 s, and a Markov chain that rather stays. `global`, the probabilities for the
 * whole region, has a word in it, so that a short stray doesn't count as a change. At most `room` spans; returns how many. */
size_t tonality_follow(const struct music *music, double frame_seconds, const double global[KEYS],
                       struct key_span *spans, size_t room);

#endif
