/* Its schema is not JSON.
 * expect: refused schema */
#define SCHEMA "{\"type\": "
#include "../hostile.h"
