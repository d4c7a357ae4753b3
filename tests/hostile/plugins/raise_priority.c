/* Puts itself before others.
 * expect: violation|failed forbidden|refused
 * check: run.sandbox */
#define FINISH REFUSED(setpriority(PRIO_PROCESS, 0, -20));
#include "../hostile.h"
