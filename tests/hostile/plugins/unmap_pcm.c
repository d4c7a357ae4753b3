/* Unmaps the samples, which the host goes on to use.
 * expect: crashed
 * check: run.crash */
#define PROCESS munmap((void *)((uintptr_t)block->planes[0] & ~(uintptr_t)4095), 64 << 20);
#include "../hostile.h"
