/* Takes memory that no limit counts.
 * expect: violation|failed forbidden|refused
 * check: run.sandbox */
#define FINISH REFUSED(mmap(NULL, 1 << 30, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
#include "../hostile.h"
