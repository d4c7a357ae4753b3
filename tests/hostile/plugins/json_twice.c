/* Writes one key twice.
 * expect: failed
 * check: result.writing */
#define FINISH out->integer(out, "x", 1); out->integer(out, "x", 2);
#include "../hostile.h"
