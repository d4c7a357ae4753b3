/* Writes past a block of memory; the next one who frees trips over it.
 * expect: crashed */
#define PROCESS char *volatile p = malloc(100); char *volatile q = malloc(100); memset(p, 255, 100000); free(q); free(p);
#include "../hostile.h"
