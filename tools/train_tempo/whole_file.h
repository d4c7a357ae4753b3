/* SPDX-License-Identifier: MIT
 *
 * A file in memory, for measure and hear. */
#ifndef SONDE_TOOLS_TRAIN_TEMPO_WHOLE_FILE_H
#define SONDE_TOOLS_TRAIN_TEMPO_WHOLE_FILE_H

#include <stddef.h>

/* All bytes of the file at `path`, `*size` of them; the caller's to free. NULL, and a size of 0: it can't be read. */
void *whole_file(const char *path, size_t *size);

#endif
