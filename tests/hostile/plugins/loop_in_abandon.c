/* Fails, then never comes back from abandon.
 * expect: failed|timeout */
#define PROCESS return SONDE_FAILED;
#define ABANDON for (volatile int forever = 1; forever;) {}
#include "../hostile.h"
