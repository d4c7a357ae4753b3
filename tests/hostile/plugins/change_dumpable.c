/* Clears the signal that ends it with its parent.
 * expect: violation|failed|ok
 * check: run.sandbox */
#define FINISH REFUSED(syscall(SYS_prctl, 1, 0, 0, 0, 0));
#include "../hostile.h"
