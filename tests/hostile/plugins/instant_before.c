/* Puts an event before the start of the region.
 * expect: failed
 * check: result.instants */
#define FINISH out->number(out, "at", -5);
#include "../hostile.h"
