/* Its schema is longer than any schema should be.
 * expect: refused schema
 * check: load.descriptor */
#define Q(x) x x x x x x x x x x x x x x x x
#define SCHEMA "{\"type\":\"object\",\"description\":\"" Q(Q(Q(Q("0123456789")))) "\"}"
#pragma GCC diagnostic ignored "-Woverlength-strings"
#include "../hostile.h"
