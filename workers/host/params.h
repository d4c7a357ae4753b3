/* The effective values of a plugin's parameters: the declared defaults, with what the user set in their place. Any thread. */
#ifndef SONDE_HOST_PARAMS_H
#define SONDE_HOST_PARAMS_H

#include "engine/base/error.h"
#include "sonde/plugin.h"

#include <cjson/cJSON.h>

struct params {
    sonde_param_value_t *values; /* in the descriptor's order; texts are owned */
    uint32_t count;
};

/* `settings`: an object {parameter id: value}, or NULL. Booleans may be true/false or 1/0, and every value may come as text
 * too ("0.5", "yes"), as from a command line. False with a sentence for an unknown parameter, or a value of the wrong kind or
 * outside its range; nothing is left to free then. */
bool params_make(const sonde_descriptor_t *descriptor, const cJSON *settings, struct params *params,
                 struct error *error);
void params_free(struct params *params);

/* {parameter id: value}; NULL: out of memory. Caller frees. */
cJSON *params_to_json(const sonde_descriptor_t *descriptor, const struct params *params);

#endif
