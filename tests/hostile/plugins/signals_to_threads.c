/* Signals a thread of another process.
 * expect: violation|failed|ok
 * check: run.sandbox */
#define FINISH REFUSED(syscall(SYS_tgkill, getppid(), getppid(), SIGKILL));
#include "../hostile.h"
