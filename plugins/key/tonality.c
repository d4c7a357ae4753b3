/* SPDX-License-Identifier: MIT */
#include "tonality.h"

#include "tonality_weights.h"

#include <math.h>
#include <string.h>

#define VIEW_SECONDS 16.0
#define STEP_SECONDS 2.0
#define STEPS 512     /* more than 10 minutes hold */
#define CHANGE 6.0    /* nats a change of key costs */
#define GLOBAL_SAY 0.3 /* share of the whole region's score in each view's */
#define LEAST 1e-6

void tonality_view_make(const float *treble, const float *bass, const float *strength, size_t from, size_t to,
                        float loudest, struct tonality_view *view) {
    memset(view, 0, sizeof *view);
    if (loudest <= 0.0f) return;
    const float *planes[TONALITY_BLOCKS] = {treble, bass};
    for (size_t k = from; k < to; k++) {
        double weight = (double)(strength[k] / (strength[k] + 0.01f * loudest));
        view->weight += weight;
        view->frames += strength[k] > 0.0f;
        for (int b = 0; b < TONALITY_BLOCKS; b++)
            for (int c = 0; c < 12; c++) view->block[b][c] += weight * (double)planes[b][k * 12 + (size_t)c];
    }
    for (int b = 0; b < TONALITY_BLOCKS; b++) {
        double sum = 0.0;
        for (int c = 0; c < 12; c++) sum += view->block[b][c];
        for (int c = 0; c < 12; c++) view->block[b][c] = sum > 1e-9 ? view->block[b][c] * 12.0 / sum : 0.0;
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

static double logistic(double x) {
    return 1.0 / (1.0 + exp(-x));
}

void tonality_judge(const struct tonality_view *view, double clarity, double fit, struct tonality *r) {
    tonality_score(view, r->score);
    r->key = 0;
    for (int key = 1; key < KEYS; key++)
        if (r->score[key] > r->score[r->key]) r->key = key;
    double flat = 0.0; /* how even the chroma is: 1 for white, 1/12 for one pitch class */
    for (int c = 0; c < 12; c++) flat += view->block[0][c] * view->block[0][c];
    flat = flat > 0.0 ? 12.0 / flat : 1.0;
    double x[TONAL_INPUTS] = {1.0, clarity, log(clarity + 0.02), fit, flat, 1.0 / sqrt(1.0 + view->frames)};
    double z = 0.0;
    for (int i = 0; i < TONAL_INPUTS; i++) z += tonal_weights[i] * x[i];
    r->tonal = view->weight > 0.0 ? logistic(z) : 0.0;
    r->confidence = r->tonal >= 0.5 ? r->tonal * r->score[r->key] : 1.0 - r->tonal;
}

static double log_score(const double *score, const double *global, int key) {
    return (1.0 - GLOBAL_SAY) * log(score[key] + LEAST) + GLOBAL_SAY * log(global[key] + LEAST);
}

size_t tonality_follow(const float *treble, const float *bass, const float *strength, size_t frames, double frame_seconds,
                       const double global[KEYS], struct key_span *spans, size_t room) {
    size_t step = (size_t)(STEP_SECONDS / frame_seconds), half = (size_t)(VIEW_SECONDS / 2.0 / frame_seconds), n = 0;
    double scores[STEPS][KEYS], total[KEYS] = {0};
    unsigned char from[STEPS][KEYS];
    float loudest = 0.0f;
    for (size_t k = 0; k < frames; k++) loudest = strength[k] > loudest ? strength[k] : loudest;
    for (size_t k = 0; k < frames && n < STEPS; k += step, n++) {
        struct tonality_view view;
        size_t centre = k + step / 2, low = centre > half ? centre - half : 0;
        tonality_view_make(treble, bass, strength, low, centre + half < frames ? centre + half : frames, loudest, &view);
        tonality_score(&view, scores[n]);
        int best = 0;
        for (int key = 1; key < KEYS; key++)
            if (total[key] > total[best]) best = key;
        double top = total[best];
        for (int key = 0; key < KEYS; key++) {
            bool change = top - CHANGE > total[key];
            from[n][key] = (unsigned char)(change ? best : key);
            total[key] = (change ? -CHANGE : total[key] - top) + log_score(scores[n], global, key);
        }
    }
    int key = 0;
    for (int other = 1; other < KEYS; other++)
        if (total[other] > total[key]) key = other;
    int path[STEPS];
    for (size_t k = n; k-- > 0;) {
        path[k] = key;
        key = from[k][key];
    }
    size_t count = 0;
    for (size_t k = 0; k < n; k++) {
        if (k == 0 || path[k] != path[k - 1]) {
            if (count == room) break;
            spans[count++] = (struct key_span){k * step, 0, path[k], 0.0};
        }
        struct key_span *span = &spans[count - 1];
        span->to = (k + 1) * step < frames && k + 1 < n ? (k + 1) * step : frames;
        span->confidence += scores[k][path[k]];
    }
    for (size_t i = 0; i < count; i++)
        spans[i].confidence /= fmax(1.0, ceil((double)(spans[i].to - spans[i].from) / (double)step));
    return count;
}
