/* Removes a file.
 * expect: violation|failed forbidden|refused */
#define FINISH REFUSED(unlink("/tmp/sonde-hostile-victim"));
#include "../hostile.h"
