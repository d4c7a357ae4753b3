/* Never comes back from init.
 * expect: refused */
#define INIT for (volatile int forever = 1; forever;) {}
#include "../hostile.h"
