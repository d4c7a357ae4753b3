/* Removes a file.
 * expect: violation|failed refused */
#define FINISH REFUSED(unlink("/tmp/sonde-hostile-victim"));
#include "../hostile.h"
