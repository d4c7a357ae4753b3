/* Dies while it is being loaded.
 * expect: refused load
 * check: load.library */

static void early(void) __attribute__((constructor));
static void early(void) {
    *(volatile int *)16 = 1;
}
#include "../hostile.h"
