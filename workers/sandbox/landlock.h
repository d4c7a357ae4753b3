/* Landlock by its system calls: which files a worker can reach by name. Debian 12's headers stop at ABI 2 and there is
 * no library for it there, so the later bits are written down here. */
#ifndef SONDE_SANDBOX_LANDLOCK_H
#define SONDE_SANDBOX_LANDLOCK_H

#include "engine/base/error.h"

#include <stddef.h>

/* The kernel's ABI version, at most `max` (0: no cap), at most what sonde knows of; 0: no Landlock here. */
int landlock_abi(int max);

/* From here on this process and what it starts can read below (or exactly) `paths`, write nothing, execute nothing,
 * and, as far as the ABI goes, open no TCP connection, and signal or reach by abstract socket nobody outside. A path
 * that isn't there is passed over. The process must have one thread: others would stay free. Sets no_new_privs. */
bool landlock_enter(int abi, const char *const *paths, size_t count, struct error *error);

#endif
