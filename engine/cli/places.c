#include "engine/cli/places.h"

#include "engine/cli/config.h"
#include "engine/schedule/engine.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The folder of the running program; caller frees. */
static char *program_folder(void) {
    char buffer[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", buffer, sizeof buffer - 1);
    if (n <= 0) return NULL;
    buffer[n] = '\0';
    char *slash = strrchr(buffer, '/');
    if (!slash) return NULL;
    *slash = '\0';
    return strdup(buffer[0] ? buffer : "/");
}

/* "BASE/REST" made absolute, if it exists; caller frees. */
static char *existing(const char *base, const char *rest) {
    char *path = NULL;
    if (asprintf(&path, "%s/%s", base, rest) < 0) return NULL;
    char *real = realpath(path, NULL);
    free(path);
    return real;
}

char *places_worker(const struct config *config, struct error *error) {
    const char *named = config_text(config, "worker.path");
    char *path = NULL;
    if (named[0]) {
        path = realpath(named, NULL);
        if (!path) error_set(error, "worker.path: there is no %s", named);
        return path;
    }
    static const char *const nearby[] = {"sonde-worker", "../../workers/sonde-worker", "../libexec/sonde/sonde-worker"};
    char *folder = program_folder();
    for (size_t i = 0; folder && !path && i < sizeof nearby / sizeof *nearby; i++) path = existing(folder, nearby[i]);
    if (!path) path = existing(SONDE_LIBEXECDIR, "sonde-worker");
    if (!path) error_set(error, "cannot find sonde-worker, which should lie beside this program: set worker.path");
    free(folder);
    return path;
}

static bool known(const struct places_plugins *plugins, const char *name) {
    for (size_t i = 0; i < plugins->count; i++) {
        const char *slash = strrchr(plugins->libraries[i].path, '/');
        if (slash && strcmp(slash + 1, name) == 0) return true;
    }
    return false;
}

static bool add_library(struct places_plugins *plugins, const char *folder, const char *name, bool third_party,
                        struct error *error) {
    struct engine_library *grown = realloc(plugins->libraries, (plugins->count + 1) * sizeof *grown);
    if (!grown) return error_memory(error);
    plugins->libraries = grown;
    char *path = existing(folder, name);
    if (!path) return true; /* a dangling link */
    char *resources = NULL;
    if (asprintf(&resources, "%.*s.resources", (int)(strlen(path) - 3), path) < 0) {
        free(path);
        return error_memory(error);
    }
    struct stat st;
    if (stat(resources, &st) != 0 || !S_ISDIR(st.st_mode)) {
        free(resources);
        resources = NULL;
    }
    plugins->libraries[plugins->count++] = (struct engine_library){path, resources, third_party};
    return true;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The .so files of `folder` in the order of their names, so that runs agree; a missing folder has none. */
static bool scan_folder(struct places_plugins *plugins, const char *folder, bool third_party, struct error *error) {
    DIR *dir = opendir(folder);
    if (!dir) return true;
    char **names = NULL;
    size_t count = 0;
    bool ok = true;
    for (struct dirent *entry; ok && (entry = readdir(dir));) {
        size_t n = strlen(entry->d_name);
        if (n < 4 || strcmp(entry->d_name + n - 3, ".so") != 0 || entry->d_name[0] == '.') continue;
        char **grown = realloc(names, (count + 1) * sizeof *grown);
        if (grown) names = grown;
        char *name = grown ? strdup(entry->d_name) : NULL;
        ok = name || error_memory(error);
        if (ok) names[count++] = name;
    }
    closedir(dir);
    if (count) qsort(names, count, sizeof *names, compare_names);
    for (size_t i = 0; i < count; i++) {
        if (ok && !known(plugins, names[i])) ok = add_library(plugins, folder, names[i], third_party, error);
        free(names[i]);
    }
    free(names);
    return ok;
}

/* Folders between colons. */
static bool scan_list(struct places_plugins *plugins, const char *list, struct error *error) {
    if (!list || !list[0]) return true;
    char *copy = strdup(list);
    if (!copy) return error_memory(error);
    bool ok = true;
    char *rest = NULL;
    for (char *folder = strtok_r(copy, ":", &rest); folder && ok; folder = strtok_r(NULL, ":", &rest))
        ok = scan_folder(plugins, folder, true, error);
    free(copy);
    return ok;
}

static bool scan_bundled(const struct config *config, struct places_plugins *plugins, struct error *error) {
    const char *named = config_text(config, "plugins.bundled");
    if (named[0]) return scan_folder(plugins, named, false, error);
    /* In a build tree each plugin has a folder of its own. */
    static const char *const nearby[] = {"plugins",
                                         "../../plugins/features",
                                         "../../plugins/content_timeline",
                                         "../../plugins/classifier",
                                         "../../plugins/tempo_meter",
                                         "../../plugins/key",
                                         "../lib/sonde/plugins"};
    char *folder = program_folder();
    bool ok = true;
    for (size_t i = 0; folder && ok && i < sizeof nearby / sizeof *nearby; i++) {
        char *place = existing(folder, nearby[i]);
        if (place) ok = scan_folder(plugins, place, false, error);
        free(place);
    }
    free(folder);
    return ok && (plugins->count > 0 || scan_folder(plugins, SONDE_PLUGINDIR, false, error));
}

bool places_find_plugins(const struct config *config, struct places_plugins *plugins, struct error *error) {
    *plugins = (struct places_plugins){0};
    bool ok = scan_bundled(config, plugins, error);
    if (ok && plugins->count == 0)
        ok = error_set(error, "no bundled plugins beside this program: set plugins.bundled to their folder");
    ok = ok && scan_list(plugins, getenv("SONDE_PLUGIN_PATH"), error);
    ok = ok && scan_list(plugins, config_text(config, "plugins.path"), error);
    const char *home = getenv("HOME");
    char *own = NULL;
    if (ok && home && asprintf(&own, "%s/.local/lib/sonde", home) < 0) {
        own = NULL;
        ok = error_memory(error);
    }
    ok = ok && (!own || scan_folder(plugins, own, true, error));
    free(own);
    if (!ok) places_free_plugins(plugins);
    return ok;
}

void places_free_plugins(struct places_plugins *plugins) {
    for (size_t i = 0; i < plugins->count; i++) {
        free((char *)(uintptr_t)plugins->libraries[i].path);
        free((char *)(uintptr_t)plugins->libraries[i].resources);
    }
    free(plugins->libraries);
    *plugins = (struct places_plugins){0};
}
