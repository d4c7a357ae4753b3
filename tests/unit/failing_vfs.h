/* An SQLite file system that can be told to fail: everything goes to the default one, until a write or sync is to fail.
 * While installed it is the default. */
#ifndef SONDE_TESTS_FAILING_VFS_H
#define SONDE_TESTS_FAILING_VFS_H

#include <stdbool.h>

void failing_vfs_install(void);
void failing_vfs_remove(void);

/* The nth write, truncation or sync from now on fails once, with an errno value; 0: none does. Any thread. */
void failing_vfs_fail_write(int nth, int code);

/* Every write fails with ENOSPC until told otherwise. Any thread. */
void failing_vfs_fill_disk(bool full);

/* Failures since the last failing_vfs_fail_write. */
int failing_vfs_failures(void);

#endif
