/* Reading an audio file through its descriptor: buffered, from any place, with an end to it.
 *
 * The decoding libraries are shown the file through this and nothing else. It never maps the file (a file that shrinks
 * while it is mapped kills its reader), never reads beyond the size the file had when it was opened, and stops a library
 * that reads in circles: all calls together may cost 16 times the file's size and 64 MiB more.
 * One thread at a time. */
#ifndef SONDE_DECODE_INPUT_H
#define SONDE_DECODE_INPUT_H

#include "engine/base/error.h"
#include "engine/base/hash.h"

#include <stddef.h>
#include <stdint.h>

struct input {
    int fd;                /* not owned */
    int64_t size;          /* bytes */
    int64_t position;      /* of the next input_read */
    unsigned char *buffer; /* INPUT_BUFFER bytes, owned */
    int64_t buffer_start;  /* place in the file of buffer[0] */
    size_t buffered;       /* valid bytes in buffer */
    int64_t budget;        /* what may still be spent, bytes */
    int error_code;        /* errno of the first read that failed, 0 */
};

/* A small file stays in the buffer from its hashing to its decoding. */
#define INPUT_BUFFER (256 * 1024)

/* Prepares to read the regular file `fd` of `size` bytes, which must stay open. False: out of memory. (The size comes
 * from whoever opened it: a locked-down worker may not ask.) */
bool input_open(struct input *input, int fd, int64_t size, struct error *error);
/* For another round of reading: the budget is full again. */
void input_renew(struct input *input);

void input_close(struct input *input); /* frees the buffer; a zeroed struct is fine */

/* Reads up to `n` bytes at `position` and moves on. Fewer at the end of the file, when reading fails (error_code), or
 * when the budget is spent. */
size_t input_read(struct input *input, void *to, size_t n);

/* The same at `offset`; the position stays. */
size_t input_read_at(struct input *input, int64_t offset, void *to, size_t n);

/* As lseek; places outside the file are moved to its nearest end. Returns the new position. */
int64_t input_seek(struct input *input, int64_t offset, int whence);

/* XXH3-128 of all bytes. Fails when they cannot be read, or when the file has shrunk meanwhile. */
bool input_hash(struct input *input, char out[HASH_TEXT], struct error *error);

/* Whether a library was stopped because it read too much. */
bool input_is_spent(const struct input *input);

#endif
