/* Leaves as if all were well.
 * expect: crashed exit */
#define PROCESS _exit(0);
#include "../hostile.h"
