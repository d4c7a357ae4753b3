/* Leaves as if all were well.
 * expect: crashed exit
 * check: run.crash */
#define PROCESS _exit(0);
#include "../hostile.h"
