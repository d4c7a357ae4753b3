/* Sounds that are alike: neighbours by the cosine of their embeddings: the value "embedding" of the features plugin's results,
 * {model, version, hash, catalogue: [unit vector]}. Only embeddings of one model, version and hash are compared.
 *
 * The tables audio_vectors and region_vectors hold each vector in int8, for a quick look at all of them; what comes out
 * best is then sorted by the exact vectors, from the results. One thread. */
#ifndef SONDE_CATALOGUE_SIMILAR_H
#define SONDE_CATALOGUE_SIMILAR_H

#include "engine/catalogue/catalogue.h"

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

/* Stores the short form of a region's embedding, made by `plugin`; `audio` is not 0: as that of the whole audio. Or removes it
 * when the embedding is none. In a transaction. */
bool similar_store(struct catalogue *catalogue, int64_t audio, int64_t region, const char *plugin,
                   const cJSON *embedding, struct error *error);

/* The exact vector of an audio (region 0) or of a region. False with a sentence when it has none. */
bool similar_load(struct catalogue *catalogue, int64_t audio, int64_t region, struct similar *similar,
                  struct error *error);

/* Gives the connection two functions that compare with this vector (it is copied):
 *   sonde_near(scale, data)   from the short form, to about 0.01
 *   sonde_cosine(result)      exact, from a result's JSON; -1 to 1, NULL when there is none */
bool similar_register(struct catalogue *catalogue, const struct similar *similar, struct error *error);

#endif
