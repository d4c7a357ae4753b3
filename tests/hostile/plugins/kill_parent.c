/* Kills the engine.
 * expect: violation|failed refused */
#define FINISH REFUSED(kill(getppid(), SIGKILL));
#include "../hostile.h"
