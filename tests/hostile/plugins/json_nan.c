/* Writes what is no number.
 * expect: failed
 * check: result.writing */
#define FINISH out->number(out, "x", NAN);
#include "../hostile.h"
