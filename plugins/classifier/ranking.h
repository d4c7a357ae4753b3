/* From the embeddings of one segment to ranked, calibrated labels. Pure functions over the classifier's weights; any
 * thread. */
#ifndef SONDE_CLASSIFIER_RANKING_H
#define SONDE_CLASSIFIER_RANKING_H

#include "features/embedding.h"
#include "features/weights.h"

#include <stddef.h>
#include <stdint.h>

#define RANKING_ARCHITECTURE 2u
#define RANKING_DIMENSIONS   96u
#define RANKING_MOST         128u  /* classes */
#define RANKING_WIDEST       1024u /* hidden units of the timbre's part */
#define RANKING_TOP          5u

/* What a segment's timbre is summed up to: the mean of its steps' means (without the first, which is the level), the spread
 * of all frames, the spread of the steps' means, the mean spread within a step, the mean change, the mean of its change, and
 * how far the highest and the lowest of the steps' means are from their mean. */
#define RANKING_TIMBRE (8 * TIMBRE_CEPSTRA - 1u)

/* The vocabulary: one line "group/label" for each class in the weights file's text "labels", in the order of the rows.
 * A class that is not shipped (its tensor "shipped" says 0) counts as unknown. */
struct ranking {
    struct weights weights;
    uint32_t classes;
    const float *weight; /* [2 * RANKING_DIMENSIONS][classes]: rows for the mean, then for the maximum */
    const float *bias;   /* [classes] */
    uint32_t hidden;     /* 0: this vocabulary doesn't look at the timbre */
    const float *timbre_mean, *timbre_scale;  /* [RANKING_TIMBRE] */
    const float *hidden_weight, *hidden_bias; /* [RANKING_TIMBRE][hidden], [hidden] */
    const float *timbre_weight;               /* [hidden][classes]: added to what the embedding says */
    const float *shipped;                     /* [classes]: 1 or 0 */
    const float *calibration;                 /* [3]: temperature, threshold, clearance: see ranking_sort */
    char *names;                              /* owned: the labels and groups, zero-terminated */
    const char *label[RANKING_MOST], *group[RANKING_MOST];
};

struct ranked {
    const char *label, *group;
    float score;
};

/* 0, or -1 with a sentence. `data` must outlive the ranking. */
int ranking_open(struct ranking *ranking, const void *data, uint64_t size, char *error, size_t n);
void ranking_close(struct ranking *ranking);

/* The probability of each class [classes] for steps [first, end): those not more than 40 dB below the segment's loudest
 * (and above -85 dBFS) are pooled. A linear layer over mean and maximum of the embedding, and a layer of rectified units
 * over the timbre, add up to the logits. */
void ranking_measure(const struct ranking *ranking, const struct embedding *embedding, uint32_t first, uint32_t end,
                     float *probabilities);

/* The best labels, best first: at most RANKING_TOP, at least one. What is not shipped is summed as "unknown". Unknown also
 * comes first when no label reaches the threshold, or when the best is less than `clearance` times as probable as the second:
 * sounds of no label at all tend to lie between several. Scores add up to at most 1. */
uint32_t ranking_sort(const struct ranking *ranking, const float *probabilities, struct ranked *best);

#endif
