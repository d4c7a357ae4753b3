/* The desk: does what clients of the control socket ask of the engine behind it. Loop thread. */
#ifndef SONDE_CONTROL_DESK_H
#define SONDE_CONTROL_DESK_H

#include "engine/schedule/engine.h"

#include <cjson/cJSON.h>

struct desk;

struct desk_owner {
    const char *command; /* "watch" or "analyze" */
    const char *version; /* of the program */
    const char *order;   /* of the queue */
    /* Reads the configuration again, soon; NULL: can't. */
    void (*reload)(void *user);
    /* Adds what it knows to the answer to `status`; NULL: nothing. */
    void (*status)(void *user, cJSON *engine);
    /* A client asked for this (a command's name, for a log); NULL: not told. */
    void (*asked)(void *user, const char *command);
    void *user;
};

/* Listens for the engine's catalogue. NULL with a sentence: the engine runs all the same, but nobody can talk to it. The owner's
 * strings must outlive the desk. */
struct desk *desk_new(struct engine *engine, const char *catalogue, const struct desk_owner *owner,
                      struct error *error);

/* Tells followers why nothing new is begun (engine_events.holding). NULL is fine for both. */
void desk_holding(struct desk *desk, const char *why);

/* Hangs up on everybody. Before engine_free; runs the engine's loop until all is closed. NULL is fine. */
void desk_free(struct desk *desk);

#endif
