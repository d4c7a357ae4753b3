/* SPDX-License-Identifier: MIT
 *
 * Pitch of a frame from its power spectrum: the highest peak of the autocorrelation (the spectrum's inverse transform),
 * divided by that of the window (Boersma 1993, "Accurate short-term analysis of the fundamental frequency ..."). 50 Hz to
 * 2 kHz. Frames are collected and transformed together. One thread for each object. */
#ifndef SONDE_FEATURES_PITCH_H
#define SONDE_FEATURES_PITCH_H

#include "sonde/kernels.h"

#include <stddef.h>

struct pitch;

/* `kernel` must outlive it. NULL: no memory. */
struct pitch *pitch_new(const sonde_kernel_fft_many_t *kernel);
void pitch_free(struct pitch *pitch); /* NULL is fine */

/* Looks for the pitch of one frame, `power` of SPECTRAL_BINS bins: Hz, or 0 for none, will stand in *f0 after the next
 * pitch_flush at the latest. */
void pitch_add(struct pitch *pitch, const float *power, float *f0);
void pitch_flush(struct pitch *pitch);

/* Forgets the frames that are still waiting: their `f0` may go. */
void pitch_forget(struct pitch *pitch);

#endif
