/* Kills its own process, as nobody else would.
 * expect: crashed|violation SIGTERM|forbidden
 * check: run.crash|run.sandbox */
#define PROCESS raise(SIGTERM);
#include "../hostile.h"
