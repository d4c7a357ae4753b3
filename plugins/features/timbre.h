/* Cepstra of the network's own log-mel frames, summed up over its steps: what a plain statistical classifier reads beside
 * the embedding. Pure functions; any thread.
 *
 * The cepstrum of a frame is the orthonormal DCT-II (Ahmed et al., 1974) of its NETWORK_BANDS natural logarithms of band
 * power, of which the first TIMBRE_CEPSTRA are kept. A step is the frames nearest to an embedding, 8 k - 4 to 8 k + 3. */
#ifndef SONDE_FEATURES_TIMBRE_H
#define SONDE_FEATURES_TIMBRE_H

#include <stdint.h>

#define TIMBRE_CEPSTRA    20u
#define TIMBRE_DIMENSIONS 80u /* mean, spread, mean size of the change, mean size of the change's change */
#define TIMBRE_BANDS      64u
#define TIMBRE_STRIDE     8u

struct timbre {
    float basis[TIMBRE_BANDS][TIMBRE_CEPSTRA];
};

void timbre_prepare(struct timbre *timbre);

/* `mel` [frames][TIMBRE_BANDS], natural logarithms of power. Fills out [(frames + 7) / 8][TIMBRE_DIMENSIONS], in nepers;
 * changes are from frame to frame and begin with 0. */
void timbre_measure(const struct timbre *timbre, const float *mel, uint64_t frames, float *out);

#endif
