/* The one pass over a file: everything that can be known without a plugin.
 *
 * Decoding, the hash of the decoded audio, short-time levels, waveform peaks, non-finite samples, and (through a callback)
 * the PCM itself. Memory depends on the file's length only by one byte per 10 ms.
 * One thread at a time. */
#ifndef SONDE_DECODE_SCAN_H
#define SONDE_DECODE_SCAN_H

#include "workers/decode/source.h"
#include "workers/segment/levels.h"
#include "workers/segment/peaks.h"
#include "workers/segment/segment.h"

#define SCAN_FLOATS   16384 /* decoded at a time: fits the second-level cache with all that is done to it */
#define SCAN_DAYS_MAX 7     /* longer audio is a damaged header, or a compressed bomb */

/* Begins as zeroes, and is used for file after file. */
struct scan {
    struct levels levels;
    struct peaks peaks;
    struct regions regions;
    char audio_hash[HASH_TEXT]; /* of rate, channels and all samples as interleaved float32 */
    int64_t frames, nonfinite;  /* samples that are NaN, infinite or beyond 1e10 count as zero in levels and peaks */
    float *block, *clean;       /* SCAN_FLOATS each */
    size_t block_floats;
};

/* Sees each block as it was decoded. False with a sentence stops the scan. */
typedef bool (*scan_sink)(void *context, const float *samples, int64_t frames, struct error *error);

/* Reads `source` from its first frame to its end, and decides the regions. `sink` may be NULL. False with a sentence. */
bool scan_run(struct scan *scan, struct source *source, const struct segment_parameters *parameters, scan_sink sink,
              void *context, struct error *error);

void scan_free(struct scan *scan);

#endif
