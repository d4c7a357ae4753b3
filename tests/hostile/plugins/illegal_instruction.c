/* Runs into a trap instruction.
 * expect: crashed SIGILL|SIGTRAP */
#define PROCESS __builtin_trap();
#include "../hostile.h"
