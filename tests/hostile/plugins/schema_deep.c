/* Its schema is nested without end.
 * expect: refused schema
 * check: load.descriptor */
#define Q(x) x x x x x x x x x x x x x x x x
#define SCHEMA Q(Q("{\"items\":")) "{}" Q(Q("}"))
#include "../hostile.h"
