/* Recurses until the stack is gone.
 * expect: crashed SIGSEGV
 * check: run.crash */
static int deeper(volatile char *above) __attribute__((noinline));
#define PROCESS return deeper(NULL) & 0;
#include <string.h>
static int deeper(volatile char *above) {
    volatile char here[4096];
    here[0] = above ? above[0] : 1;
    return deeper(here) + here[0];
}
#include "../hostile.h"
