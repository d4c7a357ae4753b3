/* Raises its limits.
 * expect: violation|failed forbidden|refused
 * check: run.sandbox */
#define FINISH struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY}; REFUSED(setrlimit(RLIMIT_DATA, &limit));
#include "../hostile.h"
