/* Writes what is no number.
 * expect: failed */
#define FINISH out->number(out, "x", NAN);
#include "../hostile.h"
