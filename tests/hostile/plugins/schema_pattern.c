/* Its schema holds a regular expression that takes for ever.
 * expect: refused schema
 * check: load.descriptor */
#define SCHEMA "{\"type\":\"string\",\"pattern\":\"(a+)+$\"}"
#include "../hostile.h"
