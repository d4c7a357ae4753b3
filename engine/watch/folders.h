/* The tree of watched folders, each with its inotify watch descriptor: from a descriptor to a path, through renames.
 * One thread. */
#ifndef SONDE_WATCH_FOLDERS_H
#define SONDE_WATCH_FOLDERS_H

#include "engine/base/error.h"

#include <stddef.h>

struct folders;

struct folder {
    struct folder *parent; /* NULL: a root */
    struct folder *children, *next;
    int wd;     /* -1: not watched (limit reached, or its file system has to be swept) */
    char *name; /* of a root: its absolute path */
};

struct folders *folders_new(void); /* NULL: out of memory */
void folders_free(struct folders *folders);

/* The folder behind a watch descriptor, or NULL. */
struct folder *folders_by_wd(const struct folders *folders, int wd);

/* The child of that name, or NULL. */
struct folder *folders_child(const struct folder *folder, const char *name);

/* A new folder below `parent` (NULL: a new root). NULL: out of memory. */
struct folder *folders_add(struct folders *folders, struct folder *parent, const char *name, int wd);

/* Ties a descriptor to a folder that had none. False: out of memory. */
bool folders_set_wd(struct folders *folders, struct folder *folder, int wd);

/* Hangs a folder under another parent with another name. False: out of memory, and nothing has changed. */
bool folders_move(struct folders *folders, struct folder *folder, struct folder *parent, const char *name);

/* Takes a folder and all below it out; `removed` is called with each descriptor that was in use. */
void folders_remove(struct folders *folders, struct folder *folder, void (*removed)(void *context, int wd),
                    void *context);

/* "PATH OF FOLDER/NAME" (name NULL: the folder itself). Caller frees; NULL: out of memory. */
char *folders_path(const struct folder *folder, const char *name);

/* How many folders hold a descriptor. */
size_t folders_watched(const struct folders *folders);

/* How many do not. */
size_t folders_unwatched(const struct folders *folders);

#endif
