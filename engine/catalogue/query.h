/* Questions to the catalogue: the sounds (files or regions) with these properties. Reads only.
 *
 *     struct query query;
 *     query_init(&query);
 *     query.bpm = (struct query_range){118, 122};
 *     struct query_result *result = query_open(catalogue, &query, &error);
 *     while (query_next(result, &row, &more, &error) && more) ...
 *     query_close(result);
 *
 * One thread. */
#ifndef SONDE_CATALOGUE_QUERY_H
#define SONDE_CATALOGUE_QUERY_H

#include "engine/catalogue/catalogue.h"
#include "engine/catalogue/similar.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUERY_WORDS 16

/* Inclusive; NaN: open at this end. */
struct query_range {
    double low, high;
};

#define QUERY_NAME         64 /* bytes of a value's name, with its zero, at most */
#define QUERY_NAME_LETTERS "abcdefghijklmnopqrstuvwxyz0123456789_"

/* A value of the summary that a plugin has made, by its name ("crest"): within the range, where that isn't open; or this text. Of
 * a list any entry. With neither, it must be there. */
struct query_measure {
    const char *name; /* of QUERY_NAME_LETTERS */
    struct query_range range;
    const char *text; /* in any case; NULL: the range counts */
};

enum query_sort {
    QUERY_BY_PATH,
    QUERY_BY_NAME,
    QUERY_BY_BPM,
    QUERY_BY_KEY,
    QUERY_BY_LABEL,
    QUERY_BY_DURATION,
    QUERY_BY_LOUDNESS,
    QUERY_BY_ADDED,
    QUERY_BY_MODIFIED,
    QUERY_BY_CONFIDENCE, /* of the tempo */
    QUERY_BY_MEASURE,    /* the value of the first of `measures`: there must be one */
    QUERY_BY_SIMILARITY, /* to similar_to, the most alike first; the only order when that is set */
    QUERY_BY_SOUND,      /* files of one sound beside each other */
};

/* All conditions must hold; what is left at its initial value sets none. Pointers must stay valid until query_open
 * returns. */
struct query {
    struct query_range bpm;          /* beats a minute */
    bool octaves;                    /* half and double of them too */
    uint32_t keys;                   /* bits of keys.h: any of them; 0: all */
    const char *labels[QUERY_WORDS]; /* any of these words that plugins gave: automatic tags */
    size_t labels_count;
    const char *tags[QUERY_WORDS]; /* all of these tags, whoever gave them */
    size_t tags_count;
    struct query_measure measures[QUERY_WORDS]; /* all of them. No index knows them: each summary is read */
    size_t measures_count;
    const char *text;                 /* words, each the beginning of one in path, tags, labels or metadata; or none */
    const char *under;                /* paths (as text) that begin so */
    struct query_range duration;      /* s */
    struct query_range loudness;      /* LUFS */
    struct query_range modified;      /* s since 1970 */
    struct query_range added;         /* s since 1970: when first seen */
    bool missing;                     /* files that are gone, too */
    bool duplicates;                  /* only sounds that more than one file has */
    bool regions;                     /* a row for each region, not for each file */
    const struct similar *similar_to; /* only sounds that can be compared with this one, most alike first */
    int64_t similar_audio;            /* leave this one out (files) ... */
    int64_t similar_region;           /* ... or this one (regions) ... */
    int64_t similar_file;             /* ... of this file alone, so that its copies are found; 0: of all */
    enum query_sort sort;
    bool descending;
    int64_t limit; /* rows; -1: all */
    /* In the order of paths (and without similar_to), rows come as they are found, in memory that doesn't grow with their
     * number; the whole list takes longer to search where few rows match. */
    bool streaming;
    bool with_summary; /* rows have their summary: it is long, and costs as much to read as all the rest */
};

/* One sound. Texts are valid until the next call; NULL: unknown. NaN: unknown. */
struct query_row {
    int64_t file, audio, region; /* ids; region 0 for a file */
    const char *path;            /* bytes, `path_length` of them */
    size_t path_length;
    const char *display; /* the path as text */
    int64_t size;        /* bytes, of the file */
    const char *status;
    int64_t position;  /* of the region in its file, from 0; -1 for a file */
    int64_t regions;   /* of the file */
    double start, end; /* s; of the region, or 0 and duration */
    double duration;   /* s */
    double bpm, bpm_confidence;
    const char *key;
    double key_confidence;
    const char *label;
    double label_confidence;
    const char *content;
    double loudness;     /* LUFS */
    double similarity;   /* -1 to 1, to similar_to */
    const char *tags;    /* those of users, comma between them */
    const char *measure; /* the value of the first of `measures`: as JSON, but for texts */
    const char *summary; /* JSON object of all values; NULL without with_summary */
};

void query_init(struct query *query);

struct query_result;
struct query_result *query_open(struct catalogue *catalogue, const struct query *query, struct error *error);

/* The next row; *more is false past the last. False on failure. */
bool query_next(struct query_result *result, struct query_row *row, bool *more, struct error *error);
void query_close(struct query_result *result); /* NULL is fine */

/* The name of a sort order ("path", "bpm" ...) and back (-1: none that is chosen by its name). */
const char *query_sort_name(enum query_sort sort);
int query_sort_parse(const char *name);

#endif
