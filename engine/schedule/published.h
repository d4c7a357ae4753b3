/* The interfaces that come with sonde, and what their results look like: schema/results, as it was when sonde was built. Any
 * thread. */
#ifndef SONDE_SCHEDULE_PUBLISHED_H
#define SONDE_SCHEDULE_PUBLISHED_H

#include "engine/base/error.h"

#include <cjson/cJSON.h>
#include <stdbool.h>

/* The interface whose results make a summary value of this name, if the plugin of this descriptor (protocol) doesn't provide it:
 * where sonde's own plugin says nothing, a stranger's number would be the tempo, say. NULL: the name is free for it. */
const char *published_other_owner(const cJSON *descriptor, const char *name);

/* Whether the result is what the interface promises, and maybe more. False with the reason. True, too, for an interface that
 * isn't sonde's. */
bool published_check(const char *interface, int major, const cJSON *result, struct error *error);

#endif
