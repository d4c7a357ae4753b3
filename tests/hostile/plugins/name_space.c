/* Leaves its name spaces.
 * expect: violation|failed forbidden|refused */
#define FINISH REFUSED(syscall(SYS_unshare, 0x10000000));
#include "../hostile.h"
