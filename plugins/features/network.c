#include "network.h"

#include "kernels/clones.h"
#include "kernels/sums.h"
#include "weights.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAYERS = 5, CONTEXTS = 2, TAPS = 5, LANES = 8 };
enum { MARGIN = 16 };             /* frames of silence beyond each edge of the region */
enum { HALO = 24, CORE = 384 };   /* frames: a tile's margin (the convolutions reach 17) and its own part */
enum { TILE = CORE + 2 * HALO };  /* a multiple of the stride, like both of its parts */
enum { WIDEST = 96, FLAT = 192 }; /* channels of the widest layer, and values in one frame of the last one */

struct layer {
    uint32_t in, out, stride_time, stride_band;
};

/* The same table as CONVOLUTIONS in tools/train/sonde_train/model.py. */
static const struct layer layers[LAYERS] = {
    {1, 16, 2, 2}, {16, 24, 1, 2}, {24, 48, 2, 2}, {48, 64, 2, 2}, {64, 96, 1, 2}};
static const uint32_t dilations[CONTEXTS] = {1, 4};

/* Above the telephone's band, bands count for less: what is up there tells recordings apart more than sounds. */
#define CEILING       3400.0
#define CEILING_SLOPE 36.0  /* dB an octave */
#define FLOOR         1e-9f /* power added to every band: -90 dB */

struct network {
    struct weights weights;
    char hash[17];
    const float *input_mean, *input_scale;
    const float *kernel[LAYERS], *bias[LAYERS];
    const float *dense, *dense_bias;
    const float *depth[CONTEXTS], *depth_bias[CONTEXTS], *point[CONTEXTS], *point_bias[CONTEXTS];
    const float *catalogue_mean, *catalogue_scale;
    uint32_t first_bin[NETWORK_BANDS], bins[NETWORK_BANDS];
    float filter[NETWORK_BANDS][NETWORK_BINS / 8];
    float silence[NETWORK_BANDS]; /* a frame of digital silence, normalised */
    struct timbre cepstra;

    float *mel, *power; /* [capacity][NETWORK_BANDS], [capacity] */
    uint64_t frames, capacity;
    float *buffers[2]; /* one tile's activations */
    float *embedding, *scratch, *level, *timbre;
};

static double mel_of(double hz) {
    return 2595.0 * log10(1.0 + hz / 700.0);
}

static double hz_of(double mel) {
    return 700.0 * (pow(10.0, mel / 2595.0) - 1.0);
}

/* Triangles with peak 1 between equally spaced points of the mel scale. */
static void make_filters(struct network *network) {
    const double low = mel_of(40.0), step = (mel_of(10000.0) - low) / (NETWORK_BANDS + 1);
    for (uint32_t band = 0; band < NETWORK_BANDS; band++) {
        const double from = hz_of(low + band * step), peak = hz_of(low + (band + 1) * step);
        const double to = hz_of(low + (band + 2) * step);
        const double gain = pow(10, -CEILING_SLOPE / 10 * fmax(0, log2(peak / CEILING)));
        for (uint32_t bin = 0; bin < NETWORK_BINS; bin++) {
            const double hz = bin * (double)NETWORK_RATE / NETWORK_WINDOW;
            const double weight = fmin((hz - from) / (peak - from), (to - hz) / (to - peak));
            if (weight <= 0) continue;
            if (network->bins[band] == 0) network->first_bin[band] = bin;
            network->filter[band][network->bins[band]++] = (float)(gain * weight);
        }
        network->bins[band] = (network->bins[band] + LANES - 1) / LANES * LANES; /* weights of 0 to whole vectors */
    }
}

