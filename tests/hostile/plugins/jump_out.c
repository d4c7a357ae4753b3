/* Jumps into a frame that is gone.
 * expect: crashed|timeout
 * check: run.crash|run.time */
#include <setjmp.h>
static jmp_buf there;
#define BEGIN (void)setjmp(there);
#define PROCESS longjmp(there, 1);
#include "../hostile.h"
