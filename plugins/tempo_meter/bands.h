/* From power spectra to a few dozen loudness-like bands: what the ear separates, and little enough to keep for a
 * region.
 *
 * Bands are triangles on a logarithmic frequency axis, six to the octave (Böck, Krebs, Schedl: "Evaluating the online
 * capabilities of onset detection methods", ISMIR 2012, section 2.1); where that is finer than the spectrum's own
 * resolution, one band a spectral bin. Any thread. */
#ifndef TEMPO_METER_BANDS_H
#define TEMPO_METER_BANDS_H

#include <stdint.h>

#define BANDS_COUNT  48 /* at 22,050 Hz with a window of 2,048 */
#define BANDS_BINS   1025
#define BANDS_RATE   22050
#define BANDS_WINDOW 2048
#define BANDS_HOP    512
#define BANDS_FPS    ((double)BANDS_RATE / BANDS_HOP) /* frames a second, 43.07 */

struct bands {
    uint16_t first[BANDS_COUNT]; /* first bin with a weight above zero */
    uint16_t count[BANDS_COUNT];
    uint32_t offset[BANDS_COUNT]; /* of the band's first weight */
    float weight[2 * BANDS_BINS]; /* each triangle sums to 1 */
};

/* Fills in the triangles. */
void bands_init(struct bands *bands);

/* The amplitude of each band, sqrt(weighted mean of the power): `power` has BANDS_BINS values (a full-scale sine peaks
 * at 1), `out` takes BANDS_COUNT. */
void bands_apply(const struct bands *bands, const float *power, float *out);

/* Makes `count` frames of amplitudes independent of the recording's level and compresses them, in place:
 * log(1 + BANDS_GAIN a / r), where r is the root mean square over bands of the loud frames (the 90th percentile). Silence
 * stays 0. Returns r, or 0 for silence; a negative number when out of memory. */
#define BANDS_GAIN 100
double bands_compress(float *frames, int64_t count);

#endif
