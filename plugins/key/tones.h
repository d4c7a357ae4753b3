/* SPDX-License-Identifier: MIT
 *
 * The tones of a region: peaks of the long spectrum (22,050 Hz mid, window 8,192, hop 4,096), kept frame by frame until the
 * region's tuning is known.
 *
 * A peak is a bin higher than its neighbours from 50 Hz to 5 kHz; its frequency is interpolated by a parabola through the
 * logarithms (Smith and Serra 1987). At most TONES_PEAKS a frame are kept: those that stand out most from the mean
 * magnitude of half an octave around. One instance is used by one thread at a time. */
#ifndef SONDE_KEY_TONES_H
#define SONDE_KEY_TONES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TONES_RATE   22050
#define TONES_WINDOW 8192
#define TONES_HOP    4096
#define TONES_PEAKS  48

struct tone {
    float pitch;     /* MIDI note number, fractional: 69.0 is 440 Hz */
    float magnitude; /* amplitude; full scale is 1 */
    float around;    /* mean magnitude around it */
};

struct tones_frame {
    uint32_t count;
    float power;                   /* of the whole frame */
    struct tone tone[TONES_PEAKS]; /* rising in pitch */
};

struct tones;

/* For at most `frames` frames. NULL: no memory. */
struct tones *tones_new(size_t frames);
void tones_free(struct tones *t);

/* The next frames: power of bin b of frame f is power[f * stride + b]. */
void tones_add(struct tones *t, const float *power, size_t stride, size_t frames);

/* All frames so far. Owned by `t`. */
const struct tones_frame *tones_frames(const struct tones *t, size_t *count);

#endif
