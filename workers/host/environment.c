#include "workers/host/environment.h"

#include <fenv.h>

#if defined(__x86_64__)
#include <immintrin.h>

/* Exceptions masked, to nearest, neither flush-to-zero nor denormals-are-zero; the low six bits are only flags. */
#define MXCSR_DEFAULT 0x1f80u
#define MXCSR_FLAGS   0x3fu
#define X87_DEFAULT   0x37fu /* extended precision, to nearest, exceptions masked */

static bool arithmetic_is_default(void) {
    unsigned short x87;
    __asm__ volatile("fnstcw %0" : "=m"(x87));
    return (_mm_getcsr() & ~MXCSR_FLAGS) == MXCSR_DEFAULT && x87 == X87_DEFAULT;
}

static void arithmetic_reset(void) {
    fesetenv(FE_DFL_ENV);
    _mm_setcsr(MXCSR_DEFAULT);
}

#elif defined(__aarch64__)

static bool arithmetic_is_default(void) {
    unsigned long fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    return fpcr == 0; /* FZ (bit 24), rounding (22 to 23) and DN (25) off */
}

static void arithmetic_reset(void) {
    fesetenv(FE_DFL_ENV);
    __asm__ volatile("msr fpcr, %0" : : "r"(0ul));
}

#else

static bool arithmetic_is_default(void) {
    return fegetround() == FE_TONEAREST;
}

static void arithmetic_reset(void) {
    fesetenv(FE_DFL_ENV);
}

#endif

bool environment_repair(const struct environment *environment) {
    bool repaired = false;
    if (!arithmetic_is_default()) {
        arithmetic_reset();
        repaired = true;
    }
    if (uselocale((locale_t)0) != environment->c_locale) {
        uselocale(environment->c_locale);
        repaired = true;
    }
    return repaired;
}

bool environment_init(struct environment *environment) {
    environment->c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (environment->c_locale == (locale_t)0) return false;
    environment_repair(environment);
    return true;
}

void environment_close(struct environment *environment) {
    if (environment->c_locale == (locale_t)0) return;
    uselocale(LC_GLOBAL_LOCALE);
    freelocale(environment->c_locale);
    environment->c_locale = (locale_t)0;
}
