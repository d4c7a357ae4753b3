/* SPDX-License-Identifier: MIT */
#include "level.h"

#include "kernels/clones.h"
#include "kernels/sums.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Oversampling filter: 12 taps a phase, Kaiser window (beta 6), as long as the one printed in BS.1770-5 annex 2. */
#define TAPS           12
#define PHASES         4
#define CONTEXT        (TAPS - 1) /* samples kept from the hop before */
#define DELAY          (TAPS / 2) /* samples after which what lies between two of them is known */
#define SEGMENT        32         /* samples that are oversampled or left alone together */
#define TRUE_PEAK_FROM 0.708f
#define NEAR_HIGHEST   0.85f
#define FULL_SCALE     0.9999f
#define CLIP_RUN       3
#define SILENT_FRAME   1e-6f /* -60 dBFS */

typedef double pair __attribute__((vector_size(16)));

/* Two biquads in series: their zeros together, which need no memory but the input's, and then their poles. */
#define ZEROS 5
struct weighting {
    pair shelf1, shelf2, pass1, pass2; /* the last outputs, of two channels, after the poles of each */
};

struct coefficients {
    double zeros[ZEROS];
    double sa1, sa2; /* high shelf */
    double pa1, pa2; /* high pass */
};

struct channel {
    double sum, square;
    float peak, over; /* over: highest interpolated value */
    float last;       /* highest sample of the last hop: what lies between its last ones is measured with the next */
    uint32_t run;     /* samples at full scale, without a gap, up to now */
    double weight;    /* of its energy in the loudness */
};

struct level {
    uint32_t rate, channels;
    struct coefficients k;
    struct channel *channel;
    struct weighting *weighting; /* one for each two channels */
    float *hop;                  /* channels x (CONTEXT + capacity) samples of the hop under way */
    double *weighted;            /* 2 x capacity: of the hop, before the poles */
    uint32_t capacity, filled;
    int64_t next;       /* sample at which the hop under way ends */
    int64_t position;   /* samples seen */
    float *frames;      /* mean squares */
    float *loud;        /* K-weighted energy of each 100 ms */
    size_t count, room; /* frames */
    double hop_loud;    /* K-weighted energy since the last 100 ms boundary */
    int64_t loud_start;
    size_t loud_count;
    double cross; /* product of channels 1 and 2 */
    int64_t clipped, nonfinite;
    uint32_t phases;
    float filter[PHASES][TAPS];
};

/* BS.1770-5 gives the two filters at 48 kHz; these are the analogue prototypes behind them (De Man 2014, "Evaluation of
 * implementations of the EBU R128 loudness measurement"), taken to any rate by the bilinear transform. */
static void weighting_design(struct coefficients *k, double rate) {
    double f = 1681.974450955533, gain = 3.999843853973347, q = 0.7071752369554196;
    if (f > 0.45 * rate) f = 0.45 * rate; /* a file of a few kHz has no treble to lift */
    double w = tan(M_PI * f / rate), vh = pow(10.0, gain / 20.0), vb = pow(vh, 0.4996667741545416);
    double a0 = 1.0 + w / q + w * w;
    double b0 = (vh + vb * w / q + w * w) / a0, b1 = 2.0 * (w * w - vh) / a0, b2 = (vh - vb * w / q + w * w) / a0;
    double zeros[ZEROS] = {b0, b1 - 2.0 * b0, b2 - 2.0 * b1 + b0, b1 - 2.0 * b2,
                           b2}; /* times 1, -2, 1 of the high pass */
    memcpy(k->zeros, zeros, sizeof zeros);
    k->sa1 = 2.0 * (w * w - 1.0) / a0;
    k->sa2 = (1.0 - w / q + w * w) / a0;
    f = 38.13547087602444, q = 0.5003270373238773;
    w = tan(M_PI * f / rate);
    a0 = 1.0 + w / q + w * w;
    k->pa1 = 2.0 * (w * w - 1.0) / a0;
    k->pa2 = (1.0 - w / q + w * w) / a0;
}

