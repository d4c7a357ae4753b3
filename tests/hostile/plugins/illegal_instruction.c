/* Runs into a trap instruction.
 * expect: crashed SIGILL|crashed SIGTRAP */
#define PROCESS __builtin_trap();
#include "../hostile.h"
