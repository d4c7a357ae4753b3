/* Dies in deinit.
 * expect: ok */
#define DEINIT *hostile_null = 1;
#include "../hostile.h"