static double bessel_i0(double x) {
    double sum = 1.0, term = 1.0;
    for (int n = 1; n < 40; n++) sum += term *= (x / (2.0 * n)) * (x / (2.0 * n));
    return sum;
}

/* Windowed sinc; phase p interpolates at p/phases after the tap TAPS/2 - 1. Each phase passes 0 Hz with gain 1. */
static void filter_design(struct level *l) {
    l->phases = l->rate < 96000 ? 4 : l->rate < 192000 ? 2 : 1;
    for (uint32_t p = 0; p < l->phases; p++) {
        double h[TAPS], sum = 0.0;
        for (int t = 0; t < TAPS; t++) {
            double x = (double)p / l->phases + TAPS / 2 - 1 - t, r = x / (TAPS / 2.0);
            double window = fabs(r) < 1.0 ? bessel_i0(6.0 * sqrt(1.0 - r * r)) / bessel_i0(6.0) : 0.0;
            h[t] = window * (fabs(x) < 1e-9 ? 1.0 : sin(M_PI * x) / (M_PI * x));
            sum += h[t];
        }
        for (int t = 0; t < TAPS; t++) l->filter[p][t] = (float)(h[t] / sum);
    }
}

/* BS.1770-5 table 4: channels at the sides (60 to 120 degrees) count 1.41 times, those behind once, the LFE channel not at all. The
 * order is the usual one of files (WAVE, FLAC): L R C LFE Ls Rs; with 4 channels L R Ls Rs, with 5 L R C Ls Rs, with 7 the
 * centre behind comes before the sides, with 8 left and right behind do. */
static double channel_weight(uint32_t index, uint32_t channels) {
    if (channels == 4) return index >= 2 ? 1.41 : 1.0;
    if (channels == 5) return index >= 3 ? 1.41 : 1.0;
    if (channels >= 6 && channels <= 8) return index == 3 ? 0.0 : index >= channels - 2 ? 1.41 : 1.0;
    return 1.0;
}

struct level *level_new(uint32_t rate, uint32_t channels, int64_t frames) {
    struct level *l = calloc(1, sizeof *l);
    if (!l || rate == 0 || channels == 0 || frames < 0) {
        free(l);
        return NULL;
    }
    l->rate = rate;
    l->channels = channels;
    l->capacity = rate / 100 + 2;
    l->next = rate / 100 > 0 ? rate / 100 : 1;
    l->room = (size_t)(frames / (rate / 100 > 0 ? rate / 100 : 1)) + 2;
    l->channel = calloc(channels, sizeof *l->channel);
    l->weighting = calloc((channels + 1) / 2, sizeof *l->weighting);
    l->hop = calloc((size_t)channels * (CONTEXT + l->capacity), sizeof *l->hop);
    l->weighted = calloc((size_t)2 * l->capacity, sizeof *l->weighted);
    l->frames = calloc(l->room, sizeof *l->frames);
    l->loud = calloc(l->room / 10 + 2, sizeof *l->loud);
    if (!l->channel || !l->weighting || !l->hop || !l->weighted || !l->frames || !l->loud) {
        level_free(l);
        return NULL;
    }
    for (uint32_t c = 0; c < channels; c++) l->channel[c].weight = channel_weight(c, channels);
    weighting_design(&l->k, rate);
    filter_design(l);
    return l;
}

void level_free(struct level *l) {
    if (!l) return;
    free(l->channel);
    free(l->weighting);
    free(l->hop);
    free(l->weighted);
    free(l->frames);
    free(l->loud);
    free(l);
}

static int64_t clipped_count(struct channel *c, const float *x, uint32_t n) {
    int64_t count = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (fabsf(x[i]) < FULL_SCALE) {
            c->run = 0;
        } else if (++c->run >= CLIP_RUN) {
            count += c->run == CLIP_RUN ? CLIP_RUN : 1;
        }
    }
    return count;
}

/* `x` points at the hop's first sample; CONTEXT samples before it are valid too. What is measured lies around the samples from
 * DELAY before x on. */
