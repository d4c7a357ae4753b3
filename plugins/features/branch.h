/* One branch of the shared network (network.h): frames of bands in, one embedding every NETWORK_STRIDE frames out. Pure
 * functions over the weights; any thread.
 *
 * Five 3 x 3 convolutions (strides 8 in time, 16 in frequency), a dense layer and two residual blocks over time; batch
 * normalisation is folded into the weights. Beyond the region's edges the branch sees BRANCH_MARGIN frames of silence.
 * The result depends on the frames only, to the last bit: they are run in tiles at fixed places whose margins cover the
 * receptive field. */
#ifndef SONDE_FEATURES_BRANCH_H
#define SONDE_FEATURES_BRANCH_H

#include "network.h"
#include "weights.h"

#include <stddef.h>
#include <stdint.h>

#define BRANCH_MARGIN 16u             /* frames of silence beyond each edge of the region */
#define BRANCH_ROOM   (216 * 32 * 16) /* values of a tile's largest layer */

enum { BRANCH_LAYERS = 5, BRANCH_CONTEXTS = 2, BRANCH_INPUTS = 2 };

struct branch {
    uint32_t inputs;           /* of each band: 1, its power; 2, and how far its floor lies below */
    const float *mean, *scale; /* [inputs][NETWORK_BANDS] */
    const float *kernel[BRANCH_LAYERS], *bias[BRANCH_LAYERS];
    const float *dense, *dense_bias;
    const float *depth[BRANCH_CONTEXTS], *depth_bias[BRANCH_CONTEXTS];
    const float *point[BRANCH_CONTEXTS], *point_bias[BRANCH_CONTEXTS];
};

/* What a region's frames hold: [count][NETWORK_BANDS] for each input, and what silence is to it. */
struct branch_frames {
    const float *values[BRANCH_INPUTS];
    float silence[BRANCH_INPUTS];
    uint64_t count;
};

/* The tensors whose names begin with `prefix`; the weights must outlive the branch. 0, or -1 with a sentence. */
int branch_open(struct branch *branch, const struct weights *weights, const char *prefix, uint32_t inputs, char *error,
                size_t n);

/* Embeddings that branch_run makes of so many frames: those of the margins, too. */
uint32_t branch_steps(uint64_t frames);

/* Fills embedding [branch_steps][NETWORK_DIMENSIONS], of which the first BRANCH_MARGIN / NETWORK_STRIDE lie before the
 * region. `room` is twice BRANCH_ROOM values, `scratch` twice the size of `embedding`. */
void branch_run(const struct branch *branch, const struct branch_frames *frames, float *const room[2], float *scratch,
                float *embedding);

#endif
