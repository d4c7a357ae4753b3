/* A trap of the processor.
 * expect: crashed SIGFPE|crashed SIGILL */
#define PROCESS raise(SIGFPE);
#include "../hostile.h"