static void over_measure(struct level *l, struct channel *c, const float *x, uint32_t n) {
    float floor = NEAR_HIGHEST * c->peak > TRUE_PEAK_FROM ? NEAR_HIGHEST * c->peak : TRUE_PEAK_FROM;
    for (uint32_t from = 0; from < n; from += SEGMENT) {
        uint32_t to = from + SEGMENT < n ? from + SEGMENT : n;
        float sum, square, peak;
        sums_level(x + from - DELAY, to - from + DELAY, &sum, &square, &peak);
        if (peak < floor) continue;
        for (uint32_t p = 1; p < l->phases; p++) {
            float y[SEGMENT] = {0};
            for (int t = 0; t < TAPS; t++)
                for (uint32_t i = from; i < to; i++) y[i - from] += l->filter[p][t] * x[(int64_t)i - CONTEXT + t];
            for (uint32_t i = 0; i < to - from; i++) c->over = fabsf(y[i]) > c->over ? fabsf(y[i]) : c->over;
        }
    }
}

/* The zeros of one channel; CONTEXT samples before x are valid. */
SONDE_CLONES
static void zeros_run(const double *zeros, const float *x, uint32_t n, double *restrict out) {
    for (uint32_t i = 0; i < n; i++)
        out[i] = zeros[0] * (double)x[i] + zeros[1] * (double)x[(int64_t)i - 1] + zeros[2] * (double)x[(int64_t)i - 2] +
                 zeros[3] * (double)x[(int64_t)i - 3] + zeros[4] * (double)x[(int64_t)i - 4];
}

/* The poles of two channels; returns their energy. */
static pair poles_run(struct weighting *w, const struct coefficients *k, const double *x, const double *y, uint32_t n) {
    pair s1 = w->shelf1, s2 = w->shelf2, p1 = w->pass1, p2 = w->pass2, energy = {0.0, 0.0};
    for (uint32_t i = 0; i < n; i++) {
        pair in = {x[i], y[i]};
        pair a = (in - s2 * k->sa2) - s1 * k->sa1;
        s2 = s1;
        s1 = a;
        pair b = (a - p2 * k->pa2) - p1 * k->pa1;
        p2 = p1;
        p1 = b;
        energy += b * b;
    }
    /* Far below hearing, so that silence doesn't decay into slow denormal numbers. */
    for (int c = 0; c < 2; c++) {
        if (fabs(s1[c]) + fabs(s2[c]) < 1e-30) s1[c] = s2[c] = 0.0;
        if (fabs(p1[c]) + fabs(p2[c]) < 1e-30) p1[c] = p2[c] = 0.0;
    }
    *w = (struct weighting){s1, s2, p1, p2};
    return energy;
}

/* Energy of two K-weighted channels. */
static pair weighting_run(struct level *l, struct weighting *w, const float *x, const float *y, uint32_t n) {
    double *left = l->weighted, *right = l->weighted + l->capacity;
    zeros_run(l->k.zeros, x, n, left);
    if (y == x)
        right = left;
    else
        zeros_run(l->k.zeros, y, n, right);
    return poles_run(w, &l->k, left, right, n);
}

/* One whole hop of 10 ms (or the shorter last one). */
static void hop_measure(struct level *l) {
    uint32_t n = l->filled;
    size_t stride = CONTEXT + l->capacity;
    double total = 0.0;
    for (uint32_t c = 0; c < l->channels; c++) {
        struct channel *ch = &l->channel[c];
        const float *x = l->hop + c * stride + CONTEXT;
        float sum, square, peak;
        sums_level(x, n, &sum, &square, &peak);
        ch->sum += (double)sum;
        ch->square += (double)square;
        ch->peak = peak > ch->peak ? peak : ch->peak;
        total += (double)square;
        if (peak >= FULL_SCALE)
            l->clipped += clipped_count(ch, x, n);
        else
            ch->run = 0;
        if (l->phases > 1 && (peak >= TRUE_PEAK_FROM || ch->last >= TRUE_PEAK_FROM)) over_measure(l, ch, x, n);
        ch->last = n < DELAY && ch->last > peak ? ch->last : peak;
    }
    for (uint32_t c = 0; c < l->channels; c += 2) {
        const float *x = l->hop + c * stride + CONTEXT, *y = c + 1 < l->channels ? x + stride : x;
        pair energy = weighting_run(l, &l->weighting[c / 2], x, y, n);
        l->hop_loud += energy[0] * l->channel[c].weight;
        if (c + 1 < l->channels) l->hop_loud += energy[1] * l->channel[c + 1].weight;
    }
    if (l->channels >= 2) l->cross += sums_dot(l->hop + CONTEXT, l->hop + stride + CONTEXT, n);
    for (uint32_t c = 0; c < l->channels; c++) {
        float *start = l->hop + c * stride;
        memmove(start, start + n, CONTEXT * sizeof *start);
    }
    if (l->count < l->room) l->frames[l->count++] = (float)(total / ((double)n * l->channels));
    l->filled = 0;
    if (l->count % 10 == 0) {
        l->loud[l->loud_count++] = (float)(l->hop_loud / (double)(l->position - l->loud_start));
        l->loud_start = l->position;
        l->hop_loud = 0.0;
    }
    l->next = (int64_t)(l->count + 1) * l->rate / 100;
    if (l->next <= l->position) l->next = l->position + 1;
}

