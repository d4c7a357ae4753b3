/* Attaches to its parent as a debugger.
 * expect: violation|failed forbidden|refused
 * check: run.sandbox */
#define FINISH REFUSED(syscall(SYS_ptrace, 16, getppid(), 0, 0));
#include "../hostile.h"
