/* SPDX-License-Identifier: MIT
 *
 * 25 numbers for similarity search (order in schema/results/features.json): each measure, centred and scaled by its median
 * and half its 16th-to-84th percentile distance over a mixed collection of music, loops, one-shots, speech and
 * environmental sounds, limited to -4 to 4. Close sounds are close in Euclidean distance. Any thread. */
#ifndef SONDE_FEATURES_FINGERPRINT_H
#define SONDE_FEATURES_FINGERPRINT_H

#include "spectral.h"

#define FINGERPRINT_SIZE 25

/* `attack` in s. All zeros when no frame is active. */
void fingerprint_make(const struct spectral_result *s, double attack, double out[FINGERPRINT_SIZE]);

#endif