/* Float files may hold any number; beyond +120 dBFS no sum here could be trusted, and the square of 1e20 is infinite. */
SONDE_CLONES
static void samples_take(float *to, const float *from, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        float v = from[i] < 1e6f ? from[i] : 1e6f;
        to[i] = v > -1e6f ? v : -1e6f;
    }
}

void level_add(struct level *l, const float *const *planes, uint32_t n, uint32_t nonfinite) {
    size_t stride = CONTEXT + l->capacity;
    l->nonfinite += nonfinite;
    for (uint32_t done = 0; done < n;) {
        uint32_t part = n - done;
        if (part > l->next - l->position) part = (uint32_t)(l->next - l->position);
        for (uint32_t c = 0; c < l->channels; c++)
            samples_take(l->hop + c * stride + CONTEXT + l->filled, planes[c] + done, part);
        l->filled += part;
        l->position += part;
        done += part;
        if (l->position == l->next) hop_measure(l);
    }
}

static double decibels(double energy) {
    return energy > 1e-20 ? 10.0 * log10(energy) : LEVEL_SILENT;
}

static double loudness(double energy) {
    return -0.691 + decibels(energy);
}

static int compare_floats(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Mean of the blocks louder than `gate` (as energy), or 0. */
static double gated_mean(const float *blocks, size_t n, double gate) {
    double sum = 0.0;
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if ((double)blocks[i] <= gate) continue;
        sum += (double)blocks[i];
        count++;
    }
    return count ? sum / (double)count : 0.0;
}

/* Writes the means of `span` neighbours of `from` over `to`; returns how many there are. */
static size_t sliding_means(const float *from, size_t n, size_t span, float *to) {
    size_t count = 0;
    for (size_t i = 0; i + span <= n; i++) {
        double sum = 0.0;
        for (size_t j = 0; j < span; j++) sum += (double)from[i + j];
        to[count++] = (float)(sum / (double)span);
    }
    return count;
}

#define ABSOLUTE_GATE 1.1724653e-7 /* -70 LUFS as energy */

/* EBU Tech 3342: between the 10th and the 95th percentile of what passes both gates. */
static double loudness_range(float *blocks, size_t n) {
    double gate = gated_mean(blocks, n, ABSOLUTE_GATE) * 0.01;
    if (gate < ABSOLUTE_GATE) gate = ABSOLUTE_GATE;
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if ((double)blocks[i] > gate) blocks[kept++] = blocks[i];
    if (kept == 0) return NAN;
    qsort(blocks, kept, sizeof *blocks, compare_floats);
    size_t low = (size_t)(0.10 * (double)(kept - 1) + 0.5), high = (size_t)(0.95 * (double)(kept - 1) + 0.5);
    return loudness((double)blocks[high]) - loudness((double)blocks[low]);
}

