/* What a file says about itself, and what it turned out to be. Any thread. */
#ifndef SONDE_DECODE_FACTS_H
#define SONDE_DECODE_FACTS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FACTS_WORD  48  /* bytes of a technical name, its zero included */
#define FACTS_TEXT  512 /* bytes of an embedded text, its zero included: longer ones are cut */
#define FACTS_LOOPS 16

struct facts_loop {
    int64_t start, end; /* frames, end exclusive */
};

/* An empty text, a zero number: not known. All texts are valid UTF-8 on one line. */
struct facts {
    char container[FACTS_WORD];     /* "wav", "flac", "ogg", "mp3", "mp4" ... */
    char codec[FACTS_WORD];         /* "pcm", "vorbis", "aac" ... */
    char layout[FACTS_TEXT];        /* "mono", "stereo", "5.1", or the speakers' names */
    char sample_format[FACTS_WORD]; /* "int" or "float"; empty for lossy codecs */
    char decoder[FACTS_WORD];       /* the library */
    char decoder_version[FACTS_WORD];
    int rate; /* Hz */
    int channels;
    int bit_depth;  /* of lossless codecs */
    bool shorts;    /* every sample is a whole multiple of 1/32768, below 1: nothing is lost in 16 bits */
    int64_t frames; /* as promised by the header, 0 when unknown; as decoded once the end has been seen */
    double cut;     /* the chunk of samples is so many times as long as what the file has of it; 0: all is there */
    char title[FACTS_TEXT], artist[FACTS_TEXT], album[FACTS_TEXT], comment[FACTS_TEXT];
    char key[FACTS_WORD]; /* as written in the file */
    double bpm;
    struct facts_loop loops[FACTS_LOOPS];
    int loops_count;
};

/* Stores `n` bytes as clean text in `to` (`size` bytes), unless something is there already. Bytes that aren't UTF-8 are
 * taken for Latin-1; runs of white space and control characters become one blank. */
void facts_set_text(char *to, size_t size, const char *from, size_t n);

/* Stores a tempo written as text ("120", "93.5 BPM"), unless one is there already or it isn't within 1 to 999. */
void facts_set_bpm(struct facts *facts, const char *text, size_t n);

/* Stores `value` under the name it has in Vorbis comments, ID3 (v2.2, v2.3 and v2.4), MP4 and APE tags, in any case:
 * TITLE, TPE1, bpm, TBPM, initialkey ... Other names are ignored. */
void facts_set_tag(struct facts *facts, const char *name, const char *value, size_t n);

/* Adds a loop if it makes sense. */
void facts_add_loop(struct facts *facts, int64_t start, int64_t end);

/* The `facts` object of the protocol; what isn't known is absent. NULL: out of memory. */
cJSON *facts_to_json(const struct facts *facts);

#endif
