/* Goes around the system calls.
 * expect: violation|failed forbidden|refused
 * check: run.sandbox */
#define FINISH static char params[200]; REFUSED(syscall(SYS_io_uring_setup, 8, params));
#include "../hostile.h"
