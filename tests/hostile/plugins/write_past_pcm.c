/* Writes far past the samples.
 * expect: ok|crashed
 * check: run.crash|run.input */
#define PROCESS memset((float *)(uintptr_t)block->planes[0], 255, 64 << 20);
#include "../hostile.h"
