/* Dies in init.
 * expect: refused init */
#define INIT *hostile_null = 1;
#include "../hostile.h"
