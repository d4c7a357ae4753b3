/* Kills all that it may.
 * expect: violation|failed refused */
#define FINISH REFUSED(kill(-1, SIGKILL));
#include "../hostile.h"
