/* Dies in a destructor of the library.
 * expect: ok
 * check: end.destroy */

static void late(void) __attribute__((destructor));
static void late(void) {
    *(volatile int *)16 = 1;
}
#include "../hostile.h"
