/* Takes memory until there is none, and says so.
 * expect: memory
 * check: run.memory */
#define PROCESS for (;;) { char *volatile p = malloc(1 << 20); if (!p) return SONDE_NO_MEMORY; memset(p, 1, 1 << 20); }
#include "../hostile.h"
