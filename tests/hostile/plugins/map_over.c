/* Maps more memory than it may have over some that doesn't count, which the limit doesn't see.
 * expect: violation
 * check: run.sandbox mmap */
#define FINISH                                                                                                         \
    size_t bytes = (size_t)4 << 30;                                                                                    \
    void *place = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);                    \
    (void)mmap(place, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
#include "../hostile.h"
