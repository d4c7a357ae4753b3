/* Writes through a null pointer in begin.
 * expect: crashed SIGSEGV.*begin
 * check: run.crash */
#define BEGIN *hostile_null = 1;
#include "../hostile.h"
