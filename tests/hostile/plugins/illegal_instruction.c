/* Runs into a trap instruction.
 * expect: crashed SIGILL|SIGTRAP
 * check: run.crash */
#define PROCESS __builtin_trap();
#include "../hostile.h"
