#include "engine/base/heap.h"

#include <malloc.h>

#define ARENAS      2           /* malloc would make one for each thread, of which NNG alone has a dozen */
#define LARGE_BLOCK (256 << 10) /* bytes: the system has it back as soon as it is freed */
#define SPARE       (1 << 20)   /* bytes kept at the heap's end, so that it doesn't shrink and grow all the time */

/* Left to itself, malloc takes ever larger blocks from its heap once some were freed, and a small block behind them keeps all
 * of it: then a process stays as large as the largest things that it has seen, one beside the other. */
void heap_configure(void) {
    (void)mallopt(M_ARENA_MAX, ARENAS);
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK);
    (void)mallopt(M_TRIM_THRESHOLD, SPARE);
}
