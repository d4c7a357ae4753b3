/* Its schema is not JSON.
 * expect: refused schema
 * check: load.descriptor */
#define SCHEMA "{\"type\": "
#include "../hostile.h"
