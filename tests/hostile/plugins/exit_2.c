/* Leaves with a code.
 * expect: crashed exit */
#define PROCESS exit(2);
#include "../hostile.h"
