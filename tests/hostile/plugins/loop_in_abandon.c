/* Fails, then never comes back from abandon.
 * expect: failed|timeout
 * check: run.time */
#define PROCESS return SONDE_FAILED;
#define ABANDON for (volatile int forever = 1; forever;) {}
#include "../hostile.h"
