/* What a plugin writes in finish: JSON text and arrays, built behind a sonde_writer_t.
 *
 * Escaping, number format, UTF-8, sizes and depth are checked here, in one place. The first error sticks: later calls do
 * nothing. Used by one thread at a time. */
#ifndef SONDE_HOST_WRITER_H
#define SONDE_HOST_WRITER_H

#include "engine/base/error.h"
#include "engine/base/schema.h"
#include "sonde/plugin.h"
#include "workers/host/environment.h"

#include <stddef.h>

#define WRITER_MAX_ARRAY_BYTES (32u << 20) /* all arrays of one result together */
#define WRITER_MAX_KEY         200

/* One array of a result, a copy owned by the writer. `info` is the plugin's declaration. */
struct host_array {
    const sonde_array_info_t *info;
    uint64_t shape[4];
    double hop, start; /* s */
    size_t bytes;
    void *data; /* 64-byte aligned, row-major */
};

struct writer {
    sonde_writer_t api; /* what the plugin sees; its context is this struct */
    const struct environment *environment;
    const sonde_descriptor_t *descriptor;
    char *json; /* zero-terminated */
    size_t length, capacity;
    int depth;
    char open[RESULT_MAX_DEPTH + 1]; /* '{' or '[' of each open level */
    bool comma;                      /* a value came before, at this level */
    bool failed;
    struct error error;        /* of the first failed call */
    char sentence[500];        /* of fail() */
    struct host_array *arrays; /* as many as were written, in that order */
    size_t arrays_count, arrays_bytes;
};

/* Starts a result of a plugin, with the outermost object open. */
void writer_init(struct writer *writer, const sonde_descriptor_t *descriptor, const struct environment *environment);

/* Closes the outermost object. False with a sentence when any call failed, something is still open, or the text isn't one
 * JSON object as json_parse wants it. */
bool writer_finish(struct writer *writer, struct error *error);

/* Frees text and arrays. Whoever took them over (and set them to NULL) keeps them. */
void writer_close(struct writer *writer);

/* Frees `count` arrays and the list. */
void host_arrays_free(struct host_array *arrays, size_t count);

/* Bytes of one value of SONDE_F32 ...; 0 for an unknown dtype. And its name: "f32", "f64", "i32", "u8". */
size_t dtype_size(uint32_t dtype);
const char *dtype_name(uint32_t dtype);

#endif
