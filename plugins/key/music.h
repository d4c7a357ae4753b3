/* SPDX-License-Identifier: MIT
 *
 * A region as music, frame by frame: tuning, chroma of treble and bass, chords. What keys are judged by. Any thread. */
#ifndef SONDE_KEY_MUSIC_H
#define SONDE_KEY_MUSIC_H

#include "chords.h"
#include "notes.h"
#include "tones.h"

#include <stdbool.h>
#include <stddef.h>

#define MUSIC_FRAME_SECONDS ((double)TONES_HOP / TONES_RATE)

struct music {
    size_t frames, chords;
    float *treble, *bass;     /* frames x 12, see notes.h */
    float *strength, loudest; /* of each frame, and the highest */
    struct chord *chord;
    struct notes_tuning tuning;
};

/* false: no memory. Free in either case. */
bool music_make(const struct tones *tones, struct music *music);
void music_free(struct music *music);

#endif
