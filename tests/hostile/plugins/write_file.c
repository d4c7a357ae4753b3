/* Writes a file.
 * expect: violation|failed forbidden|refused
 * check: run.sandbox */
#define FINISH REFUSED(open("/tmp/sonde-hostile-was-here", O_WRONLY | O_CREAT, 0600));
#include "../hostile.h"