static int read_tensors(struct network *network, char *error, size_t n) {
    const struct weights *w = &network->weights;
    char name[32];
#define TENSOR(target, name, d0, d1)                                                                                   \
    if (((target) = weights_floats(w, name, d0, d1, 1, error, n)) == NULL) return -1
    TENSOR(network->input_mean, "input.mean", NETWORK_BANDS, 1);
    TENSOR(network->input_scale, "input.scale", NETWORK_BANDS, 1);
    for (uint32_t band = 0; band < NETWORK_BANDS; band++)
        if (!(network->input_scale[band] > 0)) {
            snprintf(error, n, "the tensor \"input.scale\" of the weights file holds values that are not positive");
            return -1;
        }
    for (uint32_t i = 0; i < LAYERS; i++) {
        snprintf(name, sizeof name, "convolution%u.kernel", i);
        TENSOR(network->kernel[i], name, 9 * layers[i].in, layers[i].out);
        snprintf(name, sizeof name, "convolution%u.bias", i);
        TENSOR(network->bias[i], name, layers[i].out, 1);
    }
    TENSOR(network->dense, "dense.kernel", FLAT, NETWORK_DIMENSIONS);
    TENSOR(network->dense_bias, "dense.bias", NETWORK_DIMENSIONS, 1);
    for (uint32_t i = 0; i < CONTEXTS; i++) {
        snprintf(name, sizeof name, "context%u.depth", i);
        TENSOR(network->depth[i], name, TAPS, NETWORK_DIMENSIONS);
        snprintf(name, sizeof name, "context%u.depth_bias", i);
        TENSOR(network->depth_bias[i], name, NETWORK_DIMENSIONS, 1);
        snprintf(name, sizeof name, "context%u.point", i);
        TENSOR(network->point[i], name, NETWORK_DIMENSIONS, NETWORK_DIMENSIONS);
        snprintf(name, sizeof name, "context%u.bias", i);
        TENSOR(network->point_bias[i], name, NETWORK_DIMENSIONS, 1);
    }
    TENSOR(network->catalogue_mean, "catalogue.mean", NETWORK_DIMENSIONS, 1);
    TENSOR(network->catalogue_scale, "catalogue.scale", NETWORK_DIMENSIONS, 1);
#undef TENSOR
    return 0;
}

static float normalise(const struct network *network, uint32_t band, float power) {
    return (logf(power + FLOOR) - network->input_mean[band]) * network->input_scale[band];
}

struct network *network_open(const void *weights, uint64_t size, char *error, size_t n) {
    struct network *network = calloc(1, sizeof *network);
    if (network == NULL) {
        snprintf(error, n, "no memory for the network");
        return NULL;
    }
    if (weights_open(&network->weights, weights, size, "network", NETWORK_ARCHITECTURE, error, n) != 0 ||
        read_tensors(network, error, n) != 0) {
        free(network);
        return NULL;
    }
    for (int i = 0; i < 2; i++) {
        network->buffers[i] = malloc(sizeof(float) * (TILE / 2) * 32 *
                                     16); /* the first convolution's output is the largest */
        if (network->buffers[i] == NULL) {
            snprintf(error, n, "no memory for the network");
            network_close(network);
            return NULL;
        }
    }
    snprintf(network->hash, sizeof network->hash, "%016llx", (unsigned long long)network->weights.header->hash);
    make_filters(network);
    timbre_prepare(&network->cepstra, network->input_mean, network->input_scale);
    for (uint32_t band = 0; band < NETWORK_BANDS; band++) network->silence[band] = normalise(network, band, 0);
    return network;
}

static void drop_region(struct network *network) {
    free(network->mel);
    free(network->power);
    free(network->embedding);
    free(network->scratch);
    free(network->level);
    free(network->timbre);
    network->mel = network->power = network->embedding = network->scratch = network->level = network->timbre = NULL;
    network->frames = network->capacity = 0;
}

void network_close(struct network *network) {
    if (network == NULL) return;
    drop_region(network);
    free(network->buffers[0]);
    free(network->buffers[1]);
    free(network);
}

const char *network_model(const struct network *network) {
    return network->weights.header->model;
}

uint32_t network_version(const struct network *network) {
    return network->weights.header->version;
}

const char *network_hash(const struct network *network) {
    return network->hash;
}

double network_hop(void) {
    return (double)NETWORK_STRIDE * NETWORK_HOP / NETWORK_RATE;
}

