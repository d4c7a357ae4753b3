/* Becomes another program.
 * expect: violation|failed forbidden|refused
 * check: run.sandbox */
#define FINISH char *const argv[] = {"true", NULL}; REFUSED(execve("/bin/true", argv, NULL));
#include "../hostile.h"
