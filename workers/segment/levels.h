/* The short-time level of a whole file in one byte per 10 ms: 8.6 MB for a day of audio.
 *
 * The level of a frame is the power of its loudest channel after removing that frame's mean, so a constant offset (and
 * rumble far below 50 Hz) is silence. A byte b stands for (b - 255) / 2 dBFS, where 0 dBFS is a power of 1; 0 is anything
 * at or below -127.5 dBFS, digital silence included.
 * One thread at a time. */
#ifndef SONDE_SEGMENT_LEVELS_H
#define SONDE_SEGMENT_LEVELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEVELS_PER_SECOND 100

struct levels {
    uint8_t *level; /* `count` bytes */
    size_t count, capacity;
    int hop; /* audio frames a level stands for: rate / 100, rounded; the last one may stand for fewer */
    int channels;
    int filled;   /* audio frames in the level under way */
    double *sums; /* of the level under way, relative to `first`: channels sums, then channels sums of squares */
    float *first; /* channels: the level's first sample, so that large offsets don't cost precision */
};

/* Starts a file; what an earlier file left is reused. False: out of memory. The struct begins as zeroes. */
bool levels_start(struct levels *levels, int rate, int channels);

/* Adds `frames` interleaved frames of finite samples. False: out of memory. */
bool levels_add(struct levels *levels, const float *samples, int64_t frames);

/* Ends the file: completes the last level. False: out of memory. */
bool levels_finish(struct levels *levels);

void levels_free(struct levels *levels);

/* What a byte stands for, dBFS, and the nearest byte. */
double levels_to_db(uint8_t level);
uint8_t levels_from_db(double db);

#endif
