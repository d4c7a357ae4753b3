#include "engine/base/error.h"

#include "engine/base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void set_text(struct error *error, const char *format, va_list args) {
    int n = vsnprintf(error->text, sizeof error->text, format, args);
    if (n < 0) error->text[0] = '\0';
    text_cut(error->text, sizeof error->text - 1);
}

bool error_set(struct error *error, const char *format, ...) {
    if (!error) return false;
    va_list args;
    va_start(args, format);
    error->code = 0;
    set_text(error, format, args);
    va_end(args);
    return false;
}

bool error_system(struct error *error, int code, const char *format, ...) {
    if (!error) return false;
    va_list args;
    va_start(args, format);
    set_text(error, format, args);
    va_end(args);
    error->code = code;
    char buffer[100];
    const char *meaning = strerror_r(code, buffer, sizeof buffer);
    size_t used = strlen(error->text);
    snprintf(error->text + used, sizeof error->text - used, ": %s", meaning);
    text_cut(error->text, sizeof error->text - 1);
    return false;
}

bool error_memory(struct error *error) {
    error_set(error, "out of memory");
    if (error) error->code = ENOMEM;
    return false;
}
