/* Takes memory until there is none, and writes through the null pointer it gets.
 * expect: memory
 * check: run.memory */
#define PROCESS for (;;) { char *volatile p = malloc(1 << 20); for (size_t i = 0; i < 1 << 20; i += 4096) ((volatile char *)p)[i] = 1; }
#include "../hostile.h"
