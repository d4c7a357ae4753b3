/* Writes past a block of memory and goes on; whoever asks for memory next trips over it, a neighbour or the host.
 * expect: crashed
 * check: run.crash */
#define PROCESS char *volatile p = malloc(100); for (int i = 0; i < 4000; i++) ((volatile char *)p)[i] = -1;
#include "../hostile.h"
