/* A weights file: named tensors behind a header that says what they are for. Immutable once opened; any thread.
 *
 * Layout, little-endian, everything aligned to 64 bytes from the start of the file:
 *
 *     header  128 bytes  magic "SONDEWTS", format, architecture, kind[16], model[32], version, tensors, size, hash,
 * parent table    64 bytes a tensor: name[32], dtype, dims[3], offset, bytes data
 *
 * `size` is that of the file. `hash` is XXH64 (seed 0) of all that follows the header. `parent` is, for a head, the
 * hash of the network whose embeddings it was trained on, and 0 for the network itself. */
#ifndef SONDE_FEATURES_WEIGHTS_H
#define SONDE_FEATURES_WEIGHTS_H

#include <stddef.h>
#include <stdint.h>

#define WEIGHTS_FORMAT 1u
#define WEIGHTS_F32    0u
#define WEIGHTS_U8     1u

struct weights_header {
    char magic[8];
    uint32_t format, architecture;
    char kind[16];  /* "network", "timeline", "classifier" */
    char model[32]; /* for people and for the result: "sonde-embedding" */
    uint32_t version, tensors;
    uint64_t size, hash, parent;
    uint8_t reserved[32];
};

struct weights_entry {
    char name[32];
    uint32_t dtype, dims[3]; /* unused dimensions are 1 */
    uint64_t offset, bytes;
};

struct weights {
    const uint8_t *data; /* not owned */
    uint64_t size;
    const struct weights_header *header;
    const struct weights_entry *entries;
};

/* Checks magic, format, kind, architecture, size, hash and every table entry. `data` must be 8-byte aligned and outlive
 * `weights`. Returns 0, or -1 with a sentence in `error` (at most n bytes). */
int weights_open(struct weights *weights, const void *data, uint64_t size, const char *kind, uint32_t architecture,
                 char *error, size_t n);

/* The float tensor `name` of exactly these dimensions; NULL with a sentence if it is missing, of another shape, or
 * holds values that are not finite. */
const float *weights_floats(const struct weights *weights, const char *name, uint32_t d0, uint32_t d1, uint32_t d2,
                            char *error, size_t n);

/* The text tensor `name`, not zero-terminated, its length in *length; NULL with a sentence. */
const char *weights_text(const struct weights *weights, const char *name, uint64_t *length, char *error, size_t n);

/* The first dimension of a tensor, 0 if there is none of that name. */
uint32_t weights_rows(const struct weights *weights, const char *name);

#endif
