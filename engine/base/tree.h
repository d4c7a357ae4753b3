/* Folders of sonde's own, removed with all that is in them. Any thread. */
#ifndef SONDE_BASE_TREE_H
#define SONDE_BASE_TREE_H

/* Removes `name` in the open folder `parent` (or AT_FDCWD), a file or a folder with everything below it, as far as that can
 * be done; 16 levels deep at most. Links are removed, never followed. */
void tree_remove(int parent, const char *name);

#endif
