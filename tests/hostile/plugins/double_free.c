/* Frees twice.
 * expect: crashed SIGABRT
 * check: run.crash */
#define PROCESS void *volatile p = malloc(100); free(p); free(p);
#include "../hostile.h"
