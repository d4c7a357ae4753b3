/* Handles page faults.
 * expect: violation|failed forbidden|refused
 * check: run.sandbox */
#define FINISH REFUSED(syscall(SYS_userfaultfd, 0));
#include "../hostile.h"
