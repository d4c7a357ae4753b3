#include "engine/cli/named.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *make_absolute(const char *path) {
    char folder[PATH_MAX], *whole = NULL;
    if (path[0] == '/') return strdup(path);
    if (!getcwd(folder, sizeof folder) || asprintf(&whole, "%s/%s", folder, path) < 0) return NULL;
    return whole;
}

/* NULL: it can't be, or there is nothing to do. */
static char *resolve(const char *path) {
    struct stat about;
    if (stat(path, &about) == 0 && S_ISDIR(about.st_mode)) return realpath(path, NULL);
    const char *name = strrchr(path, '/') + 1;
    if (!name[0] || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return NULL;
    char *folder = strndup(path, (size_t)(name - path)), *whole = NULL;
    char *real = folder ? realpath(folder, NULL) : NULL;
    if (real && asprintf(&whole, "%s/%s", strcmp(real, "/") == 0 ? "" : real, name) < 0) whole = NULL;
    free(folder);
    free(real);
    return whole;
}

char *named_path(const char *path, bool resolved) {
    char *whole = make_absolute(path);
    char *real = whole && (resolved || strstr(path, "..")) ? resolve(whole) : NULL;
    if (!real) return whole;
    free(whole);
    return real;
}
