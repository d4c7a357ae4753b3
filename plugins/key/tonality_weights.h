/* SPDX-License-Identifier: MIT
 *
 * Learned by tools/train_key. */
static const double weights[2][TONALITY_BLOCKS][12] = {
    {
        {0.7567, -0.3305, -0.0006597, -0.3041, 0.2368, 0.1603, -0.254, 0.4506, -0.2883, 0.04684, -0.3147, -0.159},
        {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
    },
    {
        {0.7564, -0.297, -0.0546, 0.4822, -0.3201, -0.05171, -0.3374, 0.3004, 0.07817, -0.2941, -0.1065, -0.1556},
        {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
    },
};
static const double weights_bias[2] = {0, 0};
static const double weights_sharpness = 1;

#define TONAL_INPUTS 5
static const double tonal_weights[TONAL_INPUTS] = {5, 0, 0, 0, 0};
