/* Leaves with a code.
 * expect: crashed exit
 * check: run.crash */
#define PROCESS exit(2);
#include "../hostile.h"
