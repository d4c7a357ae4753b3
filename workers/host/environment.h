/* The arithmetic and locale that results depend on: rounding to nearest, no flush-to-zero, the C locale.
 *
 * A library built with -ffast-math sets flush-to-zero when it is loaded, and some never set it back; a plugin may change the
 * rounding or the locale. So the host checks after dlopen and after every call into a plugin, and repairs.
 * Per thread: everything here concerns the calling thread alone. */
#ifndef SONDE_HOST_ENVIRONMENT_H
#define SONDE_HOST_ENVIRONMENT_H

#include <locale.h>
#include <stdbool.h>

struct environment {
    locale_t c_locale;
};

/* Makes the C locale and sets the calling thread's environment. False: out of memory. */
bool environment_init(struct environment *environment);

/* Gives the thread the global locale back. */
void environment_close(struct environment *environment);

/* Checks the environment and repairs it. True when there was something to repair. Costs a few nanoseconds. */
bool environment_repair(const struct environment *environment);

#endif
