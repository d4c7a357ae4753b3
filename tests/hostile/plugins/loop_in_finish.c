/* Never comes back from finish.
 * expect: timeout finish */
#define FINISH for (volatile int forever = 1; forever;) {}
#include "../hostile.h"
