/* Writes through a null pointer in process.
 * expect: crashed SIGSEGV.*process
 * check: run.crash */
#define PROCESS *hostile_null = 1;
#include "../hostile.h"
