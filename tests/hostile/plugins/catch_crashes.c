/* Catches its own crash, again and again.
 * expect: violation|timeout|crashed
 * check: run.sandbox|run.time|run.crash */
static void nothing(int number);
#define PROCESS signal(SIGSEGV, nothing); *hostile_null = 1;
static void nothing(int number) {
    (void)number;
}
#include "../hostile.h"
