/* Uses the kernel's key ring.
 * expect: violation|failed forbidden|refused
 * check: run.sandbox */
#define FINISH REFUSED(syscall(SYS_keyctl, 0, -3, 1));
#include "../hostile.h"
