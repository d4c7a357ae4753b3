/* SPDX-License-Identifier: MIT
 *
 * Which key, how sure, and whether there is one at all.
 *
 * A stretch of music is described by TONALITY_BLOCKS blocks of 12 numbers over pitch classes; the score of a key is the
 * sum of those numbers, turned so that its tonic comes first, times learned weights, one set for major and one for minor;
 * a softmax makes probabilities of the 24 scores. Weights and calibration (tonality_weights.h) come from
 * tools/train_key. Any thread. */
#ifndef SONDE_KEY_TONALITY_H
#define SONDE_KEY_TONALITY_H

#include "music.h"
#include "names.h"

#include <stdbool.h>
#include <stddef.h>

/* Treble and bass (means over frames, summing to 4.2 and 12; a frame counts by its strength, compressed), the treble of the
 * opening (the first 12 sounding frames, summing to 2.4), the roots of the chords (by how long they sound, summing to 3.6),
 * and the first chord of more than 0.3 s (0.8 at its root, in the block of its mode). The sums set how much the fit trusts
 * each block. */
#define TONALITY_BLOCKS 6

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

/* The whole region. */
void tonality_view_whole(const struct music *music, struct tonality_view *view);

/* Frames `from` to `to`, taken out of their context: the opening is the stretch itself, there
 * is no first chord. */
void tonality_view_part(const struct music *music, size_t from, size_t to, struct tonality_view *view);

/* Probabilities of the 24 keys for a view. */
void tonality_score(const struct tonality_view *view, double score[KEYS]);

/* What speaks for there being a key: see tonality_evidence. */
#define TONALITY_EVIDENCE 11

/* One, the chords' mean fit, how even the chroma is, one over the root of the sounding frames, and of the tuning: clarity,
 * of held tones too, both again beyond chance, the part of held tones, and the logarithms of both numbers of tones. */
void tonality_evidence(const struct music *music, const struct tonality_view *view, double evidence[TONALITY_EVIDENCE]);

/* `view` is of the whole region. Where one note or one triad is all there is, that says more than the weights do. */
void tonality_judge(const struct music *music, const struct tonality_view *view, struct tonality *result);

struct key_span {
    size_t from, to; /* frames */
    int key;
    double strength; /* probability: the views' mean, or the whole region's */
};

/* The key over time: views of 16 s every 2 s, and a Markov chain that rather stays. `global`, the probabilities for the
 * whole region, has a word in it, so that a short stray doesn't count as a change. A key that never changes is the most probable one
 * of `global`, and so strong. At most `room` spans; returns how many. */
size_t tonality_follow(const struct music *music, const double global[KEYS], struct key_span *spans, size_t room);

#endif
