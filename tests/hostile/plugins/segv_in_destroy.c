/* Dies in destroy, when all its results are in.
 * expect: ok
 * check: end.destroy */
#define DESTROY *hostile_null = 1;
#include "../hostile.h"
