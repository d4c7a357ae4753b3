#include "engine/cli/logfmt.h"

#include "engine/base/text.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static void print_value(const char *text) {
    if (text[0] && !strpbrk(text, " \"=\\\n\t")) {
        fputs(text, stdout);
        return;
    }
    putchar('"');
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') putchar('\\');
        putchar(c < 0x20 ? ' ' : c);
    }
    putchar('"');
}

static bool is_path(const char *key) {
    return strcmp(key, "path") == 0 || strcmp(key, "from") == 0 || strcmp(key, "to") == 0;
}

static void print_path(const char *key, const char *path) {
    char *display = text_display(path, strlen(path)), *hex = display ? text_hex(path, strlen(path), display) : NULL;
    print_value(display ? display : "");
    if (hex) printf(" %s_hex=%s", key, hex);
    free(display);
    free(hex);
}

void logfmt(const char *event, ...) {
    va_list args;
    va_start(args, event);
    printf("event=%s", event);
    for (const char *key; (key = va_arg(args, const char *));) {
        const char *value = va_arg(args, const char *);
        if (!value) continue;
        printf(" %s=", key);
        if (is_path(key))
            print_path(key, value);
        else
            print_value(value);
    }
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

const char *logfmt_count(struct logfmt_number *buffer, unsigned long long count) {
    snprintf(buffer->text, sizeof buffer->text, "%llu", count);
    return buffer->text;
}

const char *logfmt_seconds(struct logfmt_number *buffer, double seconds) {
    snprintf(buffer->text, sizeof buffer->text, "%.1f", seconds);
    return buffer->text;
}

void notify_systemd(const char *state) {
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof address.sun_path) return;
    memcpy(address.sun_path, path, strlen(path));
    if (path[0] == '@') address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    /* A sign of life that finds no room is dropped: the next one comes soon. The rest is worth a moment. */
    const struct timeval moment = {.tv_sec = 1};
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &moment, sizeof moment);
    int flags = strncmp(state, "WATCHDOG", 8) == 0 ? MSG_NOSIGNAL | MSG_DONTWAIT : MSG_NOSIGNAL;
    (void)sendto(fd, state, strlen(state), flags, (const struct sockaddr *)&address, length);
    close(fd);
}

double notify_interval(void) {
    const char *text = getenv("WATCHDOG_USEC");
    double seconds = text ? strtod(text, NULL) / 3e6 : 5;
    return seconds > 0.1 && seconds < 5 ? seconds : 5;
}
