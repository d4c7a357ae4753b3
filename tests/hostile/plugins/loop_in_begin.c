/* Never comes back from begin.
 * expect: timeout begin
 * check: run.time */
#define BEGIN for (volatile int forever = 1; forever;) {}
#include "../hostile.h"
