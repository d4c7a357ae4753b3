/* Key, its parts and its fallback: all keys at five tunings, chords, changes of key, and sounds that have no key. */
#include "plugin_rig.h"

#include "plugins/key/chords.h"
#include "plugins/key/names.h"
#include "plugins/key/notes.h"
#include "plugins/key/tones.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RATE       22050
#define MAX_FRAMES (60 * RATE)

static float samples[MAX_FRAMES];

static const char *text_of(const cJSON *result, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(result, key);
    return cJSON_IsString(item) ? item->valuestring : "null";
}

static double hz_of(double midi, double cents) {
    return 440 * exp2((midi - 69 + cents / 100) / 12);
}

/* A triad around C4 and its root an octave and a half below. */
static void add_chord(double from, double to, int root, const int *tones, int count, double cents) {
    rig_tone(samples, RATE, from, to, hz_of(36 + root, cents), 0.15);
    for (int i = 0; i < count; i++) rig_tone(samples, RATE, from, to, hz_of(60 + (root + tones[i]) % 12, cents), 0.1);
}

static const int major[3] = {0, 4, 7}, minor[3] = {0, 3, 7};

/* I IV V I vi IV V I in major; i iv V i VI iv V i in minor. */
static double add_cadence(double at, int key, double cents) {
    static const int roots[2][8] = {{0, 5, 7, 0, 9, 5, 7, 0}, {0, 5, 7, 0, 8, 5, 7, 0}};
    static const bool is_minor[2][8] = {{0, 0, 0, 0, 1, 0, 0, 0}, {1, 1, 0, 1, 0, 1, 0, 1}};
    for (int i = 0; i < 8; i++, at += 1)
        add_chord(at, at + 1, (key + roots[key / 12][i]) % 12, is_minor[key / 12][i] ? minor : major, 3, cents);
    return at;
}

static void all_keys_at_five_tunings(void **state) {
    struct rig *rig = *state;
    for (int key = 0; key < KEYS; key++) {
        for (int cents = -40; cents <= 40; cents += 20) {
            memset(samples, 0, sizeof samples);
            const double end = add_cadence(0, key, cents);
            cJSON *r = rig_run_mono(rig, "key", samples, (int64_t)(end * RATE), RATE);
            assert_string_equal(text_of(r, "key"), names_key(key));
            assert_string_equal(text_of(r, "mode"), key < 12 ? "major" : "minor");
            assert_string_equal(text_of(r, "tonic"), names_tonic(key));
            assert_true(fabs(rig_number(r, "tuning_cents") - cents) < 3);
            assert_true(fabs(rig_number(r, "tuning_hz") - hz_of(69, cents)) < 1);
            assert_int_equal(rig_number(r, "key_changes"), 0);
            assert_true(rig_number(r, "key_confidence") > 0.4);
            cJSON_Delete(r);
        }
    }
}

/* Chords that another key has too, the relative major or the fourth: where the music begins and rests tells which it is. */
static void shared_chords_belong_to_where_they_rest(void **state) {
    struct rig *rig = *state;
    static const int roots[2][4] = {{0, 5, 7, 5}, {0, 8, 3, 10}}; /* I IV V IV, i VI III VII */
    static const bool is_minor[2][4] = {{0, 0, 0, 0}, {1, 0, 0, 0}};
    for (int key = 0; key < KEYS; key += 5) {
        memset(samples, 0, sizeof samples);
        for (int i = 0; i < 9; i++)
            add_chord(i, i + 1, (key + roots[key / 12][i % 4]) % 12, is_minor[key / 12][i % 4] ? minor : major, 3, 0);
        cJSON *r = rig_run_mono(rig, "key", samples, 9 * RATE, RATE);
        assert_string_equal(text_of(r, "key"), names_key(key));
        cJSON_Delete(r);
    }
}

