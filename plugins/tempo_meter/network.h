/* A small temporal convolutional network that hears beats: from bands to the probability of a beat and of a downbeat.
 *
 * After Davies and Böck, "Temporal convolutional networks for musical audio beat tracking" (EUSIPCO 2019): one layer
 * over three frames of all bands, then residual layers of five taps whose distance doubles from layer to layer, so that
 * the last one sees about half a minute. Trained by tools/train_tempo; model card in its MODEL.md. */
#ifndef TEMPO_METER_NETWORK_H
#define TEMPO_METER_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

#define TEMPO_BINS           60 /* TEMPO_LOWEST_BPM * 2^(i / 20): 30 to 232 bpm */
#define TEMPO_LOWEST_BPM     30.0
#define TEMPO_BINS_AN_OCTAVE 20.0

struct network;

/* What it heard in a region. */
struct network_output {
    float *beat; /* probabilities, one a frame */
    float *downbeat;
    float tempo[TEMPO_BINS + 1]; /* probabilities that sum to 1; the last: no tempo at all */
};

/* Reads weights as tools/train_tempo/export.py writes them; NULL when `size` bytes at `data` are anything else or
 * memory is out. `data` is copied. */
struct network *network_new(const void *data, uint64_t size);
void network_free(struct network *network);

/* `frames` is count * BANDS_COUNT compressed bands. Fills in `out`, whose arrays the caller
 * provides. Without memory of earlier calls; false when out of memory. */
bool network_run(const struct network *network, const float *frames, int64_t count, struct network_output *out);

/* The value of a table over tempo bins at `bpm`, interpolated; its end values beyond the ends. */
float network_tempo_at(const float *table, double bpm);

#endif
