/* Writes what its schema forbids.
 * expect: failed
 * check: result.schema */
#define SCHEMA "{\"type\":\"object\",\"properties\":{\"x\":{\"type\":\"string\"}}}"
#define FINISH out->integer(out, "x", 1);
#include "../hostile.h"
