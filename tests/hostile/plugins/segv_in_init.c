/* Dies in init.
 * expect: refused init
 * check: load.library */
#define INIT *hostile_null = 1;
#include "../hostile.h"
