/* Aborts.
 * expect: crashed SIGABRT */
#define PROCESS abort();
#include "../hostile.h"
