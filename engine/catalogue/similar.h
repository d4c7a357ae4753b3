/* Sounds that are alike: neighbours by the cosine of their embeddings: the value "embedding" of the features plugin's results,
 * {model, version, hash, catalogue: [unit vector]}. Only embeddings of one model, version and hash are compared.
 *
 * The exact vectors are in region_vectors; a look at the short ones (vectors.h) says which of them matter. One thread. */
#ifndef SONDE_CATALOGUE_SIMILAR_H
#define SONDE_CATALOGUE_SIMILAR_H

#include "engine/catalogue/catalogue.h"
#include "engine/catalogue/vectors.h"

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

#define SIMILAR_MAX_DIMENSIONS 1024

struct similar {
    char model[120]; /* name, version and hash */
    size_t dimensions;
    float vector[SIMILAR_MAX_DIMENSIONS]; /* of length 1 */
};

/* Reads an embedding; false when it isn't one (or all zero). NULL is fine. */
bool similar_read(const cJSON *embedding, struct similar *similar);

/* Of two embeddings with the same model and dimensions: -1 to 1. */
double similar_cosine(const struct similar *a, const struct similar *b);

/* Stores a region's embedding, made by `plugin`; `audio` is not 0: also as that of the whole audio. Or removes it when the
 * embedding is none. In a transaction. */
bool similar_store(struct catalogue *catalogue, int64_t audio, int64_t region, const char *plugin,
                   const cJSON *embedding, struct error *error);

/* The vector of an audio (region 0) or of a region. False with a sentence when it has none. */
bool similar_load(struct catalogue *catalogue, int64_t audio, int64_t region, struct similar *similar,
                  struct error *error);

struct similar_found {
    int64_t id;        /* of the audio or region */
    double similarity; /* cosine, -1 to 1 */
};

/* What is sought, and what is found: the most alike first, of equals the smaller id first. */
struct similar_list {
    enum vectors_kind kind;
    size_t most;                 /* at most so many */
    int64_t but;                 /* not this one */
    struct similar_found *items; /* caller frees */
    size_t n;
};

/* Which sounds are to be in the list. */
struct similar_filter {
    /* Asked of all sounds, so it must be quick: false of those that aren't accepted for sure. NULL: it isn't known. */
    bool (*may_be)(const void *context, int64_t id);
    /* Asked of those that are alike. False on failure. */
    bool (*accept)(void *context, int64_t id, bool *accepted, struct error *error);
    void *context;
};

/* The most alike of all sounds with a vector of the same model that are accepted: exactly those that comparing all of them
 * would give. The list's items may be set also after a failure. */
bool similar_nearest(struct catalogue *catalogue, const struct similar *similar, const struct similar_filter *filter,
                     struct similar_list *list, struct error *error);

/* The most alike of these ids. */
bool similar_among(struct catalogue *catalogue, const struct similar *similar, const int64_t *ids, size_t n,
                   struct similar_list *list, struct error *error);

#endif
