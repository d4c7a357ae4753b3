/* Leaves with the code that means "the engine has hung up": so it is tried again like one killed from outside, but not for ever.
 * expect: crashed connection
 * check: run.crash */
#define PROCESS _exit(65);
#include "../hostile.h"
