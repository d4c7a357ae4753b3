/* Reading and writing that goes on until all is done: over interruptions, and where the system does less than it was asked. Any
 * thread; blocks as the descriptor does. */
#ifndef SONDE_BASE_WHOLE_H
#define SONDE_BASE_WHOLE_H

#include <stdbool.h>
#include <stddef.h>

/* Reads `n` bytes, or as many as there are before the file's end: *got. False: errno says why, *got bytes came before. */
bool whole_read(int fd, void *to, size_t n, size_t *got);

/* Writes all `n` bytes. False: errno says why, and some may be written. */
bool whole_write(int fd, const void *from, size_t n);

#endif
