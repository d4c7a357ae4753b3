/* SPDX-License-Identifier: MIT */
#include "notes.h"

#include <math.h>

#define HARMONICS     10
#define HARMONIC_FALL 0.6
#define WIDTH         0.2f /* semitones: how sharply tones are counted to their semitone */
#define ROUNDS        20
#define TINY          1e-9f

static const int harmonic_step[HARMONICS] = {0, 12, 19, 24, 28, 31, 34, 36, 38, 40};

static float prominence(const struct tone *t) {
    return t->magnitude > t->around ? t->magnitude - t->around : 0.0f;
}

struct vector {
    double re, im, sum, squares;
};

static void vector_add(struct vector *v, double weight, double angle) {
    v->re += weight * cos(angle);
    v->im += weight * sin(angle);
    v->sum += weight;
    v->squares += weight * weight;
}

static double vector_length(const struct vector *v) {
    return v->sum > 0.0 ? sqrt(v->re * v->re + v->im * v->im) / v->sum : 0.0;
}

static double vector_count(const struct vector *v) {
    return v->squares > 0.0 ? v->sum * v->sum / v->squares : 0.0;
}

/* Tones rise in pitch, so `*at` only moves up from call to call. */
static bool is_held(const struct tone *t, const struct tones_frame *before, uint32_t *at) {
    while (*at + 1 < before->count &&
           fabsf(before->tone[*at + 1].pitch - t->pitch) <= fabsf(before->tone[*at].pitch - t->pitch))
        ++*at;
    if (*at >= before->count) return false;
    const struct tone *b = &before->tone[*at];
    return fabsf(b->pitch - t->pitch) < 0.15f && b->magnitude > 0.25f * t->magnitude &&
           b->magnitude < 4.0f * t->magnitude;
}

struct notes_tuning notes_tuning_find(const struct tones_frame *frames, size_t count) {
    struct vector all = {0}, held = {0};
    for (size_t k = 0; k < count; k++) {
        uint32_t at = 0;
        for (uint32_t i = 0; i < frames[k].count; i++) {
            const struct tone *t = &frames[k].tone[i];
            if (t->pitch < 45.0f || t->pitch > 96.0f) continue;
            double weight = sqrt((double)prominence(t)), angle = 2.0 * M_PI * (double)t->pitch;
            vector_add(&all, weight, angle);
            if (k > 0 && is_held(t, &frames[k - 1], &at)) vector_add(&held, weight, angle);
        }
    }
    if (all.sum <= 0.0) return (struct notes_tuning){0};
    return (struct notes_tuning){
        .cents = 100.0 * atan2(all.im, all.re) / (2.0 * M_PI),
        .clarity = vector_length(&all),
        .tones = vector_count(&all),
        .held = held.sum / all.sum,
        .held_clarity = vector_length(&held),
        .held_tones = vector_count(&held),
    };
}

/* sums[n] = what the notes would sound like at semitone n; back: how well semitones speak for each note. */
static void harmonics_spread(const float *notes, const float *fall, float *sums) {
    for (int n = 0; n < NOTES; n++) sums[n] = 0.0f;
    for (int h = 0; h < HARMONICS; h++)
        for (int n = 0; n + harmonic_step[h] < NOTES; n++) sums[n + harmonic_step[h]] += fall[h] * notes[n];
}

static void harmonics_gather(const float *sums, const float *fall, float *notes) {
    for (int n = 0; n < NOTES; n++) notes[n] = 0.0f;
    for (int h = 0; h < HARMONICS; h++)
        for (int n = 0; n + harmonic_step[h] < NOTES; n++) notes[n] += fall[h] * sums[n + harmonic_step[h]];
}

void notes_fit(const struct tones_frame *frame, double cents, float notes[NOTES]) {
    float seen[NOTES] = {0}, want[NOTES], sums[NOTES], got[NOTES], fall[HARMONICS], top = 0.0f;
    for (int h = 0; h < HARMONICS; h++) fall[h] = (float)pow(HARMONIC_FALL, h);
    for (uint32_t i = 0; i < frame->count; i++) {
        float place = frame->tone[i].pitch - (float)(cents / 100.0) - NOTES_LOWEST, nearest = roundf(place);
        if (nearest < 0.0f || nearest >= NOTES) continue;
        float off = (place - nearest) / WIDTH, v = prominence(&frame->tone[i]) * expf(-0.5f * off * off);
        int n = (int)nearest;
        seen[n] = v > seen[n] ? v : seen[n];
        top = v > top ? v : top;
    }
    for (int n = 0; n < NOTES; n++) notes[n] = 0.0f;
    if (top <= 1e-7f) return;
    for (int n = 0; n < NOTES; n++) seen[n] /= top; /* so that TINY means the same at any level */
    harmonics_gather(seen, fall, want);
    for (int n = 0; n < NOTES; n++) notes[n] = want[n] + TINY;
    for (int round = 0; round < ROUNDS; round++) {
        harmonics_spread(notes, fall, sums);
        harmonics_gather(sums, fall, got);
        for (int n = 0; n < NOTES; n++) notes[n] *= want[n] / (got[n] + TINY);
    }
    for (int n = 0; n < NOTES; n++) notes[n] *= top;
}

static float ramp(float v) {
    return v < 0.0f ? 0.0f : v > 1.0f ? 1.0f : v;
}

float notes_fold(const float notes[NOTES], float treble[12], float bass[12]) {
    float all = 0.0f, treble_sum = 0.0f, bass_sum = 0.0f;
    for (int c = 0; c < 12; c++) treble[c] = bass[c] = 0.0f;
    for (int n = 0; n < NOTES; n++) {
        float midi = (float)(n + NOTES_LOWEST);
        int c = (n + NOTES_LOWEST) % 12;
        treble[c] += notes[n] * ramp((midi - 40.0f) / 12.0f) * ramp((100.0f - midi) / 24.0f);
        bass[c] += notes[n] * ramp((60.0f - midi) / 12.0f);
        all += notes[n];
    }
    for (int c = 0; c < 12; c++) treble_sum += treble[c], bass_sum += bass[c];
    for (int c = 0; c < 12; c++) {
        treble[c] = treble_sum > 0.0f ? treble[c] / treble_sum : 0.0f;
        bass[c] = bass_sum > 0.0f ? bass[c] / bass_sum : 0.0f;
    }
    return all;
}
