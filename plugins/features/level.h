/* SPDX-License-Identifier: MIT
 *
 * Level measures of all native channels, in one pass over the samples.
 *
 * Full scale is 1.0 = 0 dBFS. RMS counts as AES17 without its +3 dB: a full-scale square wave has 0 dBFS RMS.
 * Loudness and its range follow ITU-R BS.1770-5 annex 1 and EBU Tech 3342: K-weighting as two biquads, 400 ms blocks
 * every 100 ms, gates at -70 LUFS and 10 LU (range: 20 LU) under the mean. A region under 400 ms is one block, one under
 * 3 s has no range. True peak follows BS.1770-5 annex 2 (4 x oversampling under 96 kHz, 2 x under 192 kHz), but is only
 * computed where it can matter: around samples within 1.4 dB of the highest so far, and from -3 dBFS on.
 * One instance is used by one thread at a time. */
#ifndef SONDE_FEATURES_LEVEL_H
#define SONDE_FEATURES_LEVEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct level;

#define LEVEL_SILENT (-200.0) /* dB: what nothing at all measures as */

struct level_result {
    double rms;            /* dBFS, over all channels; LEVEL_SILENT or more */
    double peak;           /* dBFS, the highest absolute sample */
    double true_peak;      /* dBTP; NAN where the sample peak is below -3 dBFS and it was not computed */
    double lufs;           /* LUFS, integrated; NAN when nothing passes the gate */
    double lufs_range;     /* LU; NAN under 3 s or when nothing passes the gate */
    double lufs_momentary; /* LUFS, the loudest 400 ms; NAN when nothing is above -70 LUFS */
    double crest;          /* dB, peak over rms; 0 for silence */
    double dc;             /* the mean sample of the channel where it is largest, -1 to 1 (may exceed in float files) */
    double clipped;        /* part of all samples that lie in runs of 3 or more at full scale, 0 to 1 */
    double silence;        /* part of the region's 10 ms frames below -60 dBFS RMS, 0 to 1 */
    double width; /* side / (mid + side) energy of the first two channels, 0 mono to 1 no common part; NAN: mono */
    double correlation; /* of the first two channels, -1 to 1; NAN: mono, or a silent channel */
    double balance;     /* energy of channel 2 over channel 1, dB, limited to +-60; NAN: mono or silence */
    int64_t nonfinite;  /* samples that were NaN or infinite, in all channels */
};

/* For at most `frames` samples of `channels` planes at `rate` Hz. NULL: no memory. */
struct level *level_new(uint32_t rate, uint32_t channels, int64_t frames);
void level_free(struct level *level);

/* Any number of samples, in order. How they are cut into calls doesn't matter. */
void level_add(struct level *level, const float *const *planes, uint32_t n, uint32_t nonfinite);

/* Once, after everything. */
void level_finish(struct level *level, struct level_result *result);

/* After level_finish: mean square over all channels of each 10 ms (frame k begins at sample k * rate / 100, rounded
 * down; the last one may be shorter). Owned by `level`. */
const float *level_frames(const struct level *level, size_t *count);

#endif