static int reserve(struct network *network, uint64_t frames) {
    if (frames <= network->capacity) return 0;
    const uint64_t capacity = frames + frames / 2;
    float *mel = realloc(network->mel, capacity * NETWORK_BANDS * sizeof(float));
    if (mel == NULL) return -1;
    network->mel = mel;
    float *power = realloc(network->power, capacity * sizeof(float));
    if (power == NULL) return -1;
    network->power = power;
    network->capacity = capacity;
    return 0;
}

int network_begin(struct network *network, double seconds) {
    drop_region(network);
    const double frames = seconds * NETWORK_RATE / NETWORK_HOP + 2;
    return reserve(network, frames > 0 && frames < 1e6 ? (uint64_t)frames : 1000);
}

int network_push(struct network *network, const float *power, uint32_t frames, uint32_t stride) {
    if (reserve(network, network->frames + frames) != 0) return -1;
    for (uint32_t f = 0; f < frames; f++, power += stride) {
        float *mel = network->mel + network->frames * NETWORK_BANDS;
        for (uint32_t band = 0; band < NETWORK_BANDS; band++) {
            const float sum = sums_band(power + network->first_bin[band], network->filter[band], network->bins[band]);
            mel[band] = normalise(network, band, sum);
        }
        float total, square, peak;
        sums_level(power, NETWORK_BINS, &total, &square, &peak);
        network->power[network->frames++] = total;
    }
    return 0;
}

typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));

static const float nothing[FLAT]; /* where a kernel reaches beyond the edge */

/* out[p][n] = bias[n] + sum over taps t and channels c of from[t][p][c] * kernel[t][c][n], for LANES positions p; negative
 * sums become 0 when `rectify`. The sum of one position never depends on its neighbours. */
SONDE_CLONES
static void multiply(const float *const (*from)[LANES], uint32_t taps, uint32_t channels, const float *kernel,
                     const float *bias, uint32_t width, int rectify, float *out) {
    for (uint32_t n = 0; n < width; n += LANES) {
        const lanes first = *(const lanes *)(const void *)(bias + n);
        lanes s0 = first, s1 = first, s2 = first, s3 = first, s4 = first, s5 = first, s6 = first, s7 = first;
        const float *weight = kernel + n;
        for (uint32_t t = 0; t < taps; t++) {
            const float *x0 = from[t][0], *x1 = from[t][1], *x2 = from[t][2], *x3 = from[t][3];
            const float *x4 = from[t][4], *x5 = from[t][5], *x6 = from[t][6], *x7 = from[t][7];
            for (uint32_t c = 0; c < channels; c++, weight += width) {
                const lanes w = *(const lanes *)(const void *)weight;
                s0 += x0[c] * w, s1 += x1[c] * w, s2 += x2[c] * w, s3 += x3[c] * w;
                s4 += x4[c] * w, s5 += x5[c] * w, s6 += x6[c] * w, s7 += x7[c] * w;
            }
        }
        const lanes sums[LANES] = {s0, s1, s2, s3, s4, s5, s6, s7};
        for (uint32_t p = 0; p < LANES; p++)
            for (uint32_t i = 0; i < LANES; i++) out[p * width + n + i] = rectify && sums[p][i] < 0 ? 0 : sums[p][i];
    }
}

/* Matrix product over rows: out[row] = rectified(bias + kernel' * in[row]). */
static void multiply_rows(const float *in, uint32_t rows, const float *kernel, const float *bias, uint32_t depth,
                          uint32_t width, int rectify, float *out) {
    float last[LANES * WIDEST] = {0};
    for (uint32_t row = 0; row < rows; row += LANES) {
        const uint32_t count = rows - row < LANES ? rows - row : LANES;
        const float *from[1][LANES];
        for (uint32_t p = 0; p < LANES; p++) from[0][p] = p < count ? in + (size_t)(row + p) * depth : nothing;
        float *to = out + (size_t)row * width;
        multiply(from, 1, depth, kernel, bias, width, rectify, count < LANES ? last : to);
        if (count < LANES) memcpy(to, last, (size_t)count * width * sizeof(float));
    }
}

