/* Waveform peaks of a file whose length nobody knows beforehand: minimum, maximum and RMS of one or two channels.
 *
 * Bins begin at one frame each; whenever they run out, neighbours are merged and each bin stands for twice as many
 * frames. So memory is constant, every sample counts, and there are always at least 8192 bins per file of that many
 * frames or more. One thread at a time. */
#ifndef SONDE_SEGMENT_PEAKS_H
#define SONDE_SEGMENT_PEAKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PEAKS_OVERVIEW 1000
#define PEAKS_ZOOM     8000
#define PEAKS_BINS     32768
#define PEAKS_CHANNELS 2

struct peaks_bin {
    float min, max;
    double square; /* sum of squares */
};

struct peaks {
    struct peaks_bin *bins; /* PEAKS_BINS x PEAKS_CHANNELS, channel-interleaved */
    size_t count;           /* bins begun */
    int64_t width;          /* frames a bin: a power of two */
    int64_t filled;         /* frames in the last bin; `width` when it is full */
    int64_t frames;         /* seen in all */
    int source_channels, channels;
};

/* Starts a file; memory of an earlier file is reused. False: out of memory. The struct begins as zeroes. */
bool peaks_start(struct peaks *peaks, int channels);

/* Adds `frames` interleaved frames of finite samples; of more than two channels, the first two count. */
void peaks_add(struct peaks *peaks, const float *samples, int64_t frames);

/* How many points there are when at most `points` are wanted: never more than frames. */
size_t peaks_points(const struct peaks *peaks, size_t points);

/* Writes that many points to `to`: for each point, for each of peaks->channels channels, {min, max, RMS}, full scale
 * 32767, clipped there. Point p stands for the frames from p/points to (p+1)/points of the file, to a bin's precision. */
void peaks_write(const struct peaks *peaks, size_t points, int16_t *to);

void peaks_free(struct peaks *peaks);

#endif
