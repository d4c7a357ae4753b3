#include "workers/segment/peaks.h"

#include "plugins/sdk/kernels/clones.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LANES 8 /* samples a step; a multiple of two channels */

typedef float vector __attribute__((vector_size(32)));
typedef int32_t mask_vector __attribute__((vector_size(32)));

bool peaks_start(struct peaks *peaks, int channels) {
    if (!peaks->bins) peaks->bins = malloc(sizeof *peaks->bins * PEAKS_BINS * PEAKS_CHANNELS);
    if (!peaks->bins) return false;
    peaks->source_channels = channels;
    peaks->channels = channels < PEAKS_CHANNELS ? channels : PEAKS_CHANNELS;
    peaks->width = peaks->filled = 1;
    peaks->count = 0;
    peaks->frames = 0;
    return true;
}

static void add_one(struct peaks_bin *bin, float x) {
    if (x < bin->min) bin->min = x;
    if (x > bin->max) bin->max = x;
    bin->square += (double)x * (double)x;
}

/* a where the mask is set, b elsewhere. */
#define CHOOSE(mask, a, b) ((vector)(((mask) & (mask_vector)(a)) | (~(mask) & (mask_vector)(b))))

/* One or two interleaved channels (`width`), a multiple of LANES samples: the long runs of long files. */
SONDE_CLONES static void add_run(struct peaks_bin *bins, const float *x, size_t n, size_t width) {
    float min[LANES], max[LANES], square[LANES];
    vector least, most, power = {0}, v;
    for (size_t k = 0; k < LANES; k++) {
        min[k] = bins[k & (width - 1)].min;
        max[k] = bins[k & (width - 1)].max;
    }
    memcpy(&least, min, sizeof least);
    memcpy(&most, max, sizeof most);
    for (size_t i = 0; i < n; i += LANES) {
        memcpy(&v, x + i, sizeof v);
        least = CHOOSE(v < least, v, least);
        most = CHOOSE(v > most, v, most);
        power += v * v;
    }
    memcpy(min, &least, sizeof least);
    memcpy(max, &most, sizeof most);
    memcpy(square, &power, sizeof power);
    for (size_t k = 0; k < LANES; k++) {
        struct peaks_bin *bin = &bins[k & (width - 1)];
        if (min[k] < bin->min) bin->min = min[k];
        if (max[k] > bin->max) bin->max = max[k];
        bin->square += (double)square[k];
    }
}

/* `n` frames into the bins of all channels. Runs are short enough for float sums: the caller sees to that. */
static void add_frames(struct peaks *peaks, struct peaks_bin *bins, const float *samples, size_t n) {
    size_t channels = (size_t)peaks->channels, stride = (size_t)peaks->source_channels;
    size_t at = 0;
    if (stride == channels) {
        at = n * channels / LANES * LANES / channels;
        if (at) add_run(bins, samples, at * channels, channels);
    }
    for (; at < n; at++)
        for (size_t c = 0; c < channels; c++) add_one(&bins[c], samples[at * stride + c]);
}

static void merge_neighbours(struct peaks *peaks) {
    size_t channels = (size_t)peaks->channels;
    for (size_t i = 0; i < peaks->count / 2; i++) {
        for (size_t c = 0; c < channels; c++) {
            const struct peaks_bin *a = &peaks->bins[2 * i * channels + c], *b = a + channels;
            peaks->bins[i * channels + c] = (struct peaks_bin){
                a->min < b->min ? a->min : b->min, a->max > b->max ? a->max : b->max, a->square + b->square};
        }
    }
    peaks->count /= 2;
    peaks->width *= 2;
    peaks->filled = peaks->width;
}

/* The first frames of a file have a bin each. */
static size_t add_single(struct peaks *peaks, const float *samples, int64_t frames) {
    size_t channels = (size_t)peaks->channels, stride = (size_t)peaks->source_channels;
    size_t n = PEAKS_BINS - peaks->count;
    if (frames < (int64_t)n) n = (size_t)frames;
    struct peaks_bin *bins = peaks->bins + peaks->count * channels;
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < channels; c++) {
            float x = samples[i * stride + c];
            bins[i * channels + c] = (struct peaks_bin){x, x, (double)x * (double)x};
        }
    peaks->count += n;
    return n;
}

void peaks_add(struct peaks *peaks, const float *samples, int64_t frames) {
    size_t stride = (size_t)peaks->source_channels, channels = (size_t)peaks->channels;
    peaks->frames += frames;
    while (frames > 0) {
        if (peaks->filled == peaks->width && peaks->count == PEAKS_BINS) merge_neighbours(peaks);
        int64_t n;
        if (peaks->width == 1) {
            n = (int64_t)add_single(peaks, samples, frames);
        } else {
            if (peaks->filled == peaks->width) {
                struct peaks_bin *bin = peaks->bins + peaks->count * channels;
                for (size_t c = 0; c < channels; c++) bin[c] = (struct peaks_bin){samples[c], samples[c], 0};
                peaks->count++;
                peaks->filled = 0;
            }
            int64_t room = peaks->width - peaks->filled;
            n = room < frames ? room : frames;
            if (n > 4096) n = 4096;
            add_frames(peaks, peaks->bins + (peaks->count - 1) * channels, samples, (size_t)n);
            peaks->filled += n;
        }
        samples += (size_t)n * stride;
        frames -= n;
    }
}

size_t peaks_points(const struct peaks *peaks, size_t points) {
    return peaks->frames < (int64_t)points ? (size_t)peaks->frames : points;
}

static int16_t to_int16(double x) {
    double scaled = x * 32767;
    if (!(scaled > -32767)) return -32767;
    if (scaled > 32767) return 32767;
    return (int16_t)lrint(scaled);
}

/* The bin in which point `p` of `points` begins. */
static size_t bin_of(const struct peaks *peaks, size_t p, size_t points) {
    double frame = (double)p * (double)peaks->frames / (double)points;
    size_t bin = (size_t)(frame / (double)peaks->width + 0.5);
    return bin < peaks->count ? bin : peaks->count;
}

void peaks_write(const struct peaks *peaks, size_t points, int16_t *to) {
    points = peaks_points(peaks, points);
    size_t channels = (size_t)peaks->channels;
    for (size_t p = 0; p < points; p++) {
        size_t first = bin_of(peaks, p, points), end = bin_of(peaks, p + 1, points);
        if (p + 1 == points) end = peaks->count;
        if (first >= end) first = end - 1;
        for (size_t c = 0; c < channels; c++) {
            struct peaks_bin sum = peaks->bins[first * channels + c];
            for (size_t b = first + 1; b < end; b++) {
                const struct peaks_bin *bin = &peaks->bins[b * channels + c];
                if (bin->min < sum.min) sum.min = bin->min;
                if (bin->max > sum.max) sum.max = bin->max;
                sum.square += bin->square;
            }
            int64_t frames = (int64_t)(end - first) * peaks->width;
            if (end == peaks->count) frames -= peaks->width - peaks->filled;
            *to++ = to_int16((double)sum.min);
            *to++ = to_int16((double)sum.max);
            *to++ = to_int16(sqrt(sum.square / (double)frames));
        }
    }
}

void peaks_free(struct peaks *peaks) {
    free(peaks->bins);
    *peaks = (struct peaks){0};
}
