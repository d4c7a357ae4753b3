/* Writes far past the samples.
 * expect: ok|crashed */
#define PROCESS memset((float *)(uintptr_t)block->planes[0], 255, 64 << 20);
#include "../hostile.h"
