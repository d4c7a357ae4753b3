/* Reads a file of the system.
 * expect: violation|failed forbidden|refused
 * check: run.ordinary refused */
#define FINISH REFUSED(open("/etc/passwd", O_RDONLY));
#include "../hostile.h"
