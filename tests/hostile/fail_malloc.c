/* Linked into the instrumented engine (tools/instrument-cc). AddressSanitizer's malloc lies in the program itself, before any that
 * is preloaded: so here is that same malloc, which asks fail_nth.c, where faults.py has preloaded it, whether to fail. */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

__attribute__((weak)) extern bool fail_nth_malloc(void);

void *__interceptor_malloc(size_t size);
void *__interceptor_calloc(size_t count, size_t size);
void *__interceptor_realloc(void *old, size_t size);

static bool fails(void) {
    if (!fail_nth_malloc || !fail_nth_malloc()) return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size) {
    return fails() ? NULL : __interceptor_malloc(size);
}

void *calloc(size_t count, size_t size) {
    return fails() ? NULL : __interceptor_calloc(count, size);
}

void *realloc(void *old, size_t size) {
    return fails() ? NULL : __interceptor_realloc(old, size);
}
