/* SPDX-License-Identifier: MIT
 *
 * Learned from labelled recordings: ridge regression towards the profiles of Krumhansl and Temperley. */
static const double weights[2][TONALITY_BLOCKS][12] = {
    {
        {0.5956, -0.6141, 0.2135, -0.4885, 0.7543, 0.5086, -0.6057, 0.7464, -0.1611, -0.1772, -0.7555, -0.06287},
        {0.2363, 0.05276, -0.1267, 0.01525, -0.196, -0.2414, -0.1394, 0.3066, 0.1291, 0.03338, -0.3934, 0.2771},
    },
    {
        {0.9056, -0.6851, 0.1156, 0.9256, -0.4198, -0.2919, 0.2667, 0.6834, -0.1277, -0.6408, -0.3755, -0.3097},
        {0.5721, -0.4135, 0.0383, -0.1731, 0.04387, 0.03722, -0.004789, 0.03905, 0.03971, -0.3179, 0.1325, 0.05297},
    },
};
static const double weights_bias[2] = {0, 0.003875};
static const double weights_sharpness = 1.5;

#define TONAL_INPUTS 6
static const double tonal_weights[TONAL_INPUTS] = {3.662, 7.76, 1.829, 3.951, -2.438, -18.89};
