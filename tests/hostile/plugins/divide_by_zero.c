/* A trap of the processor.
 * expect: crashed SIGFPE|SIGILL */
#define PROCESS raise(SIGFPE);
#include "../hostile.h"
