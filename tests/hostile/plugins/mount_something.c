/* Mounts.
 * expect: violation|failed forbidden|refused
 * check: run.sandbox */
#define FINISH REFUSED(syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, NULL));
#include "../hostile.h"