static void fallback_knows_all_keys(void **state) {
    (void)state;
    struct rig *rig = rig_new("KEY_FALLBACK_SO");
    for (int key = 0; key < KEYS; key++) {
        memset(samples, 0, sizeof samples);
        const double end = add_cadence(0, key, 0);
        cJSON *r = rig_run_mono(rig, "key_fallback", samples, (int64_t)(end * RATE), RATE);
        assert_string_equal(text_of(r, "key"), names_key(key));
        cJSON_Delete(r);
    }
    rig_noise(samples, 10 * RATE, 0.3f);
    cJSON *r = rig_run_mono(rig, "key_fallback", samples, 10 * RATE, RATE);
    assert_string_equal(text_of(r, "mode"), "none");
    cJSON_Delete(r);
    rig_free(rig);
}

static void chords_are_heard(void **state) {
    struct rig *rig = *state;
    static const struct {
        const char *quality;
        int tones[4], count;
    } chords[] = {{"maj", {0, 4, 7}, 3},      {"min", {0, 3, 7}, 3},      {"7", {0, 4, 7, 10}, 4},
                  {"maj7", {0, 4, 7, 11}, 4}, {"min7", {0, 3, 7, 10}, 4}, {"dim", {0, 3, 6}, 3},
                  {"aug", {0, 4, 8}, 3},      {"sus4", {0, 5, 7}, 3},     {"sus2", {0, 2, 7}, 3}};
    for (size_t q = 0; q < sizeof chords / sizeof *chords; q++) {
        for (int root = 0; root < 12; root++) {
            char name[16];
            snprintf(name, sizeof name, "%s:%s", names_root(root), chords[q].quality);
            memset(samples, 0, sizeof samples);
            add_chord(0, 3, root, chords[q].tones, chords[q].count, 0);
            cJSON *r = rig_run_mono(rig, "key", samples, 3 * RATE, RATE);
            assert_string_equal(text_of(r, "chord"), name);
            cJSON_Delete(r);
        }
    }
}

static void chords_come_in_time(void **state) {
    struct rig *rig = *state;
    static const char *const names[] = {"C:maj", "F:maj", "G:maj", "C:maj", "A:min", "F:maj", "G:maj", "C:maj"};
    memset(samples, 0, sizeof samples);
    cJSON *r = rig_run_mono(rig, "key", samples, (int64_t)(add_cadence(0, 0, 0) * RATE), RATE);
    const cJSON *chords = cJSON_GetObjectItem(r, "chords");
    assert_int_equal(cJSON_GetArraySize(chords), 8);
    for (int i = 0; i < 8; i++) {
        const cJSON *c = cJSON_GetArrayItem(chords, i);
        assert_string_equal(text_of(c, "chord"), names[i]);
        assert_true(fabs(rig_number(c, "start") - i) < 0.2);
        assert_true(fabs(rig_number(c, "end") - i - 1) < 0.2);
    }
    cJSON_Delete(r);
}

static void a_change_of_key_is_told(void **state) {
    struct rig *rig = *state;
    memset(samples, 0, sizeof samples);
    double at = 0;
    while (at < 24) at = add_cadence(at, 0, 0);
    const double change = at;
    while (at < 48) at = add_cadence(at, 4, 0); /* E major */
    cJSON *r = rig_run_mono(rig, "key", samples, (int64_t)(at * RATE), RATE);
    const cJSON *keys = cJSON_GetObjectItem(r, "keys");
    assert_int_equal(cJSON_GetArraySize(keys), 2);
    assert_int_equal(rig_number(r, "key_changes"), 1);
    assert_string_equal(text_of(cJSON_GetArrayItem(keys, 0), "key"), "C major");
    assert_string_equal(text_of(cJSON_GetArrayItem(keys, 1), "key"), "E major");
    assert_true(fabs(rig_number(cJSON_GetArrayItem(keys, 1), "start") - change) < 4);
    cJSON_Delete(r);
}

static void no_key(struct rig *rig, int64_t frames, uint32_t rate) {
    cJSON *r = rig_run_mono(rig, "key", samples, frames, rate);
    assert_string_equal(text_of(r, "mode"), "none");
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(r, "key")));
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(r, "chords")), 0);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(r, "keys")), 0);
    assert_true(rig_number(r, "key_confidence") >= 0.5);
    cJSON_Delete(r);
}

