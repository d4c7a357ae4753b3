/* Reads a file of the system.
 * expect: violation|failed forbidden|refused */
#define FINISH REFUSED(open("/etc/passwd", O_RDONLY));
#include "../hostile.h"
