/* Puts an event after the end of the region.
 * expect: failed
 * check: result.instants */
#define FINISH out->number(out, "at", 1e6);
#include "../hostile.h"
