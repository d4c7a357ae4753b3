/* Kills its own process, as nobody else would.
 * expect: crashed|violation SIGTERM|forbidden */
#define PROCESS raise(SIGTERM);
#include "../hostile.h"
