#include "engine/cli/places.h"

#include "engine/base/path.h"
#include "engine/cli/config.h"
#include "engine/schedule/engine.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where distributions and administrators put plugins of others. */
static const char *const system_folders[] = {SONDE_SYSTEMDIR, "/usr/local/lib/sonde", "/usr/lib/sonde"};

/* Where Vamp libraries are: the SDK's own list, and Debian's folders. */
#define VAMP_USUAL "/usr/local/lib/vamp:/usr/lib/vamp:/usr/lib/" TRIPLET "/vamp"
#if defined(__aarch64__)
#define TRIPLET "aarch64-linux-gnu"
#else
#define TRIPLET "x86_64-linux-gnu"
#endif

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

/* "BASE/REST" made absolute, if it exists; caller frees. NULL with errno ENOMEM: whether it does isn't known. */
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

/* Takes `path`, and copies of the rest. */
static bool add(struct places_plugins *plugins, char *path, bool third_party, const char *refused,
                struct error *error) {
    struct engine_library *grown = path ? realloc(plugins->libraries, (plugins->count + 1) * sizeof *grown) : NULL;
    if (grown) plugins->libraries = grown;
    char *sentence = grown && refused ? strdup(refused) : NULL, *resources = NULL;
    bool ok = grown && (sentence || !refused);
    if (ok && !refused && asprintf(&resources, "%.*s.resources", (int)(strlen(path) - 3), path) < 0) ok = false;
    if (!ok) {
        free(path);
        free(sentence);
        return error_memory(error);
    }
    struct stat st;
    if (resources && (stat(resources, &st) != 0 || !S_ISDIR(st.st_mode))) {
        free(resources);
        resources = NULL;
    }
    plugins->libraries[plugins->count++] = (struct engine_library){path, resources, third_party, sentence, NULL};
    return true;
}

/* Something that was found and can't be used: it is listed with the reason. */
static bool add_refused(struct places_plugins *plugins, const char *folder, const char *name, bool third_party,
                        const char *refused, struct error *error) {
    char *path = NULL;
    if (asprintf(&path, "%s%s%s", folder, name ? "/" : "", name ? name : "") < 0) return error_memory(error);
    return add(plugins, path, third_party, refused, error);
}

