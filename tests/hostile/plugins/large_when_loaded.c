/* Holds more memory than it may have as soon as it is loaded, which RLIMIT_DATA doesn't see.
 * expect: refused memory
 * check: load.library memory */
static char memory[400 << 20] __attribute__((used));
#include "../hostile.h"
