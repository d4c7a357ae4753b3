/* Uses the kernel's key ring.
 * expect: violation|failed forbidden|refused */
#define FINISH REFUSED(syscall(SYS_keyctl, 0, -3, 1));
#include "../hostile.h"
