/* The parts of a path, as they are written: nobody asks a file system. Any thread. */
#ifndef SONDE_BASE_PATH_H
#define SONDE_BASE_PATH_H

/* What follows the last slash; all of it where there is none. */
const char *path_name(const char *path);

/* The folder that it lies in, without a slash at the end: "." where no slash says another, "/" for what lies at the root. Caller
 * frees; NULL: out of memory. */
char *path_folder(const char *path);

#endif
