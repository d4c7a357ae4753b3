/* A trap of the processor.
 * expect: crashed SIGFPE|SIGILL
 * check: run.crash */
#define PROCESS raise(SIGFPE);
#include "../hostile.h"
