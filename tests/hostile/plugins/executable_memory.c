/* Makes memory executable.
 * expect: violation|failed forbidden|refused
 * check: run.sandbox */
#define FINISH REFUSED(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
#include "../hostile.h"
