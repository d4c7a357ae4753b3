/* Which files a watched folder is about, and which are junk.
 *
 * Rules are globs (fnmatch), tried in order; the last that matches decides:
 *   - built in: hidden names, .DS_Store, Thumbs.db, *.part, *.partial, *.crdownload, *.download, *.tmp, *~, .~lock* are out;
 *   - `exclude` and `include` from the configuration and the command line, separated by spaces or colons: when there are
 *     includes, a file that matches none of them is out;
 *   - a file `.sondeignore` in any folder: one glob a line, `#` begins a comment, `!` lets in again, a `/` at the end means
 *     folders only, a `/` elsewhere ties the glob to that folder, else it holds for all names below it.
 *
 * Paths are bytes. One thread. */
#ifndef SONDE_WATCH_IGNORE_H
#define SONDE_WATCH_IGNORE_H

#include "engine/base/error.h"

#include <stddef.h>

#define IGNORE_FILE ".sondeignore"

struct ignore;

/* `hidden`: whether names that begin with a dot count. `include` and `exclude` may be NULL. NULL: out of memory. */
struct ignore *ignore_new(bool hidden, const char *include, const char *exclude);
void ignore_free(struct ignore *ignore);

/* Reads (again) the rules of `folder`/.sondeignore, replacing those read from it before; a missing file has none. At most
 * 64 KiB of it count. False: out of memory. */
bool ignore_read_folder(struct ignore *ignore, const char *folder);

/* The same from the file's text, for whoever has read it. */
bool ignore_set_folder(struct ignore *ignore, const char *folder, const char *text);

/* Forgets the rules of `folder` and of all folders below it. */
void ignore_forget_folder(struct ignore *ignore, const char *folder);

/* Whether the file or folder at `path` (absolute, zero-terminated) is out. Only its own name and the rules of the folders
 * above it are looked at: a walk that doesn't enter a folder that is out needs no more. */
bool ignore_matches(const struct ignore *ignore, const char *path, bool is_folder);

/* Whether it or a folder between it and its root, whose path has `root` bytes, is out: for whoever did not walk there. */
bool ignore_matches_below(const struct ignore *ignore, const char *path, size_t root, bool is_folder);

#endif
