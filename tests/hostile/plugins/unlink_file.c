/* Removes a file.
 * expect: violation|failed forbidden|refused
 * check: run.sandbox */
#define FINISH REFUSED(unlink("/tmp/sonde-hostile-victim"));
#include "../hostile.h"