static void what_has_no_key_gets_none(void **state) {
    struct rig *rig = *state;
    memset(samples, 0, sizeof samples);
    no_key(rig, 10 * RATE, RATE); /* silence */
    no_key(rig, 1, RATE);         /* one sample */
    samples[RATE] = 1;
    no_key(rig, 2 * RATE, RATE); /* a click */
    for (int i = 0; i < 10 * RATE; i++) samples[i] = 0.5f;
    no_key(rig, 10 * RATE, RATE); /* DC */
    rig_noise(samples, 10 * RATE, 0.3f);
    no_key(rig, 10 * RATE, RATE);
    no_key(rig, 10 * 8000, 8000);
    no_key(rig, 2 * 192000, 192000);
    no_key(rig, RATE / 20, RATE);
    for (int i = 0; i < 10 * RATE; i++) samples[i] = (float)sin(2 * M_PI * 3 * i / RATE);
    no_key(rig, 10 * RATE, RATE); /* an LFO */
    for (int i = 0; i < 2 * RATE; i++) samples[i] = NAN;
    no_key(rig, 2 * RATE, RATE);
}

/* A single sine has a pitch and no harmony: no key, or one on its own note. */
static void a_sine_has_no_other_key(void **state) {
    struct rig *rig = *state;
    for (int i = 0; i < 10 * RATE; i++) samples[i] = 0.5f * (float)sin(2 * M_PI * 440 * i / RATE);
    cJSON *r = rig_run_mono(rig, "key", samples, 10 * RATE, RATE);
    if (strcmp(text_of(r, "mode"), "none") != 0) assert_string_equal(text_of(r, "tonic"), "A");
    assert_true(fabs(rig_number(r, "tuning_cents")) < 2);
    cJSON_Delete(r);
}

/* A key that never changes is told once, as one and the same. */
static void told_as_one(const cJSON *r) {
    const cJSON *keys = cJSON_GetObjectItem(r, "keys"), *one = cJSON_GetArrayItem(keys, 0), *score;
    double best = 0;
    cJSON_ArrayForEach(score, cJSON_GetObjectItem(r, "scores")) best = fmax(best, score->valuedouble);
    assert_int_equal(cJSON_GetArraySize(keys), 1);
    assert_string_equal(text_of(one, "key"), text_of(r, "key"));
    assert_true(fabs(rig_number(one, "strength") - best) < 1e-6);
}

static void one_sine_has_one_key(void **state) {
    memset(samples, 0, sizeof samples);
    rig_tone(samples, RATE, 0, 5, 440, 0.3);
    cJSON *r = rig_run_mono(*state, "key", samples, 5 * RATE, RATE);
    assert_string_equal(text_of(r, "tonic"), "A");
    told_as_one(r);
    cJSON_Delete(r);
}

/* Strings in fifths and octaves with one third among them, strummed: nothing but the chord tells the mode. */
static void one_chord_is_its_own_key(void **state) {
    static const int strings[2][6] = {{0, 7, 12, 16, 19, 24}, {0, 7, 12, 15, 19, 24}};
    for (int key = 0; key < KEYS; key++) {
        memset(samples, 0, sizeof samples);
        for (int i = 0; i < 6; i++)
            for (int h = 1; h <= 6; h++)
                rig_tone(samples, RATE, .02 * i, 4, h * hz_of(40 + key % 12 + strings[key / 12][i], 0), .1 / h);
        cJSON *r = rig_run_mono(*state, "key", samples, 4 * RATE, RATE);
        assert_string_equal(text_of(r, "key"), names_key((key + 4) % 12 + key / 12 * 12));
        told_as_one(r);
        cJSON_Delete(r);
    }
}

static void odd_levels_change_nothing(void **state) {
    struct rig *rig = *state;
    for (int i = 0; i < 3; i++) {
        const float gain = (const float[]){1e-4f, 1e4f, 30}[i];
        memset(samples, 0, sizeof samples);
        const int64_t frames = (int64_t)(add_cadence(0, 3, 0) * RATE);
        for (int64_t k = 0; k < frames; k++) samples[k] *= gain;
        if (i == 2)
            for (int64_t k = 0; k < frames; k++) samples[k] = fmaxf(-1, fminf(1, samples[k])); /* clipped hard */
        cJSON *r = rig_run_mono(rig, "key", samples, frames, RATE);
        assert_string_equal(text_of(r, "key"), "Eb major");
        cJSON_Delete(r);
    }
}

