/* SPDX-License-Identifier: MIT */
#include "onsets.h"

#include "bands.h"
#include "kernels/clones.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LAG        2    /* frames between the two spectra compared; their windows overlap by half then */
#define NEAREST    2    /* frames: a peak is the highest within so many */
#define AROUND     21   /* frames of the moving mean, half a second before and after */
#define ABOVE_MEAN 1.6f /* a peak rises to so many times the moving mean ... */
#define ABOVE_ZERO .12f /* ... and to this; the compressed bands range from 0 to about 5 */

/* Frames from a peak to where its sound begins, on average over drums and notes: the logarithm of a band rises well before the
 * sound reaches the middle of the window, the difference over LAG frames half a frame after it. */
#define LATE .15

SONDE_CLONES static float rise(const float *now, const float *before) {
    float sum = 0;
    for (int b = 0; b < BANDS_COUNT; b++) {
        float top = before[b];
        if (b > 0 && before[b - 1] > top) top = before[b - 1];
        if (b + 1 < BANDS_COUNT && before[b + 1] > top) top = before[b + 1];
        sum += now[b] > top ? now[b] - top : 0;
    }
    return sum / BANDS_COUNT;
}

/* The mean of the envelope from AROUND frames before to AROUND after each frame, through running sums. */
static bool mean_make(const float *envelope, int64_t count, float *mean) {
    double *sum = malloc((size_t)(count + 1) * sizeof *sum);
    if (!sum) return false;
    sum[0] = 0;
    for (int64_t t = 0; t < count; t++) sum[t + 1] = sum[t] + envelope[t];
    for (int64_t t = 0; t < count; t++) {
        const int64_t a = t > AROUND ? t - AROUND : 0, b = t + AROUND + 1 < count ? t + AROUND + 1 : count;
        mean[t] = (float)((sum[b] - sum[a]) / (double)(b - a));
    }
    free(sum);
    return true;
}

static bool is_peak(const float *e, int64_t count, int64_t t, float mean) {
    if (e[t] < ABOVE_ZERO || e[t] < ABOVE_MEAN * mean) return false;
    for (int64_t k = t - NEAREST; k <= t + NEAREST; k++)
        if (k >= 0 && k < count && (e[k] > e[t] || (k < t && e[k] == e[t]))) return false;
    return true;
}

static double peak_time(const float *e, int64_t count, int64_t t) {
    double part = 0;
    if (t > 0 && t + 1 < count) {
        const double bend = (double)e[t - 1] - 2 * (double)e[t] + (double)e[t + 1];
        part = bend < 0 ? .5 * ((double)e[t - 1] - (double)e[t + 1]) / bend : 0;
    }
    const double time = ((double)t + part + LATE) / BANDS_FPS;
    return time > 0 ? time : 0;
}

bool onsets_find(const float *frames, int64_t count, struct onsets *onsets) {
    static const float silence[BANDS_COUNT] = {0};
    memset(onsets, 0, sizeof *onsets);
    const size_t n = (size_t)count + 1, most = (size_t)count / (NEAREST + 1) + 1;
    float *mean = malloc(n * sizeof *mean);
    onsets->envelope = malloc(n * sizeof *onsets->envelope);
    onsets->time = malloc(most * sizeof *onsets->time);
    onsets->strength = malloc(most * sizeof *onsets->strength);
    if (!mean || !onsets->envelope || !onsets->time || !onsets->strength) goto fail;
    for (int64_t t = 0; t < count; t++)
        onsets->envelope[t] = rise(frames + t * BANDS_COUNT, t >= LAG ? frames + (t - LAG) * BANDS_COUNT : silence);
    if (!mean_make(onsets->envelope, count, mean)) goto fail;
    float top = 0;
    for (int64_t t = 0; t < count; t++)
        if (is_peak(onsets->envelope, count, t, mean[t])) {
            onsets->time[onsets->count] = peak_time(onsets->envelope, count, t);
            onsets->strength[onsets->count++] = onsets->envelope[t];
            top = onsets->envelope[t] > top ? onsets->envelope[t] : top;
        }
    for (int i = 0; i < onsets->count; i++) onsets->strength[i] /= top;
    free(mean);
    return true;
fail:
    free(mean);
    onsets_free(onsets);
    return false;
}

void onsets_free(struct onsets *onsets) {
    free(onsets->envelope);
    free(onsets->time);
    free(onsets->strength);
    memset(onsets, 0, sizeof *onsets);
}
