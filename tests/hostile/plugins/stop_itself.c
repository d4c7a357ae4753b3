/* Stops its own process: no deadline of its own can fire.
 * expect: timeout|violation
 * check: run.time|run.sandbox */
#define PROCESS raise(SIGSTOP);
#include "../hostile.h"
