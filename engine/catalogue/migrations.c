#include "engine/catalogue/migrations.h"

#include "engine/catalogue/vectors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool run(sqlite3 *db, const char *sql, const char *name, struct error *error) {
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK) return true;
    return error_set(error, "migration %s failed: %s", name, sqlite3_errmsg(db));
}

static bool references_hold(sqlite3 *db, const char *name, struct error *error) {
    sqlite3_stmt *check = NULL;
    if (sqlite3_prepare_v2(db, "PRAGMA foreign_key_check", -1, &check, NULL) != SQLITE_OK)
        return error_set(error, "migration %s: can't check references: %s", name, sqlite3_errmsg(db));
    int code = sqlite3_step(check);
    if (code == SQLITE_ROW)
        error_set(error, "migration %s would leave references of the table %s without their target", name,
                  (const char *)sqlite3_column_text(check, 0));
    else if (code != SQLITE_DONE)
        error_set(error, "migration %s: can't check references: %s", name, sqlite3_errmsg(db));
    sqlite3_finalize(check);
    return code == SQLITE_DONE;
}

static bool apply_one(sqlite3 *db, const struct migration *migration, int version, struct error *error) {
    char stamp[120];
    snprintf(stamp, sizeof stamp, "PRAGMA application_id = %d; PRAGMA user_version = %d", CATALOGUE_APPLICATION_ID,
             version);
    if (!run(db, "BEGIN IMMEDIATE", migration->name, error)) return false;
    if (run(db, migration->sql, migration->name, error) && run(db, stamp, migration->name, error) &&
        references_hold(db, migration->name, error) && run(db, "COMMIT", migration->name, error))
        return true;
    if (!sqlite3_get_autocommit(db)) (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return false;
}

bool migrations_apply(sqlite3 *db, int version, int target, struct error *error) {
    if (version < target && !vectors_register(db, error)) return false;
    for (int i = version; i < target; i++)
        if (!apply_one(db, &migrations[i], i + 1, error)) return false;
    return true;
}

static bool sync_file(const char *path, struct error *error) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return error_system(error, errno, "can't open %s", path);
    bool fine = fsync(fd) == 0;
    if (!fine) error_system(error, errno, "can't write %s", path);
    close(fd);
    return fine;
}

static bool vacuum_into(sqlite3 *db, const char *part, struct error *error) {
    char *sql = sqlite3_mprintf("VACUUM INTO %Q", part);
    if (!sql) return error_memory(error);
    bool fine = sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK;
    if (!fine) error_set(error, "can't write the backup %s: %s", part, sqlite3_errmsg(db));
    sqlite3_free(sql);
    return fine && sync_file(part, error);
}

bool migrations_backup(sqlite3 *db, const char *to, struct error *error) {
    if (access(to, F_OK) == 0) return error_system(error, EEXIST, "can't write the backup %s", to);
    char *part = sqlite3_mprintf("%s.sonde-part", to);
    if (!part) return error_memory(error);
    (void)unlink(part); /* of an attempt that was cut short */
    bool fine = vacuum_into(db, part, error);
    /* link never overwrites; not all file systems have it */
    if (fine && link(part, to) != 0 && (errno == EEXIST || rename(part, to) != 0))
        fine = error_system(error, errno, "can't write the backup %s", to);
    (void)unlink(part);
    sqlite3_free(part);
    return fine;
}
