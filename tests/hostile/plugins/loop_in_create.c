/* Never comes back from create.
 * expect: refused
 * check: load.create */
#define CREATE for (volatile int forever = 1; forever;) {}
#include "../hostile.h"
