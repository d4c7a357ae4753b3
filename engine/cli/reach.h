/* Commands that change something either take the catalogue's lock, or talk to the engine that has it. One thread. */
#ifndef SONDE_CLI_REACH_H
#define SONDE_CLI_REACH_H

#include "engine/catalogue/catalogue.h"
#include "engine/control/client.h"

/* Opens the catalogue for writing (*own), or, when an engine runs, a connection to it (*link): exactly one of them is not NULL.
 * An engine that is starting or ending is waited for, some 20 s, which is told on stderr. False with a sentence; `error` is
 * empty on success. */
bool reach_writer(const char *catalogue, struct catalogue **own, struct control_link **link, struct error *error);

/* A connection to the running engine, or NULL. `*running` says whether somebody holds the lock; when nobody does, `error` is
 * left alone. */
struct control_link *reach_engine(const char *catalogue, bool *running, struct error *error);

/* For whoever takes the lock in another way: call after a failure, with the number of the attempt from 0. True: somebody else
 * has it, and it is worth trying again (or *link is connected). False: it isn't. */
bool reach_again(const char *catalogue, int attempt, struct control_link **link, struct error *error);

#endif
