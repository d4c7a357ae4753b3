#include "workers/host/library.h"

#include "engine/base/text.h"
#include "kernels/kernels.h"
#include "workers/host/abi.h"
#include "workers/host/library_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_LOG       1000
#define MAX_RESOURCES 256

/* ---------------------------------------------------------------------------------------------- what a library is given */

static struct library *self(const sonde_host_t *api) {
    return api->context;
}

static void host_log(const sonde_host_t *api, int32_t level, const char *text) {
    struct library *library = self(api);
    if (!library->services.log || !text) return;
    char *clean = text_display(text, strnlen(text, MAX_LOG));
    if (!clean) return;
    if (level < SONDE_LOG_DEBUG || level > SONDE_LOG_ERROR) level = SONDE_LOG_ERROR;
    library->services.log(library->services.context, level, clean);
    free(clean);
}

static int32_t host_cancelled(const sonde_host_t *api) {
    struct library *library = self(api);
    return library->services.cancelled && library->services.cancelled(library->services.context);
}

static const void *host_kernel(const sonde_host_t *api, const char *id) {
    (void)api;
    return kernels_find(id);
}

static int32_t host_resource_open(const sonde_host_t *api, const char *name, const void **data, uint64_t *size) {
    struct library *library = self(api);
    if (!name || !data || !size) return SONDE_FAILED;
    if (!library->may_open) {
        host_log(api, SONDE_LOG_ERROR, "resource_open works in init and create only");
        return SONDE_FAILED;
    }
    struct resource *found = NULL;
    for (size_t i = 0; i < library->resources_count && !found; i++)
        if (strcmp(library->resources[i].name, name) == 0) found = &library->resources[i];
    if (!found) {
        if (library->resources_count >= MAX_RESOURCES) return SONDE_FAILED;
        struct resource *list = realloc(library->resources, (library->resources_count + 1) * sizeof *list);
        if (!list) return SONDE_NO_MEMORY;
        library->resources = list;
        struct resource opened = {.name = strdup(name)};
        if (!opened.name) return SONDE_NO_MEMORY;
        struct error error = {0};
        if (!resource_map(library->resource_dir, name, &opened, &error)) {
            host_log(api, SONDE_LOG_ERROR, error.text);
            free(opened.name);
            return error.code == ENOMEM ? SONDE_NO_MEMORY : SONDE_FAILED;
        }
        found = &library->resources[library->resources_count++];
        *found = opened;
    }
    *data = found->data;
    *size = found->size;
    return SONDE_OK;
}

/* ------------------------------------------------------------------------------------------------------------ loading */

static bool hash_file(const char *path, char out[HASH_TEXT], struct error *error) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return error_system(error, errno, "library %.200s", path);
    struct stat facts;
    bool good = fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_size > 0;
    if (!good) error_set(error, "library %.200s is not a plain file with something in it", path);
    void *data = good ? mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    if (good && data == MAP_FAILED) good = error_system(error, errno, "library %.200s", path);
    if (good) {
        hash_bytes(data, (size_t)facts.st_size, out);
        munmap(data, (size_t)facts.st_size);
    }
    close(fd);
    return good;
}

static void enter(const struct library *library, enum host_phase phase) {
    if (!library->services.enter) return;
    const char *slash = strrchr(library->path, '/');
    library->services.enter(library->services.context, slash ? slash + 1 : library->path, phase);
}

/* After every call. */
static void leave(struct library *library) {
    library->disturbed |= environment_repair(library->services.environment);
    if (library->services.leave) library->services.leave(library->services.context);
}

/* The code as it is written in sonde/plugin.h, or as a number where that doesn't know it. */
static const char *name_of_code(int32_t code, char number[16]) {
    static const char *const names[] = {"SONDE_OK",          "SONDE_EMPTY",     "SONDE_FAILED",
                                        "SONDE_UNSUPPORTED", "SONDE_NO_MEMORY", "SONDE_BROKEN"};
    if (code >= 0 && (size_t)code < sizeof names / sizeof *names) return names[code];
    snprintf(number, 16, "%d", code);
    return number;
}

/* Why it can't be loaded, without the path in front: whoever prints the sentence names the library. */
static const char *reason_alone(const struct library *library, const char *why) {
    size_t n = strlen(library->path);
    return strncmp(why, library->path, n) == 0 && strncmp(why + n, ": ", 2) == 0 ? why + n + 2 : why;
}

static bool open_library(struct library *library, struct error *error) {
    enter(library, HOST_LOAD);
    char why[400];
    library->handle = library_file_open(library->path, why, sizeof why);
    leave(library);
    if (!library->handle) return error_set(error, "can't be loaded: %.300s", reason_alone(library, why));
    library->entry = library_file_symbol(library->handle, "sonde_entry");
    if (!library->entry) return error_set(error, "it exports no sonde_entry: it isn't a sonde plugin");
    const sonde_entry_t *entry = library->entry;
    if (entry->abi_major != SONDE_ABI_MAJOR)
        return error_set(error, "it is built for plugin ABI %u.%u, this host has %u.%u: rebuild it", entry->abi_major,
                         entry->abi_minor, SONDE_ABI_MAJOR, SONDE_ABI_MINOR);
    if (!abi_size_is_sane(entry->struct_size, ABI_1_0_ENTRY))
        return error_set(error, "struct_size is wrong in sonde_entry");
    if (!entry->init || !entry->deinit || !entry->plugin_count || !entry->plugin_at || !entry->create)
        return error_set(error, "a function of sonde_entry is NULL");
    return true;
}