static bool add_library(struct places_plugins *plugins, const char *folder, const char *name, bool third_party,
                        struct error *error) {
    char *path = existing(folder, name), sentence[PATH_MAX + 100];
    if (!path) {
        (void)snprintf(sentence, sizeof sentence, "cannot be opened: %s", strerror(errno));
        return add_refused(plugins, folder, name, third_party, sentence, error);
    }
    size_t n = strlen(path);
    for (size_t i = 0; i < plugins->count; i++) {
        const struct engine_library *other = &plugins->libraries[i];
        if (strcmp(other->path, path) == 0) { /* the same one by another way */
            free(path);
            return true;
        }
        if (other->refused || strcmp(path_name(other->path), name) != 0) continue;
        (void)snprintf(sentence, sizeof sentence, "is hidden by %s, which has the same name and comes first",
                       other->path);
        return add(plugins, path, third_party, sentence, error);
    }
    if (n < 4 || strcmp(path + n - 3, ".so") != 0) { /* a link to something else */
        (void)snprintf(sentence, sizeof sentence, "is a link to %s, which is no .so", path);
        free(path);
        return add_refused(plugins, folder, name, third_party, sentence, error);
    }
    return add(plugins, path, third_party, NULL, error);
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The .so files of `folder` in the order of their names, so that runs agree. A missing folder has none; one that somebody
 * named must be there. */
static bool scan_folder(struct places_plugins *plugins, const char *folder, bool third_party, bool named,
                        struct error *error) {
    DIR *dir = opendir(folder);
    if (!dir && !named && (errno == ENOENT || errno == ENOTDIR)) return true;
    if (!dir) {
        char sentence[100];
        (void)snprintf(sentence, sizeof sentence, "this folder of plugins cannot be read: %s", strerror(errno));
        return add_refused(plugins, folder, NULL, third_party, sentence, error);
    }
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
        if (ok) ok = add_library(plugins, folder, names[i], third_party, error);
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
        ok = scan_folder(plugins, folder, true, true, error);
    free(copy);
    return ok;
}

static bool scan_bundled(const struct config *config, struct places_plugins *plugins, struct error *error) {
    const char *named = config_text(config, "plugins.bundled");
    if (named[0]) return scan_folder(plugins, named, false, true, error);
    /* In a build tree each plugin has a folder of its own. */
    static const char *const nearby[] = {"plugins",
                                         "../../plugins/features",
                                         "../../plugins/content_timeline",
                                         "../../plugins/classifier",
                                         "../../plugins/tempo_meter",
                                         "../../plugins/key",
                                         "../lib/sonde/plugins"};
    errno = 0;
    char *folder = program_folder();
    bool ok = folder || errno != ENOMEM || error_memory(error);
    for (size_t i = 0; folder && ok && i < sizeof nearby / sizeof *nearby; i++) {
        char *place = existing(folder, nearby[i]);
        if (place)
            ok = scan_folder(plugins, place, false, false, error);
        else if (errno == ENOMEM)
            ok = error_memory(error);
        free(place);
    }
    free(folder);
    return ok && (plugins->count > 0 || scan_folder(plugins, SONDE_PLUGINDIR, false, false, error));
}

/* BASE/REST, if there is such a folder. */
static bool scan_below(struct places_plugins *plugins, const char *base, const char *rest, struct error *error) {
    if (!base || base[0] != '/') return true;
    char *folder = NULL;
    if (asprintf(&folder, "%s/%s", base, rest) < 0) return error_memory(error);
    bool ok = scan_folder(plugins, folder, true, false, error);
    free(folder);
    return ok;
}

/* Folders between colons that needn't be there. */
static bool scan_usual(struct places_plugins *plugins, const char *list, struct error *error) {
    char *copy = strdup(list), *rest = NULL;
    bool ok = copy ? true : error_memory(error);
    for (char *folder = ok ? strtok_r(copy, ":", &rest) : NULL; folder && ok; folder = strtok_r(NULL, ":", &rest))
        ok = scan_folder(plugins, folder, true, false, error);
    free(copy);
    return ok;
}

static bool scan_vamp_installed(struct places_plugins *plugins, struct error *error) {
    const char *named = getenv("VAMP_PATH"), *home = getenv("HOME");
    if (named && named[0]) return scan_usual(plugins, named, error);
    return scan_below(plugins, home, "vamp", error) && scan_below(plugins, home, ".vamp", error) &&
           scan_usual(plugins, VAMP_USUAL, error);
}

/* The plugin library that loads Vamp libraries. Caller frees; NULL: there is none. */
static char *find_vamp_bridge(void) {
    static const char *const nearby[] = {"../../plugins/vamp/vamp.so", "../lib/sonde/bridges/vamp.so"};
    char *folder = program_folder(), *path = NULL;
    for (size_t i = 0; folder && !path && i < sizeof nearby / sizeof *nearby; i++) path = existing(folder, nearby[i]);
    free(folder);
    return path ? path : existing(SONDE_PLUGINDIR, "../bridges/vamp.so");
}

/* Makes of a file that was found a Vamp library, to be loaded by `bridge`. */
static bool make_vamp(struct engine_library *library, const char *bridge, struct error *error) {
    free((char *)(uintptr_t)library->resources);
    library->resources = NULL;
    if (library->refused) return true;
    if (bridge)
        library->bridge = strdup(bridge);
    else
        library->refused = strdup("is a Vamp library, and this sonde was built without the bridge to those");
    return (library->bridge || library->refused) ? true : error_memory(error);
}

/* The Vamp libraries that plugins.vamp asks for. Those whose name a plugin of sonde's has too are all the same no plugins
 * of that name: so they are looked for in a list of their own. */
static bool scan_vamp(const struct config *config, struct places_plugins *plugins, struct error *error) {
    const char *where = config_text(config, "plugins.vamp");
    struct places_plugins vamp = {0};
    if (!where[0]) return true;
    bool ok = strcmp(where, "installed") == 0 ? scan_vamp_installed(&vamp, error) : scan_list(&vamp, where, error);
    char *bridge = find_vamp_bridge();
    for (size_t i = 0; ok && i < vamp.count; i++) ok = make_vamp(&vamp.libraries[i], bridge, error);
    struct engine_library *grown = ok ? realloc(plugins->libraries, (plugins->count + vamp.count + 1) * sizeof *grown)
                                      : NULL;
    if (grown) {
        plugins->libraries = grown;
        if (vamp.count) memcpy(grown + plugins->count, vamp.libraries, vamp.count * sizeof *grown);
        plugins->count += vamp.count;
        vamp.count = 0; /* their texts have moved */
    } else if (ok) {
        ok = error_memory(error);
    }
    places_free_plugins(&vamp);
    free(bridge);
    return ok;
}

bool places_find_plugins(const struct config *config, struct places_plugins *plugins, struct error *error) {
    *plugins = (struct places_plugins){0};
    bool ok = scan_bundled(config, plugins, error);
    if (ok && plugins->count == 0)
        ok = error_set(error, "no bundled plugins beside this program: set plugins.bundled to their folder");
    ok = ok && scan_list(plugins, getenv("SONDE_PLUGIN_PATH"), error);
    ok = ok && scan_list(plugins, config_text(config, "plugins.path"), error);
    ok = ok && scan_below(plugins, getenv("HOME"), ".local/lib/sonde", error);
    char *folder = program_folder();
    ok = ok && scan_below(plugins, folder, "../lib/sonde", error);
    free(folder);
    for (size_t i = 0; ok && i < sizeof system_folders / sizeof *system_folders; i++)
        ok = scan_folder(plugins, system_folders[i], true, false, error);
    ok = ok && scan_vamp(config, plugins, error);
    if (!ok) places_free_plugins(plugins);
    return ok;
}

void places_free_plugins(struct places_plugins *plugins) {
    for (size_t i = 0; i < plugins->count; i++) {
        free((char *)(uintptr_t)plugins->libraries[i].path);
        free((char *)(uintptr_t)plugins->libraries[i].resources);
        free((char *)(uintptr_t)plugins->libraries[i].refused);
        free((char *)(uintptr_t)plugins->libraries[i].bridge);
    }
    free(plugins->libraries);
    *plugins = (struct places_plugins){0};
}
