/* SPDX-License-Identifier: MIT
 *
 * Constant-Q chroma from the long spectrum (22,050 Hz mid, window 8,192, hop 4,096): the power in each of 72 semitone
 * bands from 65.4 Hz (C2) up, a triangle from semitone to semitone on a logarithmic axis (bands narrower than a bin take
 * what lies between the two bins nearest), square root, folded into 12 pitch classes C to B. A440, not corrected for
 * tuning. One instance is used by one thread at a time. */
#ifndef SONDE_FEATURES_CHROMA_H
#define SONDE_FEATURES_CHROMA_H

#include <stddef.h>

#define CHROMA_RATE   22050
#define CHROMA_WINDOW 8192
#define CHROMA_HOP    4096

struct chroma;

/* For at most `frames` frames. NULL: no memory. */
struct chroma *chroma_new(size_t frames);
void chroma_free(struct chroma *c);

/* The next frames: power of bin b of frame f is power[f * stride + b]. */
void chroma_add(struct chroma *c, const float *power, size_t stride, size_t frames);

/* frames x 12, each frame scaled to a largest value of 1 (or all 0). Owned by `c`. */
const float *chroma_frames(const struct chroma *c, size_t *count);

/* The mean over frames, weighted by their strength, largest 1 (or all 0). */
void chroma_mean(const struct chroma *c, double mean[12]);

#endif