static bool initialise(struct library *library, struct error *error) {
    enter(library, HOST_INIT);
    library->may_open = true;
    int32_t code = library->entry->init(&library->api, library->resource_dir ? library->resource_dir : "");
    library->may_open = false;
    leave(library);
    char number[16];
    if (code != SONDE_OK) return error_set(error, "init returned %s", name_of_code(code, number));
    library->initialised = true;
    enter(library, HOST_INIT);
    uint32_t count = library->entry->plugin_count();
    leave(library);
    if (count < 1 || count > LIBRARY_MAX_PLUGINS)
        return error_set(error, "a library has 1 to 64 plugins, not %u", count);
    library->plugins_count = count;
    return true;
}

static bool describe(struct library *library, size_t index, struct error *error) {
    enter(library, HOST_INIT);
    const sonde_descriptor_t *given = library->entry->plugin_at((uint32_t)index);
    leave(library);
    const sonde_descriptor_t *descriptor = library->descriptors[index] = library_take_descriptor(given, error);
    if (!descriptor) return false;
    for (size_t i = 0; i < index; i++)
        if (strcmp(library->descriptors[i]->id, descriptor->id) == 0)
            return error_set(error, "two plugins are called %.100s", descriptor->id);
    if (!descriptor->schema) return true;
    struct error why = {0};
    library->schemas[index] = schema_compile(descriptor->schema, strnlen(descriptor->schema, SCHEMA_MAX_BYTES + 1),
                                             &why);
    return library->schemas[index]
               ? true
               : error_set(error, "plugin %.100s: its schema is refused: %.320s", descriptor->id, why.text);
}

struct library *library_load(const char *path, const char *resource_dir, const struct library_services *services,
                             struct error *error) {
    struct library *library = calloc(1, sizeof *library);
    if (library) library->path = strdup(path);
    if (library && resource_dir) library->resource_dir = strdup(resource_dir);
    if (!library || !library->path || (resource_dir && !library->resource_dir)) {
        error_memory(error);
        library_close(library);
        return NULL;
    }
    library->services = *services;
    library->api = (sonde_host_t){.struct_size = sizeof library->api,
                                  .abi_major = SONDE_ABI_MAJOR,
                                  .abi_minor = SONDE_ABI_MINOR,
                                  .context = library,
                                  .name = "sonde",
                                  .version = SONDE_VERSION,
                                  .log = host_log,
                                  .cancelled = host_cancelled,
                                  .resource_open = host_resource_open,
                                  .kernel = host_kernel};
    bool good = path && strchr(path, '/');
    if (!good) error_set(error, "the path of a library needs a slash: %.200s", path ? path : "none");
    good = good && hash_file(path, library->hash, error) && open_library(library, error) && initialise(library, error);
    for (size_t i = 0; good && i < library->plugins_count; i++) good = describe(library, i, error);
    if (good) return library;
    library_close(library);
    return NULL;
}

void library_close(struct library *library) {
    if (!library) return;
    if (library->initialised) {
        enter(library, HOST_DEINIT);
        library->entry->deinit();
        leave(library);
    }
    for (size_t i = 0; i < LIBRARY_MAX_PLUGINS; i++) {
        schema_free(library->schemas[i]);
        free(library->descriptors[i]);
    }
    if (library->handle) {
        enter(library, HOST_UNLOAD);
        library_file_close(library->handle);
        leave(library);
    }
    for (size_t i = 0; i < library->resources_count; i++) {
        resource_unmap(&library->resources[i]);
        free(library->resources[i].name);
    }
    free(library->resources);
    free(library->resource_dir);
    free(library->path);
    free(library);
}

sonde_plugin_t *library_create(struct library *library, const char *id, const sonde_param_value_t *values,
                               uint32_t count, struct error *error) {
    sonde_plugin_t *plugin = NULL;
    library->may_open = true;
    int32_t code = library->entry->create(&library->api, id, values, count, &plugin);
    library->may_open = false;
    environment_repair(library->services.environment);
    char number[16];
    if (code == SONDE_NO_MEMORY)
        error_memory(error);
    else if (code == SONDE_UNSUPPORTED) {
        error_set(error, "its parameters can't be used");
        error->code = EINVAL;
    } else if (code != SONDE_OK)
        error_set(error, "create of plugin %.100s returned %s", id, name_of_code(code, number));
    else if (!plugin)
        error_set(error, "create of plugin %.100s made nothing", id);
    else if (!abi_size_is_sane(plugin->struct_size, ABI_1_0_PLUGIN))
        error_set(error, "struct_size is wrong in what create of %.100s made", id);
    else if (!plugin->begin || !plugin->process || !plugin->finish || !plugin->abandon || !plugin->destroy)
        error_set(error, "a function of what create of plugin %.100s made is NULL", id);
    else
        return plugin;
    return NULL;
}
