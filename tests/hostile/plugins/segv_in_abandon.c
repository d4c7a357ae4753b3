/* Fails in process, then dies in abandon.
 * expect: failed|crashed */
#define PROCESS return SONDE_FAILED;
#define ABANDON *hostile_null = 1;
#include "../hostile.h"
