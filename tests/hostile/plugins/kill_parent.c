/* Kills the engine.
 * expect: violation|failed forbidden|refused */
#define FINISH REFUSED(kill(getppid(), SIGKILL));
#include "../hostile.h"
