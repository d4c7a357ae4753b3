/* Sleeps.
 * expect: timeout process
 * check: run.time */
#define PROCESS for (;;) nanosleep(&(struct timespec){100, 0}, NULL);
#include "../hostile.h"
