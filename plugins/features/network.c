#include "network.h"

#include "branch.h"
#include "kernels/sums.h"
#include "weights.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LANES = 8 };

/* Above the telephone's band, bands count for less: what is up there tells recordings apart more than sounds. */
#define CEILING       3400.0
#define CEILING_SLOPE 36.0  /* dB an octave */
#define FIRST_BIN     2     /* below lie DC and its side lobes */
#define FLOOR         1e-9f /* power added to every band: -90 dB */

struct network {
    struct weights weights;
    char hash[17];
    struct branch sound, scene;
    const float *catalogue_mean, *catalogue_scale;
    uint32_t first_bin[NETWORK_BANDS], bins[NETWORK_BANDS];
    float filter[NETWORK_BANDS][NETWORK_BINS / 8];
    float width[NETWORK_BANDS]; /* the sum of a band's weights */
    struct timbre cepstra;

    float *mel, *below, *power; /* [capacity][NETWORK_BANDS] twice, nepers; [capacity] */
    uint64_t frames, capacity;
    float *room[2]; /* for the branches */
    float *embedding, *heard, *scratch, *level, *timbre;
    uint8_t *steps; /* of what the branch `scene` heard */
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
            network->width[band] += (float)(gain * weight);
        }
    }
}

static int read_tensors(struct network *network, char *error, size_t n) {
    const struct weights *w = &network->weights;
    if (branch_open(&network->sound, w, "sound.", 1, error, n) != 0 ||
        branch_open(&network->scene, w, "scene.", 2, error, n) != 0)
        return -1;
    network->catalogue_mean = weights_floats(w, "catalogue.mean", NETWORK_DIMENSIONS, 1, 1, error, n);
    if (network->catalogue_mean == NULL) return -1;
    network->catalogue_scale = weights_floats(w, "catalogue.scale", NETWORK_DIMENSIONS, 1, 1, error, n);
    return network->catalogue_scale == NULL ? -1 : 0;
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
        network->room[i] = malloc(sizeof(float) * BRANCH_ROOM);
        if (network->room[i] == NULL) {
            snprintf(error, n, "no memory for the network");
            network_close(network);
            return NULL;
        }
    }
    snprintf(network->hash, sizeof network->hash, "%016llx", (unsigned long long)network->weights.header->hash);
    make_filters(network);
    timbre_prepare(&network->cepstra);
    return network;
}

static void drop_region(struct network *network) {
    float **const held[] = {&network->mel,   &network->below,   &network->power, &network->embedding,
                            &network->heard, &network->scratch, &network->level, &network->timbre};
    for (size_t i = 0; i < sizeof held / sizeof *held; i++) {
        free(*held[i]);
        *held[i] = NULL;
    }
    free(network->steps);
    network->steps = NULL;
    network->frames = network->capacity = 0;
}

