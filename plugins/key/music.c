/* SPDX-License-Identifier: MIT */
#include "music.h"

#include <stdlib.h>
#include <string.h>

bool music_make(const struct tones *tones, struct music *m) {
    memset(m, 0, sizeof *m);
    const struct tones_frame *frames = tones_frames(tones, &m->frames);
    m->treble = calloc(m->frames + 1, 12 * sizeof(float));
    m->bass = calloc(m->frames + 1, 12 * sizeof(float));
    m->strength = calloc(m->frames + 1, sizeof(float));
    m->chord = calloc(m->frames + 1, sizeof *m->chord);
    if (!m->treble || !m->bass || !m->strength || !m->chord) return false;
    m->tuning = notes_tuning_find(frames, m->frames);
    for (size_t k = 0; k < m->frames; k++) {
        float notes[NOTES];
        notes_fit(&frames[k], m->tuning.cents, notes);
        m->strength[k] = notes_fold(notes, m->treble + k * 12, m->bass + k * 12);
        m->loudest = m->strength[k] > m->loudest ? m->strength[k] : m->loudest;
    }
    return chords_find(m->treble, m->bass, m->strength, m->frames, m->chord, &m->chords);
}

void music_free(struct music *m) {
    free(m->treble);
    free(m->bass);
    free(m->strength);
    free(m->chord);
}
