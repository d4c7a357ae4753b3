/* Leaves with the code that means "do not respawn", which is not its to give.
 * expect: crashed exit
 * check: run.crash */
#define PROCESS _exit(64);
#include "../hostile.h"
