/* Dies in create.
 * expect: refused create
 * check: load.create */
#define CREATE *hostile_null = 1;
#include "../hostile.h"
