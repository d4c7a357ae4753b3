#include "engine/watch/folders.h"

#include <stdlib.h>
#include <string.h>

/* Open addressing from descriptors to folders; descriptors only ever grow, so removed ones leave tombstones behind until
 * the table is rebuilt. */
struct folders {
    struct folder *roots;
    struct folder **slots;
    size_t all, room, used, watched; /* room is a power of two; used counts tombstones too */
};

static struct folder tombstone = {.wd = -2};

struct folders *folders_new(void) {
    struct folders *folders = calloc(1, sizeof *folders);
    if (!folders) return NULL;
    folders->room = 64;
    folders->slots = calloc(folders->room, sizeof *folders->slots);
    if (folders->slots) return folders;
    free(folders);
    return NULL;
}

static void free_tree(struct folder *folder) {
    while (folder) {
        struct folder *next = folder->next;
        free_tree(folder->children);
        free(folder->name);
        free(folder);
        folder = next;
    }
}

void folders_free(struct folders *folders) {
    if (!folders) return;
    free_tree(folders->roots);
    free(folders->slots);
    free(folders);
}

static size_t slot_of(const struct folders *folders, int wd) {
    return ((size_t)wd * 2654435761u) & (folders->room - 1);
}

struct folder *folders_by_wd(const struct folders *folders, int wd) {
    for (size_t i = slot_of(folders, wd); folders->slots[i]; i = (i + 1) & (folders->room - 1))
        if (folders->slots[i]->wd == wd) return folders->slots[i];
    return NULL;
}

static void place(struct folders *folders, struct folder *folder) {
    size_t i = slot_of(folders, folder->wd);
    while (folders->slots[i]) i = (i + 1) & (folders->room - 1);
    folders->slots[i] = folder;
    folders->used++;
}

/* Makes room for one more, dropping tombstones. */
static bool reserve(struct folders *folders) {
    if (2 * (folders->used + 1) <= folders->room) return true;
    struct folders old = *folders;
    folders->room = 4 * (folders->watched + 16);
    size_t room = 64;
    while (room < folders->room) room *= 2;
    folders->room = room;
    folders->slots = calloc(room, sizeof *folders->slots);
    if (!folders->slots) {
        *folders = old;
        return false;
    }
    folders->used = 0;
    for (size_t i = 0; i < old.room; i++)
        if (old.slots[i] && old.slots[i] != &tombstone) place(folders, old.slots[i]);
    free(old.slots);
    return true;
}

static void forget_wd(struct folders *folders, struct folder *folder) {
    if (folder->wd < 0) return;
    size_t i = slot_of(folders, folder->wd);
    while (folders->slots[i] && folders->slots[i] != folder) i = (i + 1) & (folders->room - 1);
    if (folders->slots[i]) folders->slots[i] = &tombstone;
    folder->wd = -1;
    folders->watched--;
}

bool folders_set_wd(struct folders *folders, struct folder *folder, int wd) {
    forget_wd(folders, folder);
    if (wd < 0) return true;
    /* The kernel gives one inode one descriptor: a folder that came back under another name takes it over. */
    struct folder *other = folders_by_wd(folders, wd);
    if (other) forget_wd(folders, other);
    if (!reserve(folders)) return false;
    folder->wd = wd;
    place(folders, folder);
    folders->watched++;
    return true;
}

struct folder *folders_child(const struct folder *folder, const char *name) {
    for (struct folder *child = folder->children; child; child = child->next)
        if (strcmp(child->name, name) == 0) return child;
    return NULL;
}

static struct folder **list_of(struct folders *folders, struct folder *parent) {
    return parent ? &parent->children : &folders->roots;
}

struct folder *folders_add(struct folders *folders, struct folder *parent, const char *name, int wd) {
    struct folder *folder = calloc(1, sizeof *folder);
    if (!folder) return NULL;
    folder->wd = -1;
    folder->name = strdup(name);
    if (!folder->name || !folders_set_wd(folders, folder, wd)) {
        free(folder->name);
        free(folder);
        return NULL;
    }
    struct folder **list = list_of(folders, parent);
    folder->parent = parent;
    folder->next = *list;
    *list = folder;
    folders->all++;
    return folder;
}

static void unlink_folder(struct folders *folders, struct folder *folder) {
    struct folder **link = list_of(folders, folder->parent);
    while (*link != folder) link = &(*link)->next;
    *link = folder->next;
    folder->next = NULL;
}

bool folders_move(struct folders *folders, struct folder *folder, struct folder *parent, const char *name) {
    char *copy = strdup(name);
    if (!copy) return false;
    unlink_folder(folders, folder);
    free(folder->name);
    folder->name = copy;
    folder->parent = parent;
    struct folder **list = list_of(folders, parent);
    folder->next = *list;
    *list = folder;
    return true;
}

static void forget_tree(struct folders *folders, struct folder *folder, void (*removed)(void *context, int wd),
                        void *context) {
    int wd = folder->wd;
    folders->all--;
    forget_wd(folders, folder);
    if (wd >= 0 && removed) removed(context, wd);
    for (struct folder *child = folder->children; child; child = child->next)
        forget_tree(folders, child, removed, context);
}

void folders_remove(struct folders *folders, struct folder *folder, void (*removed)(void *context, int wd),
                    void *context) {
    forget_tree(folders, folder, removed, context);
    unlink_folder(folders, folder);
    free_tree(folder);
}

char *folders_path(const struct folder *folder, const char *name) {
    size_t n = name ? strlen(name) + 1 : 0;
    for (const struct folder *f = folder; f; f = f->parent) n += strlen(f->name) + (f->parent != NULL);
    char *path = malloc(n + 1);
    if (!path) return NULL;
    path[n] = '\0';
    if (name) {
        n -= strlen(name);
        memcpy(path + n, name, strlen(name));
        path[--n] = '/';
    }
    for (const struct folder *f = folder; f; f = f->parent) {
        size_t length = strlen(f->name);
        n -= length;
        memcpy(path + n, f->name, length);
        if (f->parent) path[--n] = '/';
    }
    return path;
}

size_t folders_watched(const struct folders *folders) {
    return folders->watched;
}

size_t folders_unwatched(const struct folders *folders) {
    return folders->all - folders->watched;
}
