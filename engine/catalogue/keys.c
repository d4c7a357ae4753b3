#include "engine/catalogue/keys.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const names[KEYS_COUNT] = {
    "C major",  "Db major", "D major",  "Eb major", "E major",  "F major",  "F# major", "G major",
    "Ab major", "A major",  "Bb major", "B major",  "C minor",  "C# minor", "D minor",  "Eb minor",
    "E minor",  "F minor",  "F# minor", "G minor",  "G# minor", "A minor",  "Bb minor", "B minor",
};
static const char *const shorts[KEYS_COUNT] = {"C",  "Db", "D",   "Eb", "E",   "F",   "F#",  "G",
                                               "Ab", "A",  "Bb",  "B",  "Cm",  "C#m", "Dm",  "Ebm",
                                               "Em", "Fm", "F#m", "Gm", "G#m", "Am",  "Bbm", "Bm"};
/* Around the circle of fifths: C major and A minor are 8. */
static const char *const camelots[KEYS_COUNT] = {"8B", "3B",  "10B", "5B", "12B", "7B",  "2B", "9B",
                                                 "4B", "11B", "6B",  "1B", "5A",  "12A", "7A", "2A",
                                                 "9A", "4A",  "11A", "6A", "1A",  "8A",  "3A", "10A"};

static const char *at(const char *const table[KEYS_COUNT], int key) {
    return key >= 0 && key < KEYS_COUNT ? table[key] : NULL;
}

const char *keys_name(int key) {
    return at(names, key);
}

const char *keys_short(int key) {
    return at(shorts, key);
}

const char *keys_camelot(int key) {
    return at(camelots, key);
}

/* "8A", "12b"; Open Key's "1m" and "1d" count from A minor and C major, which are Camelot's 8. */
static int parse_wheel(const char *text) {
    char *end = NULL;
    long number = strtol(text, &end, 10);
    int letter = tolower((unsigned char)*end);
    if (number < 1 || number > 12 || letter == 0 || end[1] != '\0') return -1;
    if (letter == 'm' || letter == 'd') {
        number = (number + 6) % 12 + 1;
        letter = letter == 'm' ? 'a' : 'b';
    }
    if (letter != 'a' && letter != 'b') return -1;
    char code[32];
    snprintf(code, sizeof code, "%ld%c", number, toupper(letter));
    for (int key = 0; key < KEYS_COUNT; key++)
        if (strcmp(camelots[key], code) == 0) return key;
    return -1;
}

/* Takes "#", "b" or the signs themselves; the letter b counts as flat unless a word follows that begins with it. */
static const char *take_accidental(const char *text, int *pitch) {
    static const struct {
        const char *sign;
        int step;
    } signs[] = {{"#", 1}, {"b", -1}, {"\xe2\x99\xaf", 1}, {"\xe2\x99\xad", -1}};
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        size_t n = strlen(signs[i].sign);
        if (strncmp(text, signs[i].sign, n) != 0) continue;
        *pitch = (*pitch + signs[i].step + 12) % 12;
        return text + n;
    }
    return text;
}

/* 0 major, 1 minor, -1 neither. */
static int parse_mode(const char *text) {
    static const char *const minor[] = {"minor", "min", "moll", "aeolian"}, *const major[] = {"", "major", "maj", "dur",
                                                                                              "ionian"};
    while (*text == ' ' || *text == '-' || *text == '_' || *text == ':') text++;
    if (strcmp(text, "m") == 0) return 1; /* a capital M is major */
    if (strcmp(text, "M") == 0) return 0;
    for (size_t i = 0; i < sizeof minor / sizeof *minor; i++)
        if (strcasecmp(text, minor[i]) == 0) return 1;
    for (size_t i = 0; i < sizeof major / sizeof *major; i++)
        if (strcasecmp(text, major[i]) == 0) return 0;
    return -1;
}

int keys_parse(const char *text) {
    static const int pitches[7] = {9, 11, 0, 2, 4, 5, 7}; /* a to g */
    while (*text == ' ') text++;
    if (isdigit((unsigned char)*text)) return parse_wheel(text);
    int letter = tolower((unsigned char)*text);
    if (letter < 'a' || letter > 'g') return -1;
    int pitch = pitches[letter - 'a'];
    const char *rest = take_accidental(text + 1, &pitch);
    int mode = parse_mode(rest);
    return mode < 0 ? -1 : 12 * mode + pitch;
}

uint32_t keys_neighbours(int key) {
    if (key < 0 || key >= KEYS_COUNT) return 0;
    int mode = key / 12, pitch = key % 12;
    int relative = mode == 0 ? 12 + (pitch + 9) % 12 : (pitch + 3) % 12;
    int up = 12 * mode + (pitch + 7) % 12, down = 12 * mode + (pitch + 5) % 12;
    return 1u << key | 1u << relative | 1u << up | 1u << down;
}

void keys_each_spelling(int key, void (*each)(void *context, const char *name), void *context) {
    static const char *const sharps[12] = {"C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"};
    static const char *const flats[12] = {"C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "Cb"};
    if (key < 0 || key >= KEYS_COUNT) return;
    const char *mode = key >= 12 ? "minor" : "major";
    char name[20];
    snprintf(name, sizeof name, "%s %s", sharps[key % 12], mode);
    each(context, name);
    if (strcmp(sharps[key % 12], flats[key % 12]) == 0) return;
    snprintf(name, sizeof name, "%s %s", flats[key % 12], mode);
    each(context, name);
}
