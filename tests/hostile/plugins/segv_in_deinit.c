/* Dies in deinit.
 * expect: ok
 * check: end.destroy */
#define DEINIT *hostile_null = 1;
#include "../hostile.h"
