#include "engine/schedule/copies.h"

#include "engine/base/path.h"
#include "engine/base/text.h"
#include "engine/base/tree.h"
#include "engine/base/whole.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define BLOCK ((size_t)256 << 10)

/* Copying under way: what has been met so far. */
struct copying {
    struct hash *hash; /* of everything: the name of the copy */
    struct hash *seen; /* of the resources' names, sizes and times */
    unsigned char *block;
    uint64_t bytes;
    unsigned files;
};

/* Copies `from` to `to` (-1: only reads), and its bytes into `hash`. False: errno says why. */
static bool copy_bytes(struct copying *copying, int from, int to, struct hash *hash) {
    for (size_t n = BLOCK; n == BLOCK;) {
        if (!whole_read(from, copying->block, BLOCK, &n)) return false;
        hash_add(hash, copying->block, n);
        if (to >= 0 && !whole_write(to, copying->block, n)) return false;
    }
    return true;
}

static bool is_nothing(const char *name) {
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* The name of a copy. Workers are told of it in JSON, which a name that is no text would break. Caller frees. */
static char *copy_name(const char *path) {
    const char *name = path_name(path);
    return text_display(name, strlen(name));
}

/* ----------------------------------------------------------------------------------------------------------- resources */

static bool copy_resource(struct copying *copying, int from, int to, const char *name) {
    int source = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat st;
    bool ok = source >= 0 && fstat(source, &st) == 0;
    if (ok && S_ISREG(st.st_mode)) {
        const int64_t facts[] = {st.st_size, st.st_mtim.tv_sec, st.st_mtim.tv_nsec};
        copying->bytes += (uint64_t)st.st_size;
        ok = ++copying->files <= COPIES_FILES_MAX && copying->bytes <= COPIES_RESOURCES_MAX;
        int target = ok ? openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400) : -1;
        hash_add_text(copying->hash, name);
        hash_add_text(copying->seen, name);
        hash_add(copying->seen, facts, sizeof facts);
        ok = target >= 0 && copy_bytes(copying, source, target, copying->hash);
        if (target >= 0 && close(target) != 0) ok = false;
    }
    if (source >= 0) close(source);
    return ok;
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* The folder `name` of `from` into `to`: plain files and folders; what else there is no plugin can open anyway. */
static bool copy_folder(struct copying *copying, int from, int to, const char *name, const char *target, int depth) {
    int source = openat(from, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (depth > 0 ? O_NOFOLLOW : 0));
    bool ok = source >= 0 && depth <= COPIES_DEPTH_MAX && mkdirat(to, target, 0700) == 0;
    int made = ok ? openat(to, target, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    struct dirent **entries = NULL;
    int count = made >= 0 ? scandirat(source, ".", &entries, NULL, by_name) : -1;
    ok = ok && made >= 0 && count >= 0;
    hash_add_text(copying->hash, target);
    hash_add_text(copying->seen, target);
    for (int i = 0; i < count; i++) {
        struct stat st;
        const char *entry = entries[i]->d_name;
        if (ok && !is_nothing(entry) && fstatat(source, entry, &st, AT_SYMLINK_NOFOLLOW) == 0) {
            if (S_ISREG(st.st_mode))
                ok = copy_resource(copying, source, made, entry);
            else if (S_ISDIR(st.st_mode))
                ok = copy_folder(copying, source, made, entry, entry, depth + 1);
        }
        free(entries[i]);
    }
    free(entries);
    if (source >= 0) close(source);
    if (made >= 0) close(made);
    return ok;
}

static bool is_file(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* The folder in which the copies of resources lie. Caller frees. */
static char *folder_name(const char *library, const char *resources) {
    if (!is_file(resources)) return copy_name(resources);
    char *own = copy_name(library), *name = NULL;
    if (own && asprintf(&name, "%s.resources", own) < 0) name = NULL;
    free(own);
    return name;
}

/* One file into a folder of its own. */
static bool copy_alone(struct copying *copying, int to, const char *path, const char *target) {
    char *parent = path_folder(path);
    int from = parent ? open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    bool ok = from >= 0 && mkdirat(to, target, 0700) == 0;
    int made = ok ? openat(to, target, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    ok = made >= 0 && copy_resource(copying, from, made, path_name(path));
    if (from >= 0) close(from);
    if (made >= 0) close(made);
    free(parent);
    return ok;
}

static bool copy_resources(struct copying *copying, int to, const char *library, const char *resources) {
    char *target = folder_name(library, resources);
    bool ok = target && (is_file(resources) ? copy_alone(copying, to, resources, target)
                                            : copy_folder(copying, AT_FDCWD, to, resources, target, 0));
    free(target);
    return ok;
}

/* ------------------------------------------------------------------------------------------------------------- library */

/* Whether libraries could be loaded from there. */
static bool may_execute(int fd) {
    struct statvfs about;
    return fstatvfs(fd, &about) == 0 && !(about.f_flag & ST_NOEXEC);
}

/* FOLDER/plugins, open; -1: nothing can be copied there. */
static int open_place(const char *folder) {
    int top = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (top < 0) return -1;
    bool made = mkdirat(top, "plugins", 0700) == 0 || errno == EEXIST;
    int place = made ? openat(top, "plugins", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    close(top);
    if (place >= 0 && !may_execute(place)) {
        close(place);
        return -1;
    }
    return place;
}

/* The library at `source` and its resources, into a folder of its own below `place` whose name is `part`. */
static bool copy_all(struct copying *copying, int place, const char *part, const char *library, int source,
                     const char *resources, struct copy *copy) {
    tree_remove(place, part);
    char *name = copy_name(library);
    int own = mkdirat(place, part, 0700) == 0 ? openat(place, part, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    int target = own >= 0 && name ? openat(own, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0500) : -1;
    struct hash *hash = hash_new();
    free(name);
    bool ok = target >= 0 && hash && copy_bytes(copying, source, target, hash);
    if (target >= 0 && close(target) != 0) ok = false;
    if (ok) {
        hash_text(hash, copy->library_hash);
        hash_add_text(copying->hash, path_name(library));
        hash_add_text(copying->hash, copy->library_hash);
    }
    hash_free(hash);
    ok = ok && (!resources || copy_resources(copying, own, library, resources));
    if (own >= 0) close(own);
    return ok;
}

/* Gives the folder `part` the name of its content, unless that is there already. */
static bool settle(int place, const char *part, const char *name) {
    if (renameat(place, part, place, name) == 0) return true;
    bool there = errno == EEXIST || errno == ENOTEMPTY;
    tree_remove(place, part);
    return there;
}

static bool name_copies(const char *folder, const char *name, const char *library, const char *resources,
                        struct copy *copy) {
    char *own = copy_name(library);
    if (own && asprintf(&copy->path, "%s/plugins/%s/%s", folder, name, own) < 0) copy->path = NULL;
    free(own);
    char *beside = resources ? folder_name(library, resources) : NULL;
    if (beside && asprintf(&copy->resources, "%s/plugins/%s/%s", folder, name, beside) < 0) copy->resources = NULL;
    free(beside);
    return copy->path && (copy->resources || !resources);
}

static bool copying_open(struct copying *copying) {
    *copying = (struct copying){.hash = hash_new(), .seen = hash_new(), .block = malloc(BLOCK)};
    return copying->hash && copying->seen && copying->block;
}

static void copying_close(struct copying *copying) {
    hash_free(copying->hash);
    hash_free(copying->seen);
    free(copying->block);
}

/* One try, with the resources or (NULL) without. False without an error: it can't be copied. */
static bool try_copy(const char *folder, int place, const char *library, int source, const char *resources,
                     struct copy *copy, struct error *error) {
    struct copying copying;
    char part[64], name[HASH_TEXT];
    (void)snprintf(part, sizeof part, ".part-%ld", (long)gettid());
    bool ok = copying_open(&copying) || error_memory(error);
    ok = ok && lseek(source, 0, SEEK_SET) == 0 && copy_all(&copying, place, part, library, source, resources, copy);
    if (ok) {
        hash_text(copying.hash, name);
        if (resources) hash_text(copying.seen, copy->resources_hash);
        ok = settle(place, part, name) && (name_copies(folder, name, library, resources, copy) || error_memory(error));
    } else {
        tree_remove(place, part);
    }
    copying_close(&copying);
    return ok;
}

/* The library where it is, which costs a reading. */
static bool use_original(const char *library, int source, struct copy *copy, struct error *error) {
    struct copying copying;
    struct hash *hash = hash_new();
    bool ok = (copying_open(&copying) && hash && (copy->path = strdup(library))) || error_memory(error);
    if (ok && (lseek(source, 0, SEEK_SET) != 0 || !copy_bytes(&copying, source, -1, hash)))
        ok = error_system(error, errno, "cannot be read");
    if (ok) hash_text(hash, copy->library_hash);
    hash_free(hash);
    copying_close(&copying);
    return ok;
}

static bool take(const char *folder, const char *library, int source, const char *resources, struct copy *copy,
                 struct error *error) {
    struct error why = {0};
    int place = open_place(folder);
    bool ok = place >= 0 && try_copy(folder, place, library, source, resources, copy, &why);
    if (!ok && resources && place >= 0 && !why.text[0]) ok = try_copy(folder, place, library, source, NULL, copy, &why);
    if (place >= 0) close(place);
    if (!ok && !why.text[0]) ok = use_original(library, source, copy, &why);
    if (ok && resources && !copy->resources) ok = (copy->resources = strdup(resources)) != NULL || error_memory(&why);
    if (!ok && error) *error = why;
    return ok;
}

static int open_library(const char *library, struct copy *copy, struct error *error) {
    struct stat st;
    int fd = open(library, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) {
        error_system(error, errno, "cannot be opened");
        return -1;
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0) {
        error_set(error, "is not a plain file with something in it");
        close(fd);
        return -1;
    }
    copy->mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    copy->size = (uint64_t)st.st_size;
    return fd;
}

bool copies_take(const char *folder, const char *library, const char *resources, struct copy *copy,
                 struct error *error) {
    *copy = (struct copy){0};
    int source = open_library(library, copy, error);
    if (source < 0) return false;
    bool ok = take(folder, library, source, resources, copy, error);
    close(source);
    if (!ok) copies_clear(copy);
    return ok;
}

void copies_clear(struct copy *copy) {
    free(copy->path);
    free(copy->resources);
    copy->path = copy->resources = NULL;
}
