/* Writes through a null pointer in finish.
 * expect: crashed SIGSEGV.*finish
 * check: run.crash */
#define FINISH *hostile_null = 1;
#include "../hostile.h"
