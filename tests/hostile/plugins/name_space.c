/* Leaves its name spaces.
 * expect: violation|failed forbidden|refused
 * check: run.sandbox */
#define FINISH REFUSED(syscall(SYS_unshare, 0x10000000));
#include "../hostile.h"
