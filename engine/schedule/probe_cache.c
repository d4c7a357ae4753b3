#include "engine/schedule/probe_cache.h"

#include "engine/base/json.h"
#include "engine/base/whole.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAGIC                                                                                                          \
    "sonde-probe 1 " /* then the hash of all behind the line, then a newline, the key, a newline, the message */
#define ENTRY_MAX   ((size_t)4 << 20)
#define DEPTH_MAX   48
#define ENTRIES_MAX 500                /* beyond which ... */
#define OLD_SECONDS (30 * 24 * 3600LL) /* ... those are removed that nobody has written for so long */

struct probe_cache {
    int folder;
    char common[HASH_TEXT]; /* of the part of the key that all libraries share */
};

/* -------------------------------------------------------------------------------------------------------------- folder */

/* Makes the folder and what is above it, as far as missing. */
static void make_folders(const char *path) {
    char *copy = strdup(path);
    if (!copy) return;
    for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(copy, 0700);
        *slash = '/';
    }
    (void)mkdir(copy, 0700);
    free(copy);
}

/* Ours alone: nobody else can have put anything there. */
static bool is_private(const struct stat *st) {
    return st->st_uid == geteuid() && (st->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static void sweep(int folder) {
    int fd = fcntl(folder, F_DUPFD_CLOEXEC, 0);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        if (fd >= 0) close(fd);
        return;
    }
    size_t count = 0;
    for (rewinddir(dir); readdir(dir);) count++;
    time_t now = time(NULL);
    rewinddir(dir);
    for (struct dirent *entry; count > ENTRIES_MAX && (entry = readdir(dir));) {
        struct stat st;
        if (fstatat(folder, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
            now - st.st_mtime > OLD_SECONDS)
            (void)unlinkat(folder, entry->d_name, 0);
    }
    closedir(dir);
}

struct probe_cache *probe_cache_open(const char *folder, const char *worker, const cJSON *params) {
    struct stat st, program;
    if (!folder || stat(worker, &program) != 0) return NULL;
    make_folders(folder);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct probe_cache *cache = fd >= 0 && fstat(fd, &st) == 0 && is_private(&st) ? calloc(1, sizeof *cache) : NULL;
    struct hash *hash = cache ? hash_new() : NULL;
    char *text = params ? cJSON_PrintUnformatted(params) : NULL;
    if (!hash || (params && !text)) {
        cJSON_free(text);
        hash_free(hash);
        free(cache);
        if (fd >= 0) close(fd);
        return NULL;
    }
    const int64_t facts[] = {program.st_size, program.st_mtim.tv_sec, program.st_mtim.tv_nsec, (int64_t)program.st_ino};
    hash_add_text(hash, worker);
    hash_add(hash, facts, sizeof facts);
    hash_add_text(hash, text);
    hash_text(hash, cache->common);
    hash_free(hash);
    cJSON_free(text);
    cache->folder = fd;
    sweep(fd);
    return cache;
}

void probe_cache_close(struct probe_cache *cache) {
    if (!cache) return;
    close(cache->folder);
    free(cache);
}

/* ------------------------------------------------------------------------------------------------------------- entries */

static void name_entry(const char *library, char name[HASH_TEXT]) {
    hash_bytes(library, strlen(library), name);
}

/* The key as one line of JSON, or NULL: nothing to go by. Caller frees with cJSON_free. */
static char *make_key(const struct probe_cache *cache, const char *library, const struct copy *copy) {
    if (copy->resources && !copy->resources_hash[0]) return NULL; /* they may change unseen */
    char number[32];
    cJSON *key = cJSON_CreateObject();
    (void)snprintf(number, sizeof number, "%lld", (long long)copy->mtime_ns);
    bool ok = key && cJSON_AddStringToObject(key, "path", library) && cJSON_AddStringToObject(key, "mtime", number) &&
              cJSON_AddNumberToObject(key, "size", (double)copy->size) &&
              cJSON_AddStringToObject(key, "hash", copy->library_hash) &&
              cJSON_AddStringToObject(key, "resources", copy->resources_hash) &&
              cJSON_AddStringToObject(key, "common", cache->common);
    char *text = ok ? cJSON_PrintUnformatted(key) : NULL;
    cJSON_Delete(key);
    return text;
}

/* All of a plain file of ours, zero-terminated; NULL when it isn't one. Caller frees. */
static char *read_entry(int folder, const char *name, size_t *length) {
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat st;
    bool ok = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && is_private(&st) && st.st_size > 0 &&
              (uint64_t)st.st_size <= ENTRY_MAX;
    char *text = ok ? malloc((size_t)st.st_size + 1) : NULL;
    *length = 0;
    if (text) {
        (void)whole_read(fd, text, (size_t)st.st_size, length); /* of half an entry its hash says so */
        text[*length] = '\0';
    }
    if (fd >= 0) close(fd);
    return text;
}

/* The message of a sound entry with this key. */
static cJSON *parse_entry(const char *text, size_t length, const char *key) {
    char hash[HASH_TEXT];
    size_t head = strlen(MAGIC) + HASH_TEXT - 1, n = strlen(key);
    if (length < head + 1 + n + 1 || strlen(text) != length || memcmp(text, MAGIC, strlen(MAGIC)) != 0 ||
        text[head] != '\n')
        return NULL;
    hash_bytes(text + head + 1, length - head - 1, hash);
    if (memcmp(hash, text + strlen(MAGIC), HASH_TEXT - 1) != 0) return NULL;
    const char *body = text + head + 1;
    if (memcmp(body, key, n) != 0 || body[n] != '\n') return NULL;
    return json_parse(body + n + 1, length - head - 1 - n - 1, ENTRY_MAX, DEPTH_MAX, NULL);
}

cJSON *probe_cache_find(const struct probe_cache *cache, const char *library, const struct copy *copy) {
    char *key = cache ? make_key(cache, library, copy) : NULL;
    if (!key) return NULL;
    char name[HASH_TEXT];
    size_t length;
    name_entry(library, name);
    char *text = read_entry(cache->folder, name, &length);
    cJSON *message = text ? parse_entry(text, length, key) : NULL;
    free(text);
    cJSON_free(key);
    return message;
}

static bool all_is_well(const cJSON *message) {
    bool well = strcmp(json_string(message, "outcome", ""), "ok") == 0;
    const cJSON *plugin = NULL;
    cJSON_ArrayForEach(plugin, json_member(message, "plugins")) {
        well = well && strcmp(json_string(plugin, "outcome", ""), "ok") == 0;
    }
    return well;
}

/* Under a name of this thread's own first: a reader finds the old entry or the new one, never half of one. */
static void replace_entry(int folder, const char *name, const char *text) {
    char part[64];
    (void)snprintf(part, sizeof part, ".part-%ld", (long)gettid());
    (void)unlinkat(folder, part, 0);
    int fd = openat(folder, part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return;
    bool ok = whole_write(fd, text, strlen(text));
    if (close(fd) != 0) ok = false;
    if (!ok || renameat(folder, part, folder, name) != 0) (void)unlinkat(folder, part, 0);
}

void probe_cache_keep(const struct probe_cache *cache, const char *library, const struct copy *copy,
                      const cJSON *message) {
    if (!cache || !all_is_well(message)) return;
    char *key = make_key(cache, library, copy), *text = cJSON_PrintUnformatted(message), *body = NULL, *all = NULL;
    char name[HASH_TEXT], hash[HASH_TEXT];
    if (key && text && asprintf(&body, "%s\n%s", key, text) < 0) body = NULL;
    if (body) {
        hash_bytes(body, strlen(body), hash);
        if (asprintf(&all, MAGIC "%s\n%s", hash, body) < 0) all = NULL;
    }
    name_entry(library, name);
    if (all && strlen(all) <= ENTRY_MAX) replace_entry(cache->folder, name, all);
    free(all);
    free(body);
    cJSON_free(text);
    cJSON_free(key);
}

void probe_cache_forget(const char *folder, const char *library) {
    char name[HASH_TEXT], *path = NULL;
    name_entry(library, name);
    if (folder && asprintf(&path, "%s/%s", folder, name) >= 0) {
        (void)unlink(path);
        free(path);
    }
}
