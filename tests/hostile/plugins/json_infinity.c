/* Writes infinity.
 * expect: failed
 * check: result.writing */
#define FINISH out->number(out, "x", INFINITY);
#include "../hostile.h"
