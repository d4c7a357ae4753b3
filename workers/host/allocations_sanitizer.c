/* Where AddressSanitizer has taken malloc's place: it tells of each block. */
#include "workers/host/allocations.h"

#include <stdatomic.h>
#include <stddef.h>

/* sanitizer/allocator_interface.h, which gcc's package lacks */
int __sanitizer_install_malloc_and_free_hooks(void (*made)(const volatile void *, size_t),
                                              void (*freed)(const volatile void *));
size_t __sanitizer_get_allocated_size(const volatile void *block);

static _Thread_local uint64_t made;
static _Atomic int64_t held;

bool allocations_are_counted(void) {
    return true;
}

uint64_t allocations_made(void) {
    return made;
}

int64_t allocations_held(void) {
    return atomic_load_explicit(&held, memory_order_relaxed);
}

static void gained(const volatile void *block, size_t size) {
    (void)block;
    made++;
    atomic_fetch_add_explicit(&held, (int64_t)size, memory_order_relaxed);
}

static void lost(const volatile void *block) {
    size_t size = block ? __sanitizer_get_allocated_size(block) : 0;
    atomic_fetch_sub_explicit(&held, (int64_t)size, memory_order_relaxed);
}

__attribute__((constructor)) static void listen(void) {
    (void)__sanitizer_install_malloc_and_free_hooks(gained, lost);
}