/* Where the 3 x 3 kernel at an output position reads; the position may lie beyond the last one. */
static void look_around(const struct layer *layer, const float *in, uint32_t times, uint32_t bands, uint32_t row,
                        uint32_t column, uint32_t lane, const float *from[9][LANES]) {
    const int64_t time = (int64_t)row * layer->stride_time - 1, band = (int64_t)column * layer->stride_band - 1;
    for (uint32_t tap = 0; tap < 9; tap++) {
        const int64_t t = time + tap / 3, b = band + tap % 3;
        const int inside = t >= 0 && t < times && b >= 0 && b < bands;
        from[tap][lane] = inside ? in + ((size_t)t * bands + (size_t)b) * layer->in : nothing;
    }
}

/* One 3 x 3 convolution with zeros around it: in [times][bands][in], out [ceil(times/st)][ceil(bands/sf)][out]. */
static void convolve(const struct layer *layer, const float *kernel, const float *bias, const float *in, uint32_t times,
                     uint32_t bands, float *out) {
    float last[LANES * WIDEST] = {0};
    const uint32_t columns = (bands + layer->stride_band - 1) / layer->stride_band, width = layer->out;
    const uint32_t positions = (times + layer->stride_time - 1) / layer->stride_time * columns;
    for (uint32_t first = 0; first < positions; first += LANES) {
        const uint32_t count = positions - first < LANES ? positions - first : LANES;
        const float *from[9][LANES];
        for (uint32_t p = 0; p < LANES; p++)
            look_around(layer, in, times, bands, (first + p) / columns, (first + p) % columns, p, from);
        float *to = out + (size_t)first * width;
        multiply(from, 9, layer->in, kernel, bias, width, 1, count < LANES ? last : to);
        if (count < LANES) memcpy(to, last, (size_t)count * width * sizeof(float));
    }
}

/* Frame f of the region with its margins of silence, f from 0 to frames + 2 MARGIN. */
static const float *frame_at(const struct network *network, uint64_t f) {
    const uint64_t inside = f - MARGIN;
    return f < MARGIN || inside >= network->frames ? network->silence : network->mel + inside * NETWORK_BANDS;
}

/* Runs the convolutions and the dense layer over frames [start, end) of the padded region, writes the embeddings of
 * [core, core_end), all multiples of the stride from the padded start. */
static void run_tile(struct network *network, uint64_t start, uint64_t end, uint64_t core, uint64_t core_end,
                     float *out) {
    uint32_t times = (uint32_t)(end - start), bands = NETWORK_BANDS;
    float *in = network->buffers[0], *next = network->buffers[1];
    for (uint32_t t = 0; t < times; t++)
        memcpy(in + (size_t)t * bands, frame_at(network, start + t), sizeof(float) * bands);
    for (uint32_t i = 0; i < LAYERS; i++) {
        convolve(&layers[i], network->kernel[i], network->bias[i], in, times, bands, next);
        times = (times + layers[i].stride_time - 1) / layers[i].stride_time;
        bands = (bands + layers[i].stride_band - 1) / layers[i].stride_band;
        float *swap = in;
        in = next, next = swap;
    }
    const uint32_t skip = (uint32_t)(core - start) / NETWORK_STRIDE;
    const uint32_t rows = (uint32_t)((core_end - core + NETWORK_STRIDE - 1) / NETWORK_STRIDE);
    multiply_rows(in + (size_t)skip * FLAT, rows, network->dense, network->dense_bias, FLAT, NETWORK_DIMENSIONS, 1,
                  out);
}

/* x += point(depth(x)), rectified: the residual block over time. */
static void run_context(struct network *network, uint32_t index, float *x, uint32_t count) {
    const uint32_t d = NETWORK_DIMENSIONS;
    float *depth = network->scratch, *sum = network->scratch + (size_t)count * d;
    for (uint32_t t = 0; t < count; t++) {
        float *out = depth + (size_t)t * d;
        memcpy(out, network->depth_bias[index], d * sizeof(float));
        for (int tap = 0; tap < TAPS; tap++) {
            const int64_t from = (int64_t)t + (tap - TAPS / 2) * (int64_t)dilations[index];
            if (from < 0 || from >= count) continue;
            const float *row = x + (size_t)from * d, *kernel = network->depth[index] + (size_t)tap * d;
            for (uint32_t i = 0; i < d; i++) out[i] += row[i] * kernel[i];
        }
    }
    multiply_rows(depth, count, network->point[index], network->point_bias[index], d, d, 0, sum);
    for (size_t i = 0; i < (size_t)count * d; i++) x[i] = fmaxf(x[i] + sum[i], 0);
}

