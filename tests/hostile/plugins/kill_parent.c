/* Kills the engine.
 * expect: violation|failed forbidden|refused
 * check: run.sandbox */
#define FINISH REFUSED(kill(getppid(), SIGKILL));
#include "../hostile.h"
