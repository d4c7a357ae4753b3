/* Creates nothing, and says that all is well.
 * expect: refused|failed
 * check: load.create */
#define CREATE *plugin = NULL; return SONDE_OK;
#include "../hostile.h"
