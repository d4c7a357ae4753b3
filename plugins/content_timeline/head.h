/* What each step is: is there speech, music, environment, noise, and does that change here? A small convolutional network
 * over the embeddings of both branches and the cepstra of features/1, trained on mixtures. Pure functions over the weights; any
 * thread.
 *
 * The inputs of a step (the embeddings of the branches scene and sound, then its cepstra) are normalised by constants of the weights file and cut at five
 * spreads. A dense layer of HEAD_WIDTH rectified units, HEAD_BLOCKS residual convolutions over time (three taps,
 * x + W x, rectified) and a dense layer follow; batch normalisation is folded into the weights. Beyond the region's edges
 * there are zeros. A step sees 20 steps (3.7 s) to either side, and what the embeddings have seen. */
#ifndef SONDE_CONTENT_TIMELINE_HEAD_H
#define SONDE_CONTENT_TIMELINE_HEAD_H

#include "features/embedding.h"
#include "features/weights.h"
#include "timeline.h"

#include <stddef.h>

#define HEAD_ARCHITECTURE 5u
#define HEAD_INPUTS       (2 * EMBEDDING_DIMENSIONS + TIMBRE_DIMENSIONS)
#define HEAD_WIDTH        64u
#define HEAD_TAPS         3u
#define HEAD_OUTPUTS      (TIMELINE_KINDS + 1u)

enum { HEAD_BLOCKS = 3 };

struct head {
    const float *mean, *scale;                                 /* [HEAD_INPUTS] */
    const float *entry, *entry_bias;                           /* [HEAD_INPUTS][HEAD_WIDTH], [HEAD_WIDTH] */
    const float *block[HEAD_BLOCKS], *block_bias[HEAD_BLOCKS]; /* [HEAD_TAPS][HEAD_WIDTH][HEAD_WIDTH], [HEAD_WIDTH] */
    const float *exit, *exit_bias;                             /* [HEAD_WIDTH][HEAD_OUTPUTS], [HEAD_OUTPUTS] */
};

/* The tensors of a weights file of kind "timeline", which must outlive the head. 0, or -1 with a sentence. */
int head_open(struct head *head, const struct weights *weights, char *error, size_t n);

/* Fills kinds [count][TIMELINE_KINDS] with the probability that each kind is there, and change [count] with the
 * probability that what is there changes at this step or one beside it. 0, or -1 without memory. */
int head_measure(const struct head *head, const struct embedding *embedding, float *kinds, float *change);

#endif
