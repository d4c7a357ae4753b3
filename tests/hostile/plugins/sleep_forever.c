/* Sleeps.
 * expect: timeout process */
#define PROCESS for (;;) nanosleep(&(struct timespec){100, 0}, NULL);
#include "../hostile.h"
