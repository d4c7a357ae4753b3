/* From the embeddings of one segment to ranked, calibrated labels. Pure functions over the classifier's weights; any
 * thread. */
#ifndef SONDE_CLASSIFIER_RANKING_H
#define SONDE_CLASSIFIER_RANKING_H

#include "features/weights.h"

#include <stddef.h>
#include <stdint.h>

#define RANKING_ARCHITECTURE 1u
#define RANKING_DIMENSIONS   96u
#define RANKING_MOST         128u /* classes */
#define RANKING_TOP          5u

/* The vocabulary: one line "group/label" for each class in the weights file's text "labels", in the order of the rows.
 * A class that is not shipped (its tensor "shipped" says 0) counts as unknown. */
struct ranking {
    struct weights weights;
    uint32_t classes;
    const float *weight;      /* [2 * RANKING_DIMENSIONS][classes]: rows for the mean, then for the maximum */
    const float *bias;        /* [classes] */
    const float *shipped;     /* [classes]: 1 or 0 */
    const float *calibration; /* [3]: temperature, threshold below which the segment is unknown, spare */
    char *names;              /* owned: the labels and groups, zero-terminated */
    const char *label[RANKING_MOST], *group[RANKING_MOST];
};

struct ranked {
    const char *label, *group;
    float score;
};

/* 0, or -1 with a sentence. `data` must outlive the ranking. */
int ranking_open(struct ranking *ranking, const void *data, uint64_t size, char *error, size_t n);
void ranking_close(struct ranking *ranking);

/* The probability of each class [classes] for steps [first, end) of the embedding: those not more than 40 dB below the
 * segment's loudest (and above -85 dBFS) are pooled to mean and maximum. */
void ranking_measure(const struct ranking *ranking, const float *embedding, const float *level, uint32_t first,
                     uint32_t end, float *probabilities);

/* The best labels, best first: at most RANKING_TOP, at least one. What is not shipped is summed as "unknown"; when no
 * label reaches the threshold, unknown comes first. Scores add up to at most 1. */
uint32_t ranking_sort(const struct ranking *ranking, const float *probabilities, struct ranked *best);

#endif
