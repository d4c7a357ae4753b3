/* One pass over a region: native audio in, the streams that the plugins want out.
 *
 * Whatever the number of plugins, each channel is resampled once for each distinct rate, and each distinct spectrum is
 * computed once (definitions: sonde_input_t). The mixdown is the mean of the channels, taken before resampling. Samples that
 * are not finite, or absurd (beyond 1e10, whose powers would overflow), become 0 and are counted; those below 1e-30 (-600
 * dBFS) become 0 because arithmetic with such small numbers takes a hundred times as long.
 * Results don't depend on how the audio is cut into pieces. One thread. */
#ifndef SONDE_HOST_FEED_H
#define SONDE_HOST_FEED_H

#include "engine/base/error.h"
#include "sonde/plugin.h"
#include "workers/host/spectrum.h"

#include <stddef.h>
#include <stdint.h>

#define FEED_BLOCK_FRAMES 16384 /* the host's choice: long enough to cost nothing, short enough for the cache */

struct feed;

/* Hands a block to subscriber `subscriber`; the block's `input` is the number given with the subscription. False: it wants
 * no more. */
typedef bool (*feed_deliver)(void *context, uint32_t subscriber, const sonde_block_t *block);

/* For a region of `frames` native frames at `rate` Hz with `channels` channels. `block_frames` native frames are taken at a
 * time; 0: the host's choice. `plans` belong to the caller and outlive the feed. NULL: out of memory, or a rate or number
 * of channels beyond all reason. */
struct feed *feed_new(uint32_t rate, uint32_t channels, int64_t frames, uint32_t block_frames,
                      struct spectrum_plans *plans, feed_deliver deliver, void *context, struct error *error);
void feed_free(struct feed *feed); /* NULL is fine */

/* Before the first push: `subscriber` wants `input` under the number `index`; `whole`: audio in one block. */
bool feed_subscribe(struct feed *feed, const sonde_input_t *input, bool whole, uint32_t subscriber, uint32_t index,
                    struct error *error);

/* The next `frames` native frames, one pointer a channel (4-byte aligned). False: out of memory, the pass can't go on. */
bool feed_push(struct feed *feed, const float *const *planes, size_t frames);

/* The region is over: the resamplers' tails, the last spectra, whole regions. Once, at the end. */
bool feed_finish(struct feed *feed);

/* Non-finite samples met so far, in all channels. */
uint64_t feed_nonfinite(const struct feed *feed);

/* CPU time spent so far on resampling and on spectra, in microseconds, without the subscribers' own. */
void feed_cost(const struct feed *feed, int64_t *resample_us, int64_t *spectrum_us);

#endif
