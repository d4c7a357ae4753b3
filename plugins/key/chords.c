/* SPDX-License-Identifier: MIT */
#include "chords.h"

#include <math.h>
#include <stdlib.h>

#define STATES      (12 * CHORD_QUALITIES + 1)
#define NOTHING     (STATES - 1)
#define SHARPNESS   14.0f /* how much a better fit counts */
#define BASS_SHARE  0.3f
#define NOTHING_FIT 0.62f  /* "no chord" fits everything so well */
#define CHANGE      3.5f   /* cost of a change, in nats */
#define QUIET       0.003f /* -50 dB under the strongest frame */

struct quality {
    const char *name;
    int tones[4], count;
    float handicap;
};

static const struct quality qualities[CHORD_QUALITIES] = {
    {"maj", {0, 4, 7}, 3, 0.0f},       {"min", {0, 3, 7}, 3, 0.0f},       {"7", {0, 4, 7, 10}, 4, 0.06f},
    {"maj7", {0, 4, 7, 11}, 4, 0.06f}, {"min7", {0, 3, 7, 10}, 4, 0.05f}, {"dim", {0, 3, 6}, 3, 0.06f},
    {"aug", {0, 4, 8}, 3, 0.08f},      {"sus4", {0, 5, 7}, 3, 0.05f},     {"sus2", {0, 2, 7}, 3, 0.06f},
};

const char *chords_quality(int quality) {
    return qualities[quality].name;
}

bool chords_minor(int quality) {
    return qualities[quality].tones[1] == 3;
}

/* How well each state fits a frame, 0 to about 1.3. */
static void frame_fit(const float *treble, const float *bass, float strength, float fit[STATES]) {
    float t[12], b[12], tn = 0.0f, bn = 0.0f;
    for (int c = 0; c < 12; c++) {
        t[c] = sqrtf(treble[c]);
        b[c] = sqrtf(bass[c]);
        tn += treble[c];
        bn += bass[c];
    }
    bool quiet = tn <= 0.0f || strength <= 0.0f;
    for (int q = 0; q < CHORD_QUALITIES; q++) {
        for (int root = 0; root < 12; root++) {
            float sum = 0.0f;
            for (int i = 0; i < qualities[q].count; i++) sum += t[(root + qualities[q].tones[i]) % 12];
            float cosine = quiet ? 0.0f : sum / sqrtf(tn * (float)qualities[q].count);
            float low = bn > 0.0f ? b[root] / sqrtf(bn) : 0.0f;
            fit[q * 12 + root] = quiet ? 0.0f : cosine + BASS_SHARE * low - qualities[q].handicap;
        }
    }
    fit[NOTHING] = quiet ? 1.0f : NOTHING_FIT;
}

static int best_state(const float *score) {
    int best = 0;
    for (int s = 1; s < STATES; s++)
        if (score[s] > score[best]) best = s;
    return best;
}

/* One change costs the same to any chord, so the best way into a state is either itself or the best of all. */
static void path_find(const float *fits, size_t frames, uint8_t *from, uint8_t *path) {
    float score[STATES] = {0};
    for (size_t k = 0; k < frames; k++) {
        const float *fit = fits + k * STATES;
        int best = best_state(score);
        float top = score[best];
        for (int s = 0; s < STATES; s++) {
            bool change = top - CHANGE > score[s];
            from[k * STATES + (size_t)s] = (uint8_t)(change ? best : s);
            score[s] = (change ? -CHANGE : score[s] - top) + SHARPNESS * fit[s];
        }
    }
    int state = best_state(score);
    for (size_t k = frames; k-- > 0;) {
        path[k] = (uint8_t)state;
        state = from[k * STATES + (size_t)state];
    }
}

static size_t path_collect(const uint8_t *path, const float *fits, size_t frames, struct chord *chords) {
    size_t n = 0;
    for (size_t k = 0; k < frames; k++) {
        if (k == 0 || path[k] != path[k - 1]) {
            bool none = path[k] == NOTHING;
            chords[n++] = (struct chord){k, k, none ? CHORD_NONE : path[k] % 12, none ? 0 : path[k] / 12, 0.0f};
        }
        chords[n - 1].to = k + 1;
        chords[n - 1].fit += fits[k * STATES + path[k]];
    }
    for (size_t i = 0; i < n; i++) {
        chords[i].fit /= (float)(chords[i].to - chords[i].from) * (1.0f + BASS_SHARE);
        chords[i].fit = fminf(1.0f, fmaxf(0.0f, chords[i].fit));
    }
    return n;
}

bool chords_find(const float *treble, const float *bass, const float *strength, size_t frames, struct chord *chords,
                 size_t *count) {
    *count = 0;
    float *fits = calloc((frames + 1) * STATES, sizeof *fits), loudest = 0.0f;
    uint8_t *from = malloc((frames + 1) * STATES), *path = malloc(frames + 1);
    bool ok = fits && from && path;
    for (size_t k = 0; k < frames; k++) loudest = strength[k] > loudest ? strength[k] : loudest;
    for (size_t k = 0; ok && k < frames; k++)
        frame_fit(treble + k * 12, bass + k * 12, strength[k] > QUIET * loudest ? strength[k] : 0.0f,
                  fits + k * STATES);
    if (ok) {
        path_find(fits, frames, from, path);
        *count = path_collect(path, fits, frames, chords);
    }
    free(fits);
    free(from);
    free(path);
    return ok;
}
