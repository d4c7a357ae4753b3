/* SPDX-License-Identifier: MIT */
#include "names.h"

static const char *const tonics[KEYS] = {"C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B",
                                         "C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B"};

static const char *const keys[KEYS] = {"C major",  "Db major", "D major",  "Eb major", "E major",  "F major",
                                       "F# major", "G major",  "Ab major", "A major",  "Bb major", "B major",
                                       "C minor",  "C# minor", "D minor",  "Eb minor", "E minor",  "F minor",
                                       "F# minor", "G minor",  "G# minor", "A minor",  "Bb minor", "B minor"};

static const char *const camelot[KEYS] = {"8B", "3B",  "10B", "5B", "12B", "7B", "2B",  "9B", "4B", "11B", "6B", "1B",
                                          "5A", "12A", "7A",  "2A", "9A",  "4A", "11A", "6A", "1A", "8A",  "3A", "10A"};

static const char *const open_keys[KEYS] = {"1d", "8d", "3d",  "10d", "5d",  "12d", "7d",  "2d",
                                            "9d", "4d", "11d", "6d",  "10m", "5m",  "12m", "7m",
                                            "2m", "9m", "4m",  "11m", "6m",  "1m",  "8m",  "3m"};

/* Notes in fifths from Fb to B#, so that a scale is seven neighbours. */
static const char *const fifths[] = {"Fb", "Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F",  "C",  "G", "D",
                                     "A",  "E",  "B",  "F#", "C#", "G#", "D#", "A#", "E#", "B#"};

const char *names_key(int key) {
    return keys[key];
}

const char *names_tonic(int key) {
    return tonics[key];
}

const char *names_camelot(int key) {
    return camelot[key];
}

const char *names_open_key(int key) {
    return open_keys[key];
}

const char *names_scale(int key, int degree) {
    static const int major[7] = {0, 2, 4, -1, 1, 3, 5}, minor[7] = {0, 2, -3, -1, 1, -4, -2};
    int place = 0;
    while (fifths[place][0] != tonics[key][0] || fifths[place][1] != tonics[key][1]) place++;
    return fifths[place + (key < 12 ? major : minor)[degree]];
}

const char *names_root(int pitch_class) {
    static const char *const roots[12] = {"C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"};
    return roots[pitch_class];
}