/* The mean embedding of what is not more than 30 dB below the loudest, centred, scaled and brought to length 1. */
static void summarise(const struct network *network, struct network_result *result) {
    double sum[NETWORK_DIMENSIONS] = {0}, length = 0;
    float loudest = -120;
    for (uint32_t t = 0; t < result->count; t++) loudest = fmaxf(loudest, result->level[t]);
    uint32_t used = 0;
    for (uint32_t t = 0; t < result->count; t++) {
        if (result->level[t] < loudest - 30) continue;
        for (uint32_t i = 0; i < NETWORK_DIMENSIONS; i++)
            sum[i] += result->embedding[(size_t)t * NETWORK_DIMENSIONS + i];
        used++;
    }
    for (uint32_t i = 0; i < NETWORK_DIMENSIONS; i++) {
        sum[i] = used ? (sum[i] / used - network->catalogue_mean[i]) * network->catalogue_scale[i] : 0;
        length += sum[i] * sum[i];
    }
    length = sqrt(length);
    for (uint32_t i = 0; i < NETWORK_DIMENSIONS; i++) result->catalogue[i] = length > 0 ? (float)(sum[i] / length) : 0;
}

/* The loudest of the frames nearest to each embedding; the frame's power of a full-scale sine is 1.5 (Hann). */
static void measure_levels(struct network *network, uint32_t count) {
    for (uint32_t k = 0; k < count; k++) {
        const uint64_t centre = (uint64_t)k * NETWORK_STRIDE;
        const uint64_t from = centre < NETWORK_STRIDE / 2 ? 0 : centre - NETWORK_STRIDE / 2;
        float loudest = 0;
        for (uint64_t f = from; f < centre + NETWORK_STRIDE / 2 && f < network->frames; f++)
            loudest = fmaxf(loudest, network->power[f]);
        network->level[k] = 10.0f * log10f(loudest / 1.5f + 1e-12f);
    }
}

int network_finish(struct network *network, struct network_result *result) {
    memset(result, 0, sizeof *result);
    if (network->frames == 0) return 0;
    const uint64_t padded = network->frames + 2 * MARGIN;
    const uint32_t all = (uint32_t)((padded + NETWORK_STRIDE - 1) / NETWORK_STRIDE), d = NETWORK_DIMENSIONS;
    const uint32_t count = (uint32_t)((network->frames + NETWORK_STRIDE - 1) / NETWORK_STRIDE);
    network->embedding = malloc(sizeof(float) * all * d);
    network->scratch = malloc(sizeof(float) * 2 * all * d);
    network->level = malloc(sizeof(float) * count);
    network->timbre = malloc(sizeof(float) * count * TIMBRE_DIMENSIONS);
    if (network->embedding == NULL || network->scratch == NULL || network->level == NULL || network->timbre == NULL)
        return -1;
    for (uint64_t core = 0; core < padded; core += CORE) {
        const uint64_t core_end = core + CORE < padded ? core + CORE : padded;
        const uint64_t start = core < HALO ? 0 : core - HALO, end = core_end + HALO < padded ? core_end + HALO : padded;
        run_tile(network, start, end, core, core_end, network->embedding + core / NETWORK_STRIDE * d);
    }
    for (uint32_t i = 0; i < CONTEXTS; i++) run_context(network, i, network->embedding, all);
    measure_levels(network, count);
    timbre_measure(&network->cepstra, network->mel, network->frames, network->timbre);
    result->count = count;
    result->embedding = network->embedding + (size_t)(MARGIN / NETWORK_STRIDE) * d;
    result->level = network->level;
    result->timbre = network->timbre;
    summarise(network, result);
    return 0;
}
