/* Embedded tags that the decoding libraries keep to themselves: ID3v2 (in front of MP3, inside WAV and AIFF), Vorbis
 * comments (FLAC, Ogg Vorbis, Opus). Tempo and key are the reason; the texts come along. And whether a WAV or AIFF was cut,
 * which they keep to themselves too. */
#ifndef SONDE_DECODE_TAGS_H
#define SONDE_DECODE_TAGS_H

#include "workers/decode/facts.h"
#include "workers/decode/input.h"

/* Adds to `facts` what isn't there yet. Reads little, believes no length, and ignores what it doesn't understand. */
void tags_read(struct input *input, struct facts *facts);

/* Parses one ID3v2 tag of `n` bytes in memory (changed: unsynchronisation is undone in place). */
void tags_parse_id3(unsigned char *tag, size_t n, struct facts *facts);

/* Parses the body of a Vorbis comment: vendor, count, "NAME=value" entries, lengths little-endian. */
void tags_parse_vorbis(const unsigned char *body, size_t n, struct facts *facts);

#endif
