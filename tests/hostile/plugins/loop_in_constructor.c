/* Never comes back from being loaded.
 * expect: refused
 * check: load.library */

static void early(void) __attribute__((constructor));
static void early(void) {
    for (volatile int forever = 1; forever;) {}
}
#include "../hostile.h"
