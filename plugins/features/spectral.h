/* SPDX-License-Identifier: MIT
 *
 * Measures of the power spectrum (22,050 Hz mid, window 2,048, hop 512, a full-scale sine peaks at 1).
 *
 * Frames are stored as 40 mel bands in dB and a few numbers each (180 bytes a frame, 28 MB an hour), and summarised at
 * the end over the frames that are active: within 50 dB of the loudest and above -80 dBFS. Definitions:
 *   centroid, bandwidth, roll-off (85 %), flatness: Peeters 2004, "A large set of audio features", sections 6.1 and 6.2,
 *     on power; flatness from 100 Hz to 10 kHz, or to where a recording of a lower rate ends.
 *   contrast: Jiang and others 2002, six bands from 200 Hz to 10 kHz (a recording of a lower rate ends in the middle of
 *     one, and has 0 above), mean of the top and bottom 10 % of bins; every 8th frame.
 *   flux: mean rise of the mel bands in dB from one frame to the next (Boeck and Widmer 2013, "SuperFlux", maximum over
 *     three bands).
 *   MFCC: 40 Slaney mel bands 30 Hz to 10 kHz (where the resampler ends), dB (at most 80 below
 *     the frame), orthonormal DCT-II.
 *   onsets: peaks of the flux above a moving mean.
 *   harmonic and percussive part: medians over time and over bands with soft masks (Fitzgerald 2010) on the mel bands.
 *   pitch: maximum of the normalised autocorrelation (Boersma 1993), every 2nd frame, 50 Hz to 2 kHz.
 * One instance is used by one thread at a time. */
#ifndef SONDE_FEATURES_SPECTRAL_H
#define SONDE_FEATURES_SPECTRAL_H

#include "sonde/kernels.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPECTRAL_RATE        22050
#define SPECTRAL_WINDOW      2048
#define SPECTRAL_HOP         512
#define SPECTRAL_BINS        (SPECTRAL_WINDOW / 2 + 1)
#define SPECTRAL_MEL         40
#define SPECTRAL_MFCC        20
#define SPECTRAL_CONTRAST    6
#define SPECTRAL_PITCH_EVERY 2

struct spectral;
struct spectral_design;

struct spectral_result {
    size_t active;                       /* frames that the means are over; 0: nothing below is meaningful */
    double centroid, bandwidth, rolloff; /* Hz */
    double centroid_spread;              /* Hz, standard deviation over frames */
    double flatness;                     /* 0 tonal to 1 white */
    double contrast[SPECTRAL_CONTRAST];  /* dB */
    double flux;                         /* dB a frame */
    double mfcc_mean[SPECTRAL_MFCC], mfcc_spread[SPECTRAL_MFCC];
    double chroma[12]; /* C to B, largest 1 */
    double onset_rate; /* 1/s */
    uint32_t onsets;
    double harmonic, percussive;       /* parts of the energy, 0 to 1; the rest is neither */
    double f0_median, f0_low, f0_high; /* Hz: median, 5th and 95th percentile; 0: nothing voiced */
    double voiced;                     /* part of active frames with a pitch, 0 to 1 */
    double f0_stability;               /* 1: a steady tone; 0: pitch moves a semitone or more from frame to frame */
    double f0_jumps;                   /* changes of 0.7 semitones or more between steady stretches, 1/s */
};

/* What all regions have in common; serves one `struct spectral` at a time. `kernel` must outlive it. NULL: no memory. */
struct spectral_design *spectral_design_new(const sonde_kernel_fft_many_t *kernel);
void spectral_design_free(struct spectral_design *design); /* NULL is fine */

/* For at most `frames` frames of a region whose file has this `rate` in Hz; `design` must outlive it. NULL: no memory. */
struct spectral *spectral_new(size_t frames, uint32_t rate, struct spectral_design *design);
void spectral_free(struct spectral *s);

/* The next frames: power of bin b of frame f is power[f * stride + b]. */
void spectral_add(struct spectral *s, const float *power, size_t stride, size_t frames);

/* Once, after everything. false: no memory. */
bool spectral_finish(struct spectral *s, struct spectral_result *result);

/* After spectral_finish: pitch of each SPECTRAL_PITCH_EVERY-th frame in Hz, 0 where there is none. Owned by `s`. */
const float *spectral_f0(const struct spectral *s, size_t *count);

#endif
