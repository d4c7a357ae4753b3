/* Stops its own process: no deadline of its own can fire.
 * expect: timeout|violation */
#define PROCESS raise(SIGSTOP);
#include "../hostile.h"
