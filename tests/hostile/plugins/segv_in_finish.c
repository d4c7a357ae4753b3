/* Writes through a null pointer in finish.
 * expect: crashed SIGSEGV.*finish */
#define FINISH *hostile_null = 1;
#include "../hostile.h"
