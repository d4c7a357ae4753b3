/* Flushes denormals, changes rounding and the locale when loaded and in every call: nobody else may notice.
 * expect: ok
 * check: state.load */
#include <fenv.h>
#include <locale.h>
static void early(void) __attribute__((constructor));
static void early(void) {
    fesetround(FE_UPWARD);
    setlocale(LC_ALL, "de_DE.UTF-8");
    setlocale(LC_ALL, "C.UTF-8");
}
#define PROCESS fesetround(FE_DOWNWARD);
#define FINISH fesetround(FE_TOWARDZERO); out->number(out, "third", 1.0 / 3.0);
#include "../hostile.h"
