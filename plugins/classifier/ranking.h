/* From the embeddings of one segment to ranked, calibrated labels. Pure functions over the classifier's weights; any
 * thread. */
#ifndef SONDE_CLASSIFIER_RANKING_H
#define SONDE_CLASSIFIER_RANKING_H

#include "features/embedding.h"
#include "features/weights.h"

#include <stddef.h>
#include <stdint.h>

#define RANKING_ARCHITECTURE 2u
#define RANKING_MOST         128u  /* classes */
#define RANKING_WIDEST       1024u /* hidden units of the timbre's part */
#define RANKING_TOP          5u
#define RANKING_FAMILIAR     (2u * EMBEDDING_DIMENSIONS) /* the mean embeddings of `sound`, then those of `scene` */
#define RANKING_KINDS        4u                          /* of the timeline: speech, music, environment, noise */
#define RANKING_UNKNOWN      "unknown"                   /* label, and group where there is none */

/* What a segment's timbre is summed up to: the mean of its steps' means (without the first, which is the level), the spread
 * of all frames, the spread of the steps' means, the mean spread within a step, the mean change, the mean of its change, and
 * how far the highest and the lowest of the steps' means are from their mean. */
#define RANKING_TIMBRE (8 * TIMBRE_CEPSTRA - 1u)

/* The vocabulary: one line "group/label" for each class in the weights file's text "labels", in the order of the rows.
 * Classes with the same line are one label: it is as probable as they are together. A class that is not shipped (its tensor
 * "shipped" says 0) counts as unknown. */
struct ranking {
    struct weights weights;
    uint32_t classes;
    const float *weight; /* [2 * EMBEDDING_DIMENSIONS][classes]: rows for the mean, then for the maximum */
    const float *bias;   /* [classes] */
    const float *scene;  /* as `weight`, over the branch `scene`; NULL: this vocabulary doesn't ask it */
    uint32_t hidden;     /* 0: this vocabulary doesn't look at the timbre */
    const float *timbre_mean, *timbre_scale;     /* [RANKING_TIMBRE] */
    const float *hidden_weight, *hidden_bias;    /* [RANKING_TIMBRE][hidden], [hidden] */
    const float *timbre_weight;                  /* [hidden][classes]: added to what the embedding says */
    const float *familiar_mean, *familiar_scale; /* [RANKING_FAMILIAR], or NULL: this vocabulary doesn't ask */
    const float *familiar_far, *familiar_near;   /* [RANKING_FAMILIAR][RANKING_FAMILIAR] */
    const float *familiar_centres;               /* [classes][RANKING_FAMILIAR] */
    float familiar_weight;
    const float *kinds;       /* [classes][RANKING_KINDS]: 1 for what a class can be, or NULL: not known */
    const float *shipped;     /* [classes]: 1 or 0 */
    const float *calibration; /* [3]: temperature, threshold, clearance: see ranking_sort */
    char *names;              /* owned: the labels and groups, zero-terminated */
    const char *label[RANKING_MOST], *group[RANKING_MOST];
    uint32_t first[RANKING_MOST]; /* the first class with this class's label */
};

struct ranked {
    const char *label, *group;
    float score;
};

/* 0, or -1 with a sentence. `data` must outlive the ranking. */
int ranking_open(struct ranking *ranking, const void *data, uint64_t size, char *error, size_t n);
void ranking_close(struct ranking *ranking);

/* For steps [first, end), those not more than 40 dB below the segment's loudest (and above -85 dBFS) pooled:
 *
 * `probabilities` [classes]: linear layers over mean and maximum of both branches' embeddings, and a layer of rectified units
 * over the timbre, add up to the logits. Each probability counts times the square root of the highest of `heard` [RANKING_KINDS], the
 * timeline's scores of 0 to 1, among the kinds that the class can be: the root, for both judge by the same sound. The first
 * class of a label has what all its classes have together, the others 0.
 *
 * `familiarity` [classes]: positive where the mean embeddings of both branches are more like the class than like sounds at
 * large: the relative Mahalanobis distance (Ren et al., 2021), |F x|^2 - |N x - centre|^2 with x normalised, F and N whitening all
 * sounds and the classes' own spread, times a weight. 0 for a label of several classes, and everywhere if the vocabulary
 * doesn't ask. */
void ranking_measure(const struct ranking *ranking, const struct embedding *embedding, uint32_t first, uint32_t end,
                     const float *heard, float *probabilities, float *familiarity);

/* The best labels, best first: at most RANKING_TOP, at least one. What is not shipped is summed as "unknown". Unknown also
 * comes first when no label reaches the threshold, or when the best is not clear: less than `clearance` exp(-its familiarity)
 * times as probable as the second. Sounds of no label at all tend to lie between several, and far from all. Where unknown comes
 * first, its group is that in which it lies all the same, if there is one: all the labels of a group, shipped or not, are then
 * together .7 probable or more; else it is "unknown", too. Scores add up to at most 1. */
uint32_t ranking_sort(const struct ranking *ranking, const float *probabilities, const float *familiarity,
                      struct ranked *best);

#endif
