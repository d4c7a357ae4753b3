/* Never comes back from create.
 * expect: refused */
#define CREATE for (volatile int forever = 1; forever;) {}
#include "../hostile.h"
