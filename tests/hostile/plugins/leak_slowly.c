/* Loses a megabyte with each region: the worker is replaced before it matters.
 * expect: ok
 * check: cost.leak */
#define FINISH char *volatile lost = malloc(1 << 20); if (lost) memset(lost, 1, 1 << 20);
#include "../hostile.h"
