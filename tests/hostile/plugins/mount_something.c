/* Mounts.
 * expect: violation|failed forbidden|refused */
#define FINISH REFUSED(syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, NULL));
#include "../hostile.h"