static void blocks_change_nothing(void **state) {
    struct rig *rig = *state;
    memset(samples, 0, sizeof samples);
    const int64_t frames = (int64_t)(add_cadence(0, 14, 13) * RATE);
    char *first = NULL;
    for (int i = 0; i < 4; i++) {
        rig_pieces(rig, (const int64_t[]){100000, 777, 4096, 50001}[i], (const uint32_t[]){0, 100, 4096, 31}[i]);
        cJSON *r = rig_run_mono(rig, "key", samples, frames, RATE);
        char *text = cJSON_PrintUnformatted(r);
        if (first)
            assert_string_equal(text, first);
        else
            first = strdup(text);
        free(text);
        cJSON_Delete(r);
    }
    free(first);
    rig_pieces(rig, 100000, 0);
}

static void names_agree(void **state) {
    (void)state;
    assert_string_equal(names_key(0), "C major");
    assert_string_equal(names_camelot(0), "8B");
    assert_string_equal(names_open_key(21), "1m");
    static const int major_steps[7] = {0, 2, 4, 5, 7, 9, 11}, minor_steps[7] = {0, 2, 3, 5, 7, 8, 10};
    static const int letters[7] = {9, 11, 0, 2, 4, 5, 7}; /* A to G */
    for (int key = 0; key < KEYS; key++) {
        unsigned seen = 0;
        for (int degree = 0; degree < 7; degree++) {
            const char *note = names_scale(key, degree);
            const int pitch = letters[note[0] - 'A'] + (note[1] == '#') - (note[1] == 'b');
            assert_int_equal((pitch + 12) % 12, (key + (key < 12 ? major_steps : minor_steps)[degree]) % 12);
            seen |= 1u << (note[0] - 'A');
        }
        assert_int_equal(seen, 0x7f);
        /* Up a fifth is one further on both wheels; the relative minor has the same number. */
        const int fifth = (key + 7) % 12 + key / 12 * 12;
        assert_int_equal(atoi(names_camelot(fifth)), atoi(names_camelot(key)) % 12 + 1);
        assert_int_equal(atoi(names_open_key(fifth)), atoi(names_open_key(key)) % 12 + 1);
        if (key < 12) assert_int_equal(atoi(names_camelot(key)), atoi(names_camelot((key + 9) % 12 + 12)));
    }
}

static void notes_are_fitted(void **state) {
    (void)state;
    struct tones_frame frame = {.count = 10, .power = 1};
    for (int h = 1; h <= 10; h++) /* A3 with its harmonics, 30 cents high */
        frame.tone[h - 1] = (struct tone){57.3f + 12 * log2f((float)h), (float)pow(0.6, h - 1), 1e-4f};
    const struct notes_tuning tuning = notes_tuning_find(&frame, 1);
    float notes[NOTES], rest = 0;
    notes_fit(&frame, 30, notes);
    for (int n = 0; n < NOTES; n++)
        if (n != 57 - NOTES_LOWEST) rest += notes[n];
    assert_true(tuning.clarity > 0.8);
    assert_true(fabsf(notes[57 - NOTES_LOWEST] - 1) < 0.1f);
    assert_true(rest < 0.2f);
}

static int rig_start(void **state) {
    *state = rig_new("KEY_SO");
    return 0;
}

static int rig_stop(void **state) {
    rig_free(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_agree),
        cmocka_unit_test(notes_are_fitted),
        cmocka_unit_test(all_keys_at_five_tunings),
        cmocka_unit_test(shared_chords_belong_to_where_they_rest),
        cmocka_unit_test(fallback_knows_all_keys),
        cmocka_unit_test(chords_are_heard),
        cmocka_unit_test(chords_come_in_time),
        cmocka_unit_test(a_change_of_key_is_told),
        cmocka_unit_test(what_has_no_key_gets_none),
        cmocka_unit_test(a_sine_has_no_other_key),
        cmocka_unit_test(one_sine_has_one_key),
        cmocka_unit_test(one_chord_is_its_own_key),
        cmocka_unit_test(odd_levels_change_nothing),
        cmocka_unit_test(blocks_change_nothing),
    };
    return cmocka_run_group_tests(tests, rig_start, rig_stop);
}
