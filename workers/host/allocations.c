/* malloc and its kin, counted. These definitions take the place of the C library's for the whole process, plugins and
 * their libraries included, and pass on to it by the names under which it offers its own to those who do so. */
#include "workers/host/allocations.h"

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

/* Seen by every library of the process. */
#pragma GCC visibility push(default)

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *block);

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

static void *gained(void *block) {
    made++;
    if (block) atomic_fetch_add_explicit(&held, (int64_t)malloc_usable_size(block), memory_order_relaxed);
    return block;
}

static void lost(void *block) {
    if (block) atomic_fetch_sub_explicit(&held, (int64_t)malloc_usable_size(block), memory_order_relaxed);
}

void *malloc(size_t size) {
    return gained(__libc_malloc(size));
}

void *calloc(size_t count, size_t size) {
    return gained(__libc_calloc(count, size));
}

void *realloc(void *block, size_t size) {
    int64_t before = block ? (int64_t)malloc_usable_size(block) : 0;
    void *moved = __libc_realloc(block, size);
    /* On failure the old block stays, unless `size` was 0, which frees it. */
    if (moved || size == 0) atomic_fetch_sub_explicit(&held, before, memory_order_relaxed);
    made++;
    if (moved) atomic_fetch_add_explicit(&held, (int64_t)malloc_usable_size(moved), memory_order_relaxed);
    return moved;
}

void free(void *block) {
    lost(block);
    __libc_free(block);
}

void *memalign(size_t alignment, size_t size) {
    return gained(__libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size) {
    return gained(__libc_memalign(alignment, size));
}

int posix_memalign(void **out, size_t alignment, size_t size) {
    if (alignment % sizeof(void *) != 0 || (alignment & (alignment - 1)) != 0 || alignment == 0) return EINVAL;
    void *block = gained(__libc_memalign(alignment, size));
    if (!block) return ENOMEM;
    *out = block;
    return 0;
}
