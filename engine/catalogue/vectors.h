/* Short vectors in pages (table vector_pages), to look through hundreds of thousands of them quickly.
 *
 * A page holds those of 256 neighbouring ids (of audio or of regions) of one model. A vector v of length 1 is kept as int8
 * values d with a scale s and the error e = |v - s d|, so that for every q of length 1
 *
 *     |q v - s (q d)| <= |q| |v - s d| = e      (Cauchy and Schwarz)
 *
 * and what the short form leaves open is known: a search by it can be exact (similar_nearest).
 *
 * A page may still hold vectors of ids that are gone: whoever finds one looks it up. The connection's thread. */
#ifndef SONDE_CATALOGUE_VECTORS_H
#define SONDE_CATALOGUE_VECTORS_H

#include "engine/catalogue/catalogue.h"

#include <stddef.h>
#include <stdint.h>

enum vectors_kind { VECTORS_AUDIO, VECTORS_REGION };

/* Stores the short form of a vector of length 1, in a transaction. */
bool vectors_put(struct catalogue *catalogue, enum vectors_kind kind, int64_t id, const char *model,
                 const float *vector, size_t dimensions, struct error *error);

/* Counts the vectors whose short form isn't in its page (or is another's): a search would miss them. Reads only. */
bool vectors_check(struct catalogue *catalogue, enum vectors_kind kind, int64_t *wrong, struct error *error);

/* What a vector can be at most: `upper` >= its product with the vector sought. */
struct vectors_bound {
    float upper;
    int64_t id;
};

/* The bounds of all vectors of the model with these dimensions, in no order; *bounds (caller frees) may be NULL when there are
 * none. */
bool vectors_bounds(struct catalogue *catalogue, enum vectors_kind kind, const char *model, const float *vector,
                    size_t dimensions, struct vectors_bound **bounds, size_t *n, struct error *error);

/* Gives the connection the functions that migrations use:
 *   sonde_vector(embedding)    the embedding's JSON as a BLOB of float32 of length 1; NULL when it is none
 *   sonde_page(slot, vector)   an aggregate: such BLOBs as the data of a page */
bool vectors_register(sqlite3 *db, struct error *error);

#endif
