/* The seam to the system's loader: dlfcn in library_file.c, LoadLibrary in library_file_windows.c, one of them in a build. The one
 * place where foreign code enters the process; everything else about a plugin library is in library.h. One thread. */
#ifndef SONDE_HOST_LIBRARY_FILE_H
#define SONDE_HOST_LIBRARY_FILE_H

#include <stddef.h>

/* Loads the library file `path` (UTF-8 on Windows; absolute, or at least with a folder in it, so that no search takes place) and
 * runs its constructors. All symbols that it needs are looked up now, so that a missing one shows here and not in the middle of a
 * region, and its own are hidden from other libraries. NULL on failure: then `why` (of `room` bytes) says why, in the system's
 * words. */
void *library_file_open(const char *path, char *why, size_t room);

/* What the library exports by that name, or NULL. Valid until it is closed. */
const void *library_file_symbol(void *file, const char *name);

/* Runs its destructors and unloads it. */
void library_file_close(void *file);

#endif
