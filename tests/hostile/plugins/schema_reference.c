/* Its schema refers to itself.
 * expect: refused schema
 * check: load.descriptor */
#define SCHEMA "{\"type\":\"object\",\"$ref\":\"#\"}"
#include "../hostile.h"
