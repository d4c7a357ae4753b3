/* Never comes back from finish.
 * expect: timeout finish
 * check: run.time */
#define FINISH for (volatile int forever = 1; forever;) {}
#include "../hostile.h"
