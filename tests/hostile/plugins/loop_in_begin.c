/* Never comes back from begin.
 * expect: timeout begin */
#define BEGIN for (volatile int forever = 1; forever;) {}
#include "../hostile.h"
