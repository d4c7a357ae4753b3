#include "tests/unit/failing_vfs.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static sqlite3_vfs failing, *real;
static atomic_int countdown, failure_code, failures;
static atomic_bool disk_full;

struct file {
    sqlite3_file base;
    sqlite3_file *inner; /* behind this struct */
};

static sqlite3_file *inner(sqlite3_file *file) {
    return ((struct file *)file)->inner;
}

/* SQLite's code when this write is to fail, else 0. */
static int due(int plain) {
    if (atomic_load(&disk_full)) {
        atomic_fetch_add(&failures, 1);
        return SQLITE_FULL;
    }
    if (atomic_load(&countdown) <= 0 || atomic_fetch_sub(&countdown, 1) != 1) return 0;
    atomic_fetch_add(&failures, 1);
    return atomic_load(&failure_code) == ENOSPC ? SQLITE_FULL : plain;
}

static int x_close(sqlite3_file *f) {
    int code = inner(f)->pMethods ? inner(f)->pMethods->xClose(inner(f)) : SQLITE_OK;
    f->pMethods = NULL;
    return code;
}
static int x_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at) {
    return inner(f)->pMethods->xRead(inner(f), to, n, at);
}
static int x_write(sqlite3_file *f, const void *from, int n, sqlite3_int64 at) {
    int code = due(SQLITE_IOERR_WRITE);
    return code ? code : inner(f)->pMethods->xWrite(inner(f), from, n, at);
}
static int x_truncate(sqlite3_file *f, sqlite3_int64 size) {
    int code = due(SQLITE_IOERR_TRUNCATE);
    return code ? code : inner(f)->pMethods->xTruncate(inner(f), size);
}
static int x_sync(sqlite3_file *f, int flags) {
    int code = due(SQLITE_IOERR_FSYNC);
    return code ? code : inner(f)->pMethods->xSync(inner(f), flags);
}
static int x_size(sqlite3_file *f, sqlite3_int64 *size) {
    return inner(f)->pMethods->xFileSize(inner(f), size);
}
static int x_lock(sqlite3_file *f, int lock) {
    return inner(f)->pMethods->xLock(inner(f), lock);
}
static int x_unlock(sqlite3_file *f, int lock) {
    return inner(f)->pMethods->xUnlock(inner(f), lock);
}
static int x_reserved(sqlite3_file *f, int *out) {
    return inner(f)->pMethods->xCheckReservedLock(inner(f), out);
}
static int x_control(sqlite3_file *f, int op, void *arg) {
    return inner(f)->pMethods->xFileControl(inner(f), op, arg);
}
static int x_sector(sqlite3_file *f) {
    return inner(f)->pMethods->xSectorSize(inner(f));
}
static int x_characteristics(sqlite3_file *f) {
    return inner(f)->pMethods->xDeviceCharacteristics(inner(f));
}
static int x_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out) {
    return inner(f)->pMethods->xShmMap(inner(f), page, size, extend, out);
}
static int x_shm_lock(sqlite3_file *f, int offset, int n, int flags) {
    return inner(f)->pMethods->xShmLock(inner(f), offset, n, flags);
}
static void x_shm_barrier(sqlite3_file *f) {
    inner(f)->pMethods->xShmBarrier(inner(f));
}
static int x_shm_unmap(sqlite3_file *f, int remove) {
    return inner(f)->pMethods->xShmUnmap(inner(f), remove);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = x_close,
    .xRead = x_read,
    .xWrite = x_write,
    .xTruncate = x_truncate,
    .xSync = x_sync,
    .xFileSize = x_size,
    .xLock = x_lock,
    .xUnlock = x_unlock,
    .xCheckReservedLock = x_reserved,
    .xFileControl = x_control,
    .xSectorSize = x_sector,
    .xDeviceCharacteristics = x_characteristics,
    .xShmMap = x_shm_map,
    .xShmLock = x_shm_lock,
    .xShmBarrier = x_shm_barrier,
    .xShmUnmap = x_shm_unmap,
};

static int x_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out_flags) {
    (void)vfs;
    struct file *file = (struct file *)f;
    file->inner = (sqlite3_file *)(file + 1);
    int code = real->xOpen(real, name, file->inner, flags, out_flags);
    f->pMethods = file->inner->pMethods ? &methods : NULL;
    return code;
}

void failing_vfs_install(void) {
    real = sqlite3_vfs_find("unix");
    if (!real) abort();
    failing = *real;
    failing.szOsFile = (int)sizeof(struct file) + real->szOsFile;
    failing.zName = "failing";
    failing.xOpen = x_open;
    failing_vfs_fail_write(0, 0);
    failing_vfs_fill_disk(false);
    if (sqlite3_vfs_register(&failing, 1) != SQLITE_OK) abort();
}

void failing_vfs_remove(void) {
    (void)sqlite3_vfs_unregister(&failing);
    (void)sqlite3_vfs_register(real, 1);
}

void failing_vfs_fail_write(int nth, int code) {
    atomic_store(&failures, 0);
    atomic_store(&failure_code, code);
    atomic_store(&countdown, nth);
}

void failing_vfs_fill_disk(bool full) {
    atomic_store(&disk_full, full);
}

int failing_vfs_failures(void) {
    return atomic_load(&failures);
}
