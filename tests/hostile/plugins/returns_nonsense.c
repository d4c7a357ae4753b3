/* Returns a number that means nothing.
 * expect: failed */
#define FINISH return 12345;
#include "../hostile.h"
