/* Test audio: regions made by arithmetic, the same on every machine, in sealed memory that workers can map. */
#ifndef SONDE_CHECK_SOUND_H
#define SONDE_CHECK_SOUND_H

#include "engine/base/error.h"

#include <stdint.h>

enum sound_kind {
    SOUND_MUSIC,     /* chords, a bass, drums at 120 bpm, a little noise; each channel somewhat different */
    SOUND_SILENCE,   /* zeroes */
    SOUND_LOUD,      /* music at 1e9 */
    SOUND_NONFINITE, /* music with NaN and infinity in many places */
    SOUND_CONSTANT,  /* 0.5 */
    SOUND_NOISE,     /* white, full scale */
    SOUND_FAINT,     /* music at 1e-20: its squares are denormal, the smallest numbers that a float holds */
    SOUND_FADING,    /* music that dies away by 200 dB a second, until it is less than any float */
};

struct sound {
    enum sound_kind kind;
    uint32_t rate, channels;
    int64_t frames;
    int fd;        /* a sealed memfd: planar float32 */
    char name[80]; /* "12 s of music, 44100 Hz, 2 channels" */
};

/* At most 64 MiB of samples, and 32 channels. False with a sentence. */
bool sound_make(struct sound *sound, enum sound_kind kind, uint32_t rate, uint32_t channels, int64_t frames,
                struct error *error);
void sound_free(struct sound *sound); /* one that wasn't made has fd -1, or is all zero */

/* Random bits that depend on `n` alone. */
uint64_t sound_random(uint64_t n);

#endif
