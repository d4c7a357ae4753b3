/* Loads a kernel program.
 * expect: violation|failed forbidden|refused
 * check: run.sandbox */
#define FINISH static char attributes[100]; REFUSED(syscall(SYS_bpf, 5, attributes, 100));
#include "../hostile.h"
