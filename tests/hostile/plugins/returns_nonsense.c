/* Returns a number that means nothing.
 * expect: failed
 * check: run.codes */
#define FINISH return 12345;
#include "../hostile.h"
