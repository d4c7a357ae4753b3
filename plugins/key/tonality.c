/* SPDX-License-Identifier: MIT */
#include "tonality.h"

#include "tonality_weights.h"

#include <math.h>
#include <string.h>

#define TREBLE_SUM          4.2
#define BASS_SUM            12.0
#define OPENING_FRAMES      12
#define OPENING_SUM         2.4
#define ROOTS_SUM           3.6
#define FIRST_CHORD         0.8
#define FIRST_CHORD_SECONDS 0.3
#define VIEW_SECONDS        16.0
#define STEP_SECONDS        2.0
#define STEPS               512  /* more than the longest region holds */
#define CHANGE              20.0 /* nats a change of key costs */
#define GLOBAL_SAY          0.3  /* share of the whole region's score in each view's */
#define LEAST               1e-6
#define LONE_SHARE                                                                                                     \
    0.8 /* of the treble, from which on one pitch class is all there is; labelled music has .44 at most */
#define LONE_SCORE      0.45 /* of major and of minor on a lone note */
#define ONE_CHORD_SHARE 0.9  /* of all chords, and half of the region, from which on a triad is all there is ... */
#define ONE_CHORD_FIT   0.8  /* ... if it fits so well */
#define ONE_CHORD_SAY   0.9  /* its share in the scores then */

enum { TREBLE, BASS, OPENING, ROOTS, FIRST_MAJOR, FIRST_MINOR };

static void block_scale(double block[12], double total) {
    double sum = 0.0;
    for (int c = 0; c < 12; c++) sum += block[c];
    for (int c = 0; c < 12; c++) block[c] = sum > 1e-9 ? block[c] * total / sum : 0.0;
}

void tonality_view_part(const struct music *m, size_t from, size_t to, struct tonality_view *view) {
    memset(view, 0, sizeof *view);
    if (m->loudest <= 0.0f) return;
    for (size_t k = from; k < to; k++) {
        if (m->strength[k] <= 0.0f) continue;
        double weight = (double)(m->strength[k] / (m->strength[k] + 0.01f * m->loudest));
        view->frames += 1.0;
        for (int c = 0; c < 12; c++) {
            view->block[TREBLE][c] += weight * (double)m->treble[k * 12 + (size_t)c];
            view->block[BASS][c] += weight * (double)m->bass[k * 12 + (size_t)c];
        }
    }
    for (size_t i = 0; i < m->chords; i++) {
        const struct chord *c = &m->chord[i];
        size_t begin = c->from > from ? c->from : from, end = c->to < to ? c->to : to;
        if (c->root != CHORD_NONE && end > begin) view->block[ROOTS][c->root] += (double)(end - begin);
    }
    memcpy(view->block[OPENING], view->block[TREBLE], sizeof view->block[OPENING]);
    block_scale(view->block[TREBLE], TREBLE_SUM);
    block_scale(view->block[BASS], BASS_SUM);
    block_scale(view->block[OPENING], OPENING_SUM);
    block_scale(view->block[ROOTS], ROOTS_SUM);
}

void tonality_view_whole(const struct music *m, struct tonality_view *view) {
    tonality_view_part(m, 0, m->frames, view);
    memset(view->block[OPENING], 0, sizeof view->block[OPENING]);
    int seen = 0;
    for (size_t k = 0; k < m->frames && seen < OPENING_FRAMES; k++) {
        if (m->strength[k] <= 0.0f) continue;
        for (int c = 0; c < 12; c++) view->block[OPENING][c] += (double)m->treble[k * 12 + (size_t)c];
        seen++;
    }
    block_scale(view->block[OPENING], OPENING_SUM);
    for (size_t i = 0; i < m->chords; i++) {
        const struct chord *c = &m->chord[i];
        if (c->root == CHORD_NONE || (double)(c->to - c->from) * MUSIC_FRAME_SECONDS <= FIRST_CHORD_SECONDS) continue;
        view->block[chords_minor(c->quality) ? FIRST_MINOR : FIRST_MAJOR][c->root] = FIRST_CHORD;
        break;
    }
}

