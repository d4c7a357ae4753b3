/* Private copies of plugin libraries, named by their content.
 *
 * An engine loads plugins from copies in its own folder (engine/ipc/run_folder.h), never from where users keep them: so what
 * was looked at is what runs, for as long as the engine lives, whatever becomes of the file; a plugin can be replaced under
 * a running engine, and what is under way ends on the old copy. The copy of DIR/NAME.so is FOLDER/plugins/HASH/NAME.so, with
 * the resources (a folder, or one file, which gets a folder NAME.so.resources of its own) beside it; HASH is of the library
 * and of all its resources. What is no text (UTF-8) in NAME is replaced in the copy's (text_display). Equal content is copied
 * once. Any thread. */
#ifndef SONDE_SCHEDULE_COPIES_H
#define SONDE_SCHEDULE_COPIES_H

#include "engine/base/error.h"
#include "engine/base/hash.h"

#include <stdint.h>

#define COPIES_RESOURCES_MAX ((uint64_t)64 << 20) /* bytes; larger resources are used where they are */
#define COPIES_FILES_MAX     1000                 /* ... and more files */
#define COPIES_DEPTH_MAX     8                    /* ... and deeper folders */

struct copy {
    char *path, *resources; /* what to load: copies, or (where none can be made) the originals; resources may be NULL */
    char library_hash[HASH_TEXT];   /* of the library */
    char resources_hash[HASH_TEXT]; /* of names, sizes and times of the resources; "" when those weren't copied */
    int64_t mtime_ns;               /* of the library */
    uint64_t size;
};

/* Copies a library and its resources (a folder, a file, or NULL: none) into `folder`, an existing private one. Where nothing can be copied to (a
 * full disk, a file system without permission to execute) the copy points to the originals. False with a sentence when the
 * library can't be read, or isn't a plain file with something in it. The caller clears. */
bool copies_take(const char *folder, const char *library, const char *resources, struct copy *copy,
                 struct error *error);
void copies_clear(struct copy *copy);

#endif
