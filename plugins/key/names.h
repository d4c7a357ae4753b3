/* SPDX-License-Identifier: MIT
 *
 * Names of keys and chords. A key is a number: tonic 0 (C) to 11 (B), plus 12 for minor. All strings are static. */
#ifndef SONDE_KEY_NAMES_H
#define SONDE_KEY_NAMES_H

#define KEYS 24

/* "C major" ... "B minor", spelled as usual: Db, Eb, F#, Ab, Bb major; C#, Eb, F#, G#, Bb minor. */
const char *names_key(int key);
/* "C", "Db" ... as in names_key. */
const char *names_tonic(int key);
/* "8B", "8A" ...: the Camelot wheel (C major is 8B, A minor 8A). */
const char *names_camelot(int key);
/* "1d", "1m" ...: Open Key notation (C major is 1d, A minor 1m). */
const char *names_open_key(int key);
/* Note `degree` (0 to 6) of the major or natural minor scale, spelled with seven different letters: "F#", "Gb", "E#". */
const char *names_scale(int key, int degree);
/* Roots of chords, independent of key: C C# D Eb E F F# G Ab A Bb B. */
const char *names_root(int pitch_class);

#endif
