/* What a sanitizer is told at a worker's start, for it to live in the sandbox; the environment's words go before these.
 *
 *   abort_on_error             a report ends the worker by a signal, as any crash does: fatal.c notes where
 *   detect_leaks, symbolize    would start processes, which is forbidden; a worker leaves by _exit anyway
 *   allocator_may_return_null  at the limit of memory malloc fails, as it does elsewhere
 *   quarantine_size_mb         what is freed, and kept back to see it used, counts as memory */
#include "engine/base/sanitizer.h"

#if SANITIZED
#define OPTIONS "abort_on_error=1:symbolize=0:allocator_may_return_null=1"
/* Called before anything else is set up, such as counters of lines. */
#define SEEN __attribute__((visibility("default"), used, no_profile_instrument_function))

SEEN const char *__asan_default_options(void);
SEEN const char *__asan_default_options(void) {
    return OPTIONS ":detect_leaks=0:quarantine_size_mb=16";
}

SEEN const char *__ubsan_default_options(void);
SEEN const char *__ubsan_default_options(void) {
    return OPTIONS ":halt_on_error=1:print_stacktrace=1";
}

SEEN const char *__tsan_default_options(void);
SEEN const char *__tsan_default_options(void) {
    return OPTIONS;
}
#endif
