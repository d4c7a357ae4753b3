/* Writes infinity.
 * expect: failed */
#define FINISH out->number(out, "x", INFINITY);
#include "../hostile.h"
