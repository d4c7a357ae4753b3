/* Never comes back from process.
 * expect: timeout process
 * check: run.time */
#define PROCESS for (volatile int forever = 1; forever;) {}
#include "../hostile.h"
