/* Replaces the handler that reports forbidden calls, then makes one.
 * expect: violation|failed forbidden|refused
 * check: run.sandbox */
#define FINISH signal(SIGSYS, SIG_IGN); REFUSED(socket(AF_INET, SOCK_STREAM, 0));
#include "../hostile.h"
