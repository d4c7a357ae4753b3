/* Memory that processes share by descriptor: created, sized and sealed by the engine alone. Any thread. */
#ifndef SONDE_IPC_MEMFD_H
#define SONDE_IPC_MEMFD_H

#include "engine/base/error.h"

#include <stddef.h>
#include <stdint.h>

#define OUT_BYTES ((size_t)32 << 20) /* the out area of a worker (schema/protocol.md) */

/* A new memfd of `bytes` (> 0) zeroes, close-on-exec, which can still be shortened and sealed, but never grows: a FILL, or an
 * ARRAY that the engine writes. Returns the descriptor, which the caller closes, or -1. */
int memfd_new(const char *name, uint64_t bytes, struct error *error);

/* The same with its size sealed for good, writable through mappings: the note and the out area. */
int memfd_new_fixed(const char *name, uint64_t bytes, struct error *error);

/* Cuts the memfd to its first `bytes` (not more than it has) and seals it read-only for good. Fails with EBUSY while
 * anyone has a writable mapping: so success proves that the worker who filled it has let go. Waits, most of a second at worst,
 * for whoever else holds on to a page of it. */
bool memfd_seal(int fd, uint64_t bytes, struct error *error);

/* Whether `fd` is a memfd that nobody can change any more; its size goes to `*bytes` (may be NULL). */
bool memfd_is_sealed(int fd, uint64_t *bytes);

/* Maps the first `bytes` shared, read-only or (of a memfd not sealed) writable. NULL on failure, or when the memfd is
 * shorter than that (touching what isn't there would be a SIGBUS). */
void *memfd_map(int fd, size_t bytes, bool writable, struct error *error);
void memfd_unmap(void *memory, size_t bytes); /* NULL is fine */

/* Writes to a memfd, or reads from it, `bytes` at offset `at`, all of them or false with a sentence. A page that is
 * touched in a mapping for the first time is a trap, on a virtual machine two: audio goes through these. */
bool memfd_write(int fd, const void *data, size_t bytes, uint64_t at, struct error *error);
bool memfd_read(int fd, void *data, size_t bytes, uint64_t at, struct error *error);

/* Gives the pages that lie wholly inside [offset, offset + bytes) back to the system; they read as zeroes. Used by the
 * engine on the out area between jobs. */
bool memfd_punch(int fd, uint64_t offset, uint64_t bytes, struct error *error);

#endif
