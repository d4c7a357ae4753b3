/* Forks without end.
 * expect: violation|failed forbidden|refused */
#define FINISH REFUSED(fork());
#include "../hostile.h"
