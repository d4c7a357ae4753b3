/* Aborts.
 * expect: crashed SIGABRT
 * check: run.crash */
#define PROCESS abort();
#include "../hostile.h"
