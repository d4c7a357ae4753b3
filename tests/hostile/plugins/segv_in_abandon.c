/* Fails in process, then dies in abandon.
 * expect: failed|crashed
 * check: run.crash */
#define PROCESS return SONDE_FAILED;
#define ABANDON *hostile_null = 1;
#include "../hostile.h"