void tonality_score(const struct tonality_view *view, double score[KEYS]) {
    double top = -1e300, sum = 0.0;
    for (int key = 0; key < KEYS; key++) {
        score[key] = weights_bias[key / 12];
        for (int b = 0; b < TONALITY_BLOCKS; b++)
            for (int c = 0; c < 12; c++) score[key] += weights[key / 12][b][c] * view->block[b][(c + key) % 12];
        top = fmax(top, score[key]);
    }
    for (int key = 0; key < KEYS; key++) sum += score[key] = exp((score[key] - top) * weights_sharpness);
    for (int key = 0; key < KEYS; key++) score[key] /= sum;
}

/* Mean fit of the chords, weighted by length. */
static double chords_fit(const struct music *m) {
    double fit = 0.0, length = 0.0;
    for (size_t i = 0; i < m->chords; i++) {
        if (m->chord[i].root == CHORD_NONE) continue;
        double n = (double)(m->chord[i].to - m->chord[i].from);
        fit += n * (double)m->chord[i].fit;
        length += n;
    }
    return length > 0.0 ? fit / length : 0.0;
}

/* How even the chroma is: 1 when all pitch classes are as strong, 1/12 when there is but one. */
static double evenness(const double block[12]) {
    double sum = 0.0, squares = 0.0;
    for (int c = 0; c < 12; c++) {
        sum += block[c];
        squares += block[c] * block[c];
    }
    return squares > 0.0 ? sum * sum / (12.0 * squares) : 1.0;
}

static int best_of(const double v[KEYS]) {
    int best = 0;
    for (int key = 1; key < KEYS; key++)
        if (v[key] > v[best]) best = key;
    return best;
}

/* The length of a mean vector without what `count` independent random directions have by chance. */
static double beyond_chance(double length, double count) {
    if (count <= 1.0) return 0.0;
    return sqrt(fmax(0.0, (length * length - 1.0 / count) / (1.0 - 1.0 / count)));
}

/* Neighbouring frames overlap, and held tones are the same ones: three and four of them count as one. */
void tonality_evidence(const struct music *m, const struct tonality_view *view, double evidence[TONALITY_EVIDENCE]) {
    const struct notes_tuning *t = &m->tuning;
    const double all[TONALITY_EVIDENCE] = {
        1.0,
        chords_fit(m),
        evenness(view->block[TREBLE]),
        1.0 / sqrt(1.0 + view->frames),
        t->clarity,
        t->held_clarity,
        beyond_chance(t->clarity, t->tones / 3.0),
        beyond_chance(t->held_clarity, t->held_tones / 4.0),
        t->held,
        log(1.0 + t->tones),
        log(1.0 + t->held_tones),
    };
    memcpy(evidence, all, sizeof all);
}

/* The pitch class that sounds alone, or -1. */
static int lone_note(const struct tonality_view *view) {
    for (int c = 0; c < 12; c++)
        if (view->block[TREBLE][c] > LONE_SHARE * TREBLE_SUM) return c;
    return -1;
}

/* A note by itself is its own tonic, and its mode is anybody's guess: no music to learn from is like that. */
static void score_lone_note(int note, double score[KEYS]) {
    for (int key = 0; key < KEYS; key++)
        score[key] = key % 12 == note ? LONE_SCORE : (1.0 - 2.0 * LONE_SCORE) / (KEYS - 2);
}

/* The key of the triad that sounds alone, or -1. */
static int one_chord(const struct music *m) {
    double length[KEYS] = {0}, fit[KEYS] = {0}, all = 0.0;
    for (size_t i = 0; i < m->chords; i++) {
        const struct chord *c = &m->chord[i];
        if (c->root == CHORD_NONE) continue;
        double n = (double)(c->to - c->from);
        all += n;
        if (c->quality != CHORD_MAJOR && c->quality != CHORD_MINOR) continue;
        length[c->root + 12 * c->quality] += n;
        fit[c->root + 12 * c->quality] += n * (double)c->fit;
    }
    int key = best_of(length);
    double least = fmax(ONE_CHORD_SHARE * all, (double)m->frames / 2.0);
    return all > 0.0 && length[key] >= least && fit[key] >= ONE_CHORD_FIT * length[key] ? key : -1;
}

