/* Its schema refers to itself.
 * expect: refused schema */
#define SCHEMA "{\"type\":\"object\",\"$ref\":\"#\"}"
#include "../hostile.h"
