/* Makes a file in memory, which no limit counts.
 * expect: violation|failed forbidden|refused
 * check: run.sandbox */
#define FINISH REFUSED(syscall(SYS_memfd_create, "x", 0));
#include "../hostile.h"
