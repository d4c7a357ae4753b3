/* Puts itself before others.
 * expect: violation|failed forbidden|refused */
#define FINISH REFUSED(setpriority(PRIO_PROCESS, 0, -20));
#include "../hostile.h"
