/* Never comes back from destroy; nobody waits for it.
 * expect: ok
 * check: end.destroy */
#define DESTROY for (volatile int forever = 1; forever;) {}
#include "../hostile.h"
