/* Kills all that it may.
 * expect: violation|failed forbidden|refused */
#define FINISH REFUSED(kill(-1, SIGKILL));
#include "../hostile.h"