static void loudness_finish(struct level *l, struct level_result *r) {
    r->lufs = r->lufs_range = r->lufs_momentary = NAN;
    if (l->loud_count < 4) { /* shorter than one block: all of it is the block */
        double energy = 0.0;
        for (size_t i = 0; i < l->loud_count; i++) energy += (double)l->loud[i] * l->rate / 10.0;
        energy = l->position > 0 ? (energy + l->hop_loud) / (double)l->position : 0.0;
        if (energy > ABSOLUTE_GATE) r->lufs = r->lufs_momentary = loudness(energy);
        return;
    }
    float *blocks = malloc(l->loud_count * sizeof *blocks);
    if (!blocks) return;
    size_t n = sliding_means(l->loud, l->loud_count, 4, blocks);
    double mean = gated_mean(blocks, n, ABSOLUTE_GATE);
    if (mean > 0.0) {
        r->lufs = loudness(gated_mean(blocks, n, mean * 0.1 > ABSOLUTE_GATE ? mean * 0.1 : ABSOLUTE_GATE));
        float top = 0.0f;
        for (size_t i = 0; i < n; i++) top = blocks[i] > top ? blocks[i] : top;
        r->lufs_momentary = loudness((double)top);
    }
    n = sliding_means(l->loud, l->loud_count, 30, blocks);
    if (n > 0) r->lufs_range = loudness_range(blocks, n);
    free(blocks);
}

static void stereo_finish(const struct level *l, struct level_result *r) {
    r->width = r->correlation = r->balance = NAN;
    if (l->channels < 2) return;
    double a = l->channel[0].square, b = l->channel[1].square;
    if (a + b <= 1e-12) return;
    double mid = a + b + 2.0 * l->cross, side = a + b - 2.0 * l->cross;
    r->width = fmin(1.0, fmax(0.0, side) / (fmax(0.0, mid) + fmax(0.0, side)));
    r->balance = fmin(60.0, fmax(-60.0, decibels(b) - decibels(a)));
    if (a > 1e-12 && b > 1e-12) r->correlation = fmin(1.0, fmax(-1.0, l->cross / sqrt(a * b)));
}

/* What lies between the last samples: silence comes after them. */
static void over_finish(struct level *l) {
    size_t stride = CONTEXT + l->capacity;
    for (uint32_t c = 0; c < l->channels && l->phases > 1; c++) {
        float *x = l->hop + c * stride + CONTEXT;
        uint32_t n = DELAY < l->capacity ? DELAY : l->capacity;
        memset(x, 0, n * sizeof *x);
        if (l->channel[c].last >= TRUE_PEAK_FROM) over_measure(l, &l->channel[c], x, n);
    }
}

void level_finish(struct level *l, struct level_result *r) {
    if (l->filled > 0) hop_measure(l);
    over_finish(l);
    double square = 0.0, samples = (double)l->position * l->channels;
    float peak = 0.0f, over = 0.0f;
    *r = (struct level_result){0};
    for (uint32_t c = 0; c < l->channels; c++) {
        const struct channel *ch = &l->channel[c];
        square += ch->square;
        peak = ch->peak > peak ? ch->peak : peak;
        over = ch->over > over ? ch->over : over;
        double dc = l->position > 0 ? ch->sum / (double)l->position : 0.0;
        if (fabs(dc) > fabs(r->dc)) r->dc = dc;
    }
    r->rms = decibels(samples > 0.0 ? square / samples : 0.0);
    r->peak = peak > 1e-10f ? 20.0 * log10((double)peak) : LEVEL_SILENT;
    r->true_peak = peak >= TRUE_PEAK_FROM ? 20.0 * log10((double)(over > peak ? over : peak)) : NAN;
    r->crest = r->rms > LEVEL_SILENT ? r->peak - r->rms : 0.0;
    r->clipped = samples > 0.0 ? (double)l->clipped / samples : 0.0;
    r->nonfinite = l->nonfinite;
    size_t silent = 0;
    for (size_t i = 0; i < l->count; i++) silent += l->frames[i] < SILENT_FRAME;
    r->silence = l->count ? (double)silent / (double)l->count : 1.0;
    loudness_finish(l, r);
    stereo_finish(l, r);
}

const float *level_frames(const struct level *l, size_t *count) {
    *count = l->count;
    return l->frames;
}
