/* Writes through a null pointer in begin.
 * expect: crashed SIGSEGV.*begin */
#define BEGIN *hostile_null = 1;
#include "../hostile.h"
