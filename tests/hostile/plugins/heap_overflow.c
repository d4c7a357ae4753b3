/* Writes past a block of memory; the next one who frees trips over it.
 * expect: crashed
 * check: run.crash */
#define PROCESS char *volatile p = malloc(100); char *volatile q = malloc(100); for (int i = 0; i < 100000; i++) ((volatile char *)p)[i] = -1; free(q); free(p);
#include "../hostile.h"
