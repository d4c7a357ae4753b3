/* What every command uses to speak to its user. */
#include "engine/cli/cli.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

void cli_complain(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("sonde: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

int cli_usage(const char *command, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fprintf(stderr, "sonde %s: ", command);
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n(sonde %s --help says more)\n", command);
    va_end(args);
    return CLI_USAGE;
}

char *cli_duration(double seconds, char *out, size_t size) {
    if (!(seconds >= 0)) seconds = 0;
    if (seconds > 0 && seconds < 0.095) {
        snprintf(out, size, "%.0f ms", ceil(seconds * 1000));
        return out;
    }
    if (seconds < 59.95) {
        snprintf(out, size, "%.1f s", seconds);
        return out;
    }
    long long whole = (long long)(seconds + 0.5);
    if (whole < 3600)
        snprintf(out, size, "%lld:%02lld", whole / 60, whole % 60);
    else
        snprintf(out, size, "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60, whole % 60);
    return out;
}
