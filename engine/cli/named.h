/* The paths that were named on a command line, as the catalogue has them. */
#ifndef SONDE_CLI_NAMED_H
#define SONDE_CLI_NAMED_H

#include <stdbool.h>

/* `path` made absolute. With `resolved`, and always where it leads up again (".."), the links among its folders are followed; so
 * is the last name where it is a folder, while a link to a file keeps its own: a file is known by the name it is found under.
 * What can't be followed, for it is gone, stays as it is. Without both no file system is asked, for it might hang. Caller frees;
 * NULL: out of memory, or the current folder is gone. */
char *named_path(const char *path, bool resolved);

#endif
