/* Dies of audio at 22,050 Hz, and of no other: for the circuit breaker.
 * expect: crashed SIGSEGV.*process
 * check: region.short|region.channels */
#define PROCESS if (block->rate == 22050) *hostile_null = 1;
#include "../hostile.h"