void network_close(struct network *network) {
    if (network == NULL) return;
    drop_region(network);
    free(network->room[0]);
    free(network->room[1]);
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

static int grow(float **values, uint64_t count) {
    float *grown = realloc(*values, count * sizeof(float));
    if (grown == NULL) return -1;
    *values = grown;
    return 0;
}

static int reserve(struct network *network, uint64_t frames) {
    if (frames <= network->capacity) return 0;
    const uint64_t capacity = frames + frames / 2;
    if (grow(&network->mel, capacity * NETWORK_BANDS) != 0 || grow(&network->below, capacity * NETWORK_BANDS) != 0 ||
        grow(&network->power, capacity) != 0)
        return -1;
    network->capacity = capacity;
    return 0;
}

int network_begin(struct network *network, double seconds) {
    drop_region(network);
    const double frames = seconds * NETWORK_RATE / NETWORK_HOP + 2;
    return reserve(network, frames > 0 && frames < 1e6 ? (uint64_t)frames : 1000);
}

/* One frame of bands, and how far their floors lie below, in nepers. */
static void listen(const struct network *network, const float *power, float *mel, float *below) {
    for (uint32_t band = 0; band < NETWORK_BANDS; band++) {
        const float *p = power + network->first_bin[band];
        const uint32_t bins = network->bins[band], whole = (bins + LANES - 1) / LANES * LANES;
        const float sum = sums_band(p, network->filter[band], whole); /* the weights behind the band's are 0 */
        const float lowest = sums_lowest(p, bins) / 3 * network->width[band];
        mel[band] = logf(sum + FLOOR);
        below[band] = logf(lowest + FLOOR) - mel[band];
    }
}

int network_push(struct network *network, const float *power, uint32_t frames, uint32_t stride) {
    if (reserve(network, network->frames + frames) != 0) return -1;
    for (uint32_t f = 0; f < frames; f++, power += stride) {
        const uint64_t at = network->frames * NETWORK_BANDS;
        listen(network, power, network->mel + at, network->below + at);
        float total, square, peak;
        sums_level(power + FIRST_BIN, NETWORK_BINS - FIRST_BIN, &total, &square, &peak);
        network->power[network->frames++] = total;
    }
    return 0;
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

/* The loudest of the frames nearest to each embedding (behind the last one, all); the frame's power of a full-scale sine is 1.5 (Hann). */
static void measure_levels(struct network *network, uint32_t count) {
    for (uint32_t k = 0; k < count; k++) {
        const uint64_t centre = (uint64_t)k * NETWORK_STRIDE;
        const uint64_t from = centre < NETWORK_STRIDE / 2 ? 0 : centre - NETWORK_STRIDE / 2;
        float loudest = 0;
        const uint64_t end = k + 1 < count ? centre + NETWORK_STRIDE / 2 : network->frames;
        for (uint64_t f = from; f < end; f++) loudest = fmaxf(loudest, network->power[f]);
        network->level[k] = 10.0f * log10f(loudest / 1.5f + 1e-12f);
    }
}

/* A quarter of the room in the catalogue, for no difference that the timeline's head could tell. */
static void in_steps(const float *values, size_t count, uint8_t *steps) {
    for (size_t i = 0; i < count; i++) steps[i] = (uint8_t)fminf(values[i] * NETWORK_STEPS + 0.5f, 255);
}

int network_finish(struct network *network, struct network_result *result) {
    memset(result, 0, sizeof *result);
    if (network->frames == 0) return 0;
    const uint32_t all = branch_steps(network->frames), d = NETWORK_DIMENSIONS;
    const uint32_t count = (uint32_t)((network->frames + NETWORK_STRIDE - 1) / NETWORK_STRIDE);
    if (grow(&network->embedding, (uint64_t)all * d) != 0 || grow(&network->heard, (uint64_t)all * d) != 0 ||
        grow(&network->scratch, 2 * (uint64_t)all * d) != 0 || grow(&network->level, count) != 0 ||
        grow(&network->timbre, (uint64_t)count * TIMBRE_DIMENSIONS) != 0)
        return -1;
    free(network->steps);
    network->steps = malloc((size_t)count * d);
    if (network->steps == NULL) return -1;
    const struct branch_frames frames = {
        .values = {network->mel, network->below}, .silence = {logf(FLOOR), 0}, .count = network->frames};
    branch_run(&network->sound, &frames, network->room, network->scratch, network->embedding);
    branch_run(&network->scene, &frames, network->room, network->scratch, network->heard);
    measure_levels(network, count);
    timbre_measure(&network->cepstra, network->mel, network->frames, network->timbre);
    const size_t edge = (size_t)(BRANCH_MARGIN / NETWORK_STRIDE) * d;
    result->count = count;
    result->embedding = network->embedding + edge;
    in_steps(network->heard + edge, (size_t)count * d, network->steps);
    result->scene = network->steps;
    result->level = network->level;
    result->timbre = network->timbre;
    summarise(network, result);
    return 0;
}
