/* Forks without end.
 * expect: violation|failed refused */
#define FINISH REFUSED(fork());
#include "../hostile.h"
