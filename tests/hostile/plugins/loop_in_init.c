/* Never comes back from init.
 * expect: refused
 * check: load.library */
#define INIT for (volatile int forever = 1; forever;) {}
#include "../hostile.h"
