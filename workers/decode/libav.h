/* FFmpeg's libraries as a source reader: M4A/AAC, WMA, Monkey's Audio, Matroska and whatever else they know.
 *
 * They are loaded when asked for, not linked: they bring 130 libraries along, which only a decoder needs, and sonde works
 * without them. One thread per reader; no protocols, no network, no second file, audio decoders only. */
#ifndef SONDE_DECODE_LIBAV_H
#define SONDE_DECODE_LIBAV_H

#include "workers/decode/source.h"

struct libav;

/* Loads the libraries. NULL with a sentence when they are not installed, or when sonde was built without them. */
struct libav *libav_load(struct error *error);

/* The version of libavcodec, "59.37.100". */
void libav_version(const struct libav *libav, char *out, size_t room);

/* The reader; valid until libav_free. NULL for NULL. */
const struct source_reader *libav_reader(const struct libav *libav);

void libav_free(struct libav *libav); /* NULL is fine; all its sources must be closed */

#endif