/* A chord by itself is its own key: what the scores have learned of scales and progressions it doesn't show. */
static void score_one_chord(const struct music *m, double score[KEYS]) {
    int chord = one_chord(m);
    for (int key = 0; chord >= 0 && key < KEYS; key++)
        score[key] = (1.0 - ONE_CHORD_SAY) * score[key] + (key == chord ? ONE_CHORD_SAY : 0.0);
}

void tonality_judge(const struct music *m, const struct tonality_view *view, struct tonality *r) {
    int note = lone_note(view);
    tonality_score(view, r->score);
    if (note >= 0)
        score_lone_note(note, r->score);
    else
        score_one_chord(m, r->score);
    r->key = best_of(r->score);
    double evidence[TONALITY_EVIDENCE], sum = 0.0;
    tonality_evidence(m, view, evidence);
    for (int i = 0; i < TONALITY_EVIDENCE; i++) sum += tonal_weights[i] * evidence[i];
    r->tonal = view->frames > 0.0 ? 1.0 / (1.0 + exp(-sum)) : 0.0;
    r->confidence = r->tonal >= 0.5 ? r->tonal * weights_ceiling * r->score[r->key] : 1.0 - r->tonal;
}

/* Adds one view to the chain: the best way into a key is from itself or from the best of all. */
static void chain_step(double total[KEYS], const double score[KEYS], const double global[KEYS],
                       unsigned char from[KEYS]) {
    int best = best_of(total);
    double top = total[best];
    for (int key = 0; key < KEYS; key++) {
        bool change = top - CHANGE > total[key];
        double gain = (1.0 - GLOBAL_SAY) * log(score[key] + LEAST) + GLOBAL_SAY * log(global[key] + LEAST);
        from[key] = (unsigned char)(change ? best : key);
        total[key] = (change ? -CHANGE : total[key] - top) + gain;
    }
}

static size_t spans_collect(const int *path, double (*scores)[KEYS], size_t n, size_t step, size_t frames,
                            struct key_span *spans, size_t room) {
    size_t count = 0, views = 0;
    for (size_t k = 0; k < n; k++) {
        if (k == 0 || path[k] != path[k - 1]) {
            if (count == room) break;
            spans[count++] = (struct key_span){k * step, 0, path[k], 0.0};
            views = 0;
        }
        struct key_span *span = &spans[count - 1];
        views++;
        span->to = k + 1 < n ? (k + 1) * step : frames;
        span->strength += (scores[k][path[k]] - span->strength) / (double)views;
    }
    return count;
}

size_t tonality_follow(const struct music *m, const double global[KEYS], struct key_span *spans, size_t room) {
    const size_t step = (size_t)(STEP_SECONDS / MUSIC_FRAME_SECONDS),
                 half = (size_t)(VIEW_SECONDS / 2.0 / MUSIC_FRAME_SECONDS);
    double scores[STEPS][KEYS], total[KEYS] = {0};
    unsigned char from[STEPS][KEYS];
    int path[STEPS];
    size_t n = 0;
    for (size_t k = 0; k < m->frames && n < STEPS; k += step, n++) {
        struct tonality_view view;
        size_t centre = k + step / 2;
        tonality_view_part(m, centre > half ? centre - half : 0, centre + half < m->frames ? centre + half : m->frames,
                           &view);
        tonality_score(&view, scores[n]);
        chain_step(total, scores[n], global, from[n]);
    }
    int key = best_of(total);
    for (size_t k = n; k-- > 0;) {
        path[k] = key;
        key = from[k][key];
    }
    size_t count = spans_collect(path, scores, n, step, m->frames, spans, room);
    if (count == 1) {
        spans[0].key = best_of(global);
        spans[0].strength = global[spans[0].key];
    }
    return count;
}
