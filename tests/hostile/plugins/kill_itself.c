/* Kills its own process, as nobody else would.
 * expect: crashed SIGKILL|crashed SIGTERM|violation */
#define PROCESS raise(SIGTERM);
#include "../hostile.h"
