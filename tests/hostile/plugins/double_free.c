/* Frees twice.
 * expect: crashed SIGABRT */
#define PROCESS void *volatile p = malloc(100); free(p); free(p);
#include "../hostile.h"
