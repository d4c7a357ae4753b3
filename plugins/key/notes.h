/* SPDX-License-Identifier: MIT
 *
 * From tones to notes: the region's tuning, and how strongly each of 84 semitones (E1 to D#8) sounds in each frame.
 *
 * Each frame's tones are laid on the tuned semitones; then a non-negative least-squares fit explains them as notes with ten
 * harmonics that fall by 0.6 each (Mauch and Dixon 2010, "Approximate note transcription for the improved identification of
 * difficult chords"; solved by multiplicative updates, Lee and Seung 2001). Any thread. */
#ifndef SONDE_KEY_NOTES_H
#define SONDE_KEY_NOTES_H

#include "tones.h"

#define NOTES        84
#define NOTES_LOWEST 28 /* MIDI, E1 */

/* Clarity is the length of the mean vector of all tones from A2 to C7 (as directions: a turn is a semitone), weighted by
 * the root of their prominence. Noise has about 0, but few tones agree by chance: hence their effective number,
 * (sum of weights)^2 / sum of squares. A tone is held when the frame before has one within 15 cents and 12 dB. */
struct notes_tuning {
    double cents;        /* -50 to 50: how far the music is above A440 */
    double clarity;      /* 0 to 1: how closely the tones keep to one semitone grid */
    double tones;        /* effective number */
    double held;         /* 0 to 1: part of the weight that held tones have */
    double held_clarity; /* as above, of the held tones */
    double held_tones;
};

struct notes_tuning notes_tuning_find(const struct tones_frame *frames, size_t count);

/* Strength of each note of one frame (in units of amplitude), for a grid that is `cents` above A440. */
void notes_fit(const struct tones_frame *frame, double cents, float notes[NOTES]);

/* Folds notes into pitch classes C to B: all but the highest (treble), and those below C4 (bass). Each scaled to a sum of
 * 1, or all 0 where nothing sounds. Returns the frame's strength: the sum of all notes. */
float notes_fold(const float notes[NOTES], float treble[12], float bass[12]);

#endif
