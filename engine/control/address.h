/* Where a running engine is reached: a Unix socket beside its catalogue, PATH.control (mode 0600). Whoever holds the
 * catalogue's lock may listen there, and takes away what an engine that was killed has left. Any thread. */
#ifndef SONDE_CONTROL_ADDRESS_H
#define SONDE_CONTROL_ADDRESS_H

#include "engine/base/error.h"

/* A listening descriptor, not blocking; -1 with a sentence. For the holder of the catalogue's lock. */
int address_listen(const char *catalogue, struct error *error);

/* Takes the socket away. */
void address_remove(const char *catalogue);

/* A connected descriptor, blocking; -1 with a sentence when nobody listens, or somebody who is neither the caller's user, nor
 * the owner of the catalogue, nor root. */
int address_connect(const char *catalogue, struct error *error);

/* Whether the other end of a connection is this process's user, or root. */
bool address_is_ours(int fd);

#endif
