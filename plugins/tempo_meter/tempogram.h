/* A second opinion on the tempo, from periodicities alone: the autocorrelation of the onset envelopes of three ranges of
 * frequency on a logarithmic axis of lags, looked at through a small network that is the same for every tempo (it sees the
 * lags at a quarter to four times the beat), and a leaning to slow or fast tempi from the mean spectrum.
 * Sum and compare at related lags: Percival and Tzanetakis, "Streamlined tempo estimation based on autocorrelation and
 * cross-correlation with pulses" (IEEE TASLP 2014). Trained by tools/train_tempo; model card in its MODEL.md. */
#ifndef TEMPO_METER_TEMPOGRAM_H
#define TEMPO_METER_TEMPOGRAM_H

#include "network.h"

#include <stdbool.h>
#include <stdint.h>

struct tempogram;

/* Reads weights as tools/train_tempo/export.py writes them; NULL when `size` bytes at `data` are anything else or memory
 * is out. `data` is copied. */
struct tempogram *tempogram_new(const void *data, uint64_t size);
void tempogram_free(struct tempogram *tempogram);

/* Fills in the probability of each tempo bin (network.h) for `count` frames of BANDS_COUNT compressed bands; they sum to 1.
 * False when out of memory. */
bool tempogram_run(const struct tempogram *tempogram, const float *frames, int64_t count, float tempo[TEMPO_BINS]);

#endif
