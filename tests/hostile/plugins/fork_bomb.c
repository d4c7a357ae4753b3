/* Forks without end.
 * expect: violation|failed forbidden|refused
 * check: run.sandbox */
#define FINISH REFUSED(fork());
#include "../hostile.h"
