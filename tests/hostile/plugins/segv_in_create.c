/* Dies in create.
 * expect: refused create */
#define CREATE *hostile_null = 1;
#include "../hostile.h"
