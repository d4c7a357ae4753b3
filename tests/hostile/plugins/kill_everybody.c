/* Kills all that it may.
 * expect: violation|failed forbidden|refused
 * check: run.sandbox */
#define FINISH REFUSED(kill(-1, SIGKILL));
#include "../hostile.h"
