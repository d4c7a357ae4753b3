/* Writes to the samples it may only read.
 * expect: ok|crashed
 * check: run.input|run.crash */
#define PROCESS ((float *)(uintptr_t)block->planes[0])[0] = 1e30f;
#include "../hostile.h"
