#include "engine/catalogue/catalogue.h"

#include "engine/base/path.h"
#include "engine/catalogue/lock.h"
#include "engine/catalogue/migrations.h"
#include "engine/catalogue/ruleset.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAMAGED                                                                                                        \
    "%s is damaged (%s). It was left as it is: restore a backup, or save what can be saved with "                      \
    "`sonde catalogue recover NEW-FILE`"

struct cached {
    const char *sql; /* the constant itself is the key */
    sqlite3_stmt *statement;
};

struct catalogue {
    sqlite3 *db;
    char *path;
    int lock; /* descriptor, or -1 */
    bool writable;
    bool damaged; /* found so while it was open */
    struct cached *cache;
    size_t cached, room;
    struct ruleset *rules;
};

bool catalogue_owns(const char *catalogue, const char *path) {
    static const char *const parts[] = {"", "-wal", "-shm", "-journal", ".lock", ".control"}, backup[] = ".backup-v";
    size_t n = strlen(catalogue);
    if (strncmp(path, catalogue, n) != 0) return false;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strcmp(path + n, parts[i]) == 0) return true;
    return strncmp(path + n, backup, sizeof backup - 1) == 0;
}

int catalogue_version(void) {
    return migrations_count;
}

sqlite3 *catalogue_db(const struct catalogue *catalogue) {
    return catalogue->db;
}

const char *catalogue_path(const struct catalogue *catalogue) {
    return catalogue->path;
}

struct ruleset **catalogue_rules(struct catalogue *catalogue) {
    return &catalogue->rules;
}

/* ------------------------------------------------------------------------------------------------------ statements */

static int error_code(sqlite3 *db) {
    int system = sqlite3_system_errno(db);
    switch (sqlite3_errcode(db) & 0xff) {
    case SQLITE_FULL: return ENOSPC;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return EBUSY;
    case SQLITE_IOERR: return system == ENOSPC || system == EDQUOT || system == EFBIG ? ENOSPC : EIO;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return ENOTRECOVERABLE;
    case SQLITE_READONLY:
    case SQLITE_PERM: return EROFS;
    case SQLITE_CANTOPEN: return ENOENT;
    case SQLITE_NOMEM: return ENOMEM;
    default: return EINVAL;
    }
}

static bool failed(sqlite3 *db, struct error *error, const char *doing) {
    int code = error_code(db);
    error_set(error, "%s: %s", doing, sqlite3_errmsg(db));
    if (error) error->code = code;
    return false;
}

bool catalogue_failed(struct catalogue *catalogue, struct error *error, const char *doing) {
    catalogue->damaged |= error_code(catalogue->db) == ENOTRECOVERABLE;
    return failed(catalogue->db, error, doing);
}

sqlite3_stmt *catalogue_statement(struct catalogue *catalogue, const char *sql, struct error *error) {
    for (size_t i = 0; i < catalogue->cached; i++) {
        if (catalogue->cache[i].sql != sql) continue;
        sqlite3_stmt *found = catalogue->cache[i].statement;
        (void)sqlite3_reset(found); /* repeats the error of the last step, which was reported then */
        (void)sqlite3_clear_bindings(found);
        return found;
    }
    if (catalogue->cached == catalogue->room) {
        size_t room = catalogue->room ? 2 * catalogue->room : 32;
        struct cached *grown = realloc(catalogue->cache, room * sizeof *grown);
        if (!grown) return error_memory(error), NULL;
        catalogue->cache = grown;
        catalogue->room = room;
    }
    sqlite3_stmt *made = NULL;
    if (sqlite3_prepare_v3(catalogue->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &made, NULL) != SQLITE_OK)
        return catalogue_failed(catalogue, error, "can't use the catalogue"), NULL;
    catalogue->cache[catalogue->cached++] = (struct cached){sql, made};
    return made;
}

void catalogue_forget_statements(struct catalogue *catalogue) {
    for (size_t i = 0; i < catalogue->cached; i++) sqlite3_finalize(catalogue->cache[i].statement);
    catalogue->cached = 0;
}

bool catalogue_execute(struct catalogue *catalogue, const char *sql, struct error *error) {
    if (sqlite3_exec(catalogue->db, sql, NULL, NULL, NULL) == SQLITE_OK) return true;
    return catalogue_failed(catalogue, error, "can't use the catalogue");
}

bool catalogue_in_place(struct catalogue *catalogue, struct error *error) {
    int moved = 0;
    (void)sqlite3_file_control(catalogue->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    if (!moved) return true;
    error_set(error, "%.400s has been moved, deleted or replaced", catalogue->path);
    if (error) error->code = ESTALE;
    return false;
}

/* The first column of the first row; `fallback` when there is none, or on failure. */
static int64_t pragma_integer(sqlite3 *db, const char *sql, int64_t fallback) {
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK) return fallback;
    int64_t value = sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : fallback;
    sqlite3_finalize(statement);
    return value;
}

/* False with what it found wrong, when the pragma's first row is other than "ok". */
static bool check(struct catalogue *catalogue, const char *pragma, struct error *error) {
    sqlite3_stmt *statement = NULL;
    bool sound = false;
    if (sqlite3_prepare_v2(catalogue->db, pragma, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW) {
        const char *said = (const char *)sqlite3_column_text(statement, 0);
        sound = said && strcmp(said, "ok") == 0;
        if (!sound) error_set(error, DAMAGED, catalogue->path, said ? said : "unreadable");
    } else {
        error_set(error, DAMAGED, catalogue->path, sqlite3_errmsg(catalogue->db));
    }
    catalogue->damaged |= !sound;
    if (!sound && error) error->code = ENOTRECOVERABLE;
    sqlite3_finalize(statement);
    return sound;
}

bool catalogue_check_integrity(struct catalogue *catalogue, struct error *error) {
    return check(catalogue, "PRAGMA integrity_check(1)", error);
}

/* ---------------------------------------------------------------------------------------------------------- opening */

/* The path of a file that may be missing, with the links of its folder followed. */
static char *resolve_folder(const char *path, struct error *error) {
    char *whole = NULL;
    char *folder = path_folder(path);
    char *resolved = folder ? realpath(folder, NULL) : NULL;
    if (!resolved) error_system(error, errno, "can't open the folder of the catalogue %s", path);
    free(folder);
    if (!resolved) return NULL;
    if (asprintf(&whole, "%s/%s", strcmp(resolved, "/") == 0 ? "" : resolved, path_name(path)) < 0) {
        whole = NULL;
        error_memory(error);
    }
    free(resolved);
    return whole;
}

/* Whether `path` (in a resolved folder) is a link; *target (to free) is then what it points at, seen from here. */
static bool read_link(const char *path, char **target) {
    char points[PATH_MAX];
    const ssize_t n = readlink(path, points, sizeof points - 1);
    *target = NULL;
    if (n <= 0) return false;
    points[n] = '\0';
    const int folder = points[0] == '/' ? 0 : (int)(strrchr(path, '/') - path) + 1;
    if (asprintf(target, "%.*s%s", folder, path, points) < 0) *target = NULL;
    return true;
}

enum { LINKS_MAX = 40 }; /* as many as Linux follows */

/* The path with all links followed, so that two names of one catalogue share a lock. The file itself may be missing, also
 * where a link points at it. */
static char *resolve(const char *path, struct error *error) {
    char *whole = realpath(path, NULL);
    if (whole) return whole;
    if (errno != ENOENT) return error_system(error, errno, "can't open the catalogue %s", path), NULL;
    whole = resolve_folder(path, error);
    for (int links = 0; whole && links < LINKS_MAX; links++) {
        char *target = NULL;
        if (!read_link(whole, &target)) return whole;
        free(whole);
        if (!target) return error_memory(error), NULL;
        whole = resolve_folder(target, error);
        free(target);
    }
    if (whole) error_system(error, ELOOP, "can't open the catalogue %s", path);
    free(whole);
    return NULL;
}

/* Makes the folders above `path`. */
static bool make_folders(const char *path, struct error *error) {
    char *copy = strdup(path);
    if (!copy) return error_memory(error);
    bool fine = true;
    for (char *slash = strchr(copy + 1, '/'); copy[0] && slash && fine; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(copy, 0755) != 0 && errno != EEXIST)
            fine = error_system(error, errno, "can't make the folder %s for the catalogue", copy);
        *slash = '/';
    }
    free(copy);
    return fine;
}

/* Refuses what isn't an SQLite file before SQLite sees it. A missing or empty file is fine: *empty is true. */
static bool check_magic(const char *path, bool *empty, struct error *error) {
    char magic[16] = "";
    struct stat stat;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    *empty = fd < 0 && errno == ENOENT;
    if (fd < 0) return *empty || error_system(error, errno, "can't open the catalogue %s", path);
    bool fine = fstat(fd, &stat) == 0;
    if (!fine) error_system(error, errno, "can't open the catalogue %s", path);
    if (fine && !S_ISREG(stat.st_mode)) fine = error_set(error, "%s is not a file: name another catalogue", path);
    *empty = fine && stat.st_size == 0;
    if (fine && !*empty) {
        ssize_t n = pread(fd, magic, sizeof magic, 0);
        if (n < 0)
            fine = error_system(error, errno, "can't read the catalogue %s", path);
        else if (n != sizeof magic || memcmp(magic, "SQLite format 3", 16) != 0)
            fine = error_set(error,
                             "%s is not a catalogue of sonde (nor an SQLite file, or its head is damaged); it was "
                             "left as it is",
                             path);
    }
    close(fd);
    return fine;
}

/* Everything that a connection needs before its first statement. (The schema must be trusted: SQLite 3.40 counts
 * json_valid among the functions that an untrusted one may not use.) */
static bool configure(struct catalogue *catalogue, struct error *error) {
    sqlite3 *db = catalogue->db;
    (void)sqlite3_extended_result_codes(db, 1);
    (void)sqlite3_busy_timeout(db, 15000);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    return catalogue_execute(catalogue, "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY",
                             error);
}

/* Tells a catalogue from other databases and from other versions. */
static bool check_kind(struct catalogue *catalogue, bool empty, int *version, struct error *error) {
    sqlite3_stmt *probe = NULL;
    *version = 0;
    if (empty) return true;
    if (sqlite3_prepare_v2(catalogue->db, "SELECT count(*) FROM sqlite_schema", -1, &probe, NULL) != SQLITE_OK ||
        sqlite3_step(probe) != SQLITE_ROW) {
        int code = error_code(catalogue->db);
        if (code == ENOTRECOVERABLE)
            error_set(error, DAMAGED, catalogue->path, sqlite3_errmsg(catalogue->db));
        else
            error_set(error, "can't read the catalogue %s: %s", catalogue->path, sqlite3_errmsg(catalogue->db));
        if (error) error->code = code;
        sqlite3_finalize(probe);
        return false;
    }
    bool blank = sqlite3_column_int64(probe, 0) == 0;
    sqlite3_finalize(probe);
    int64_t id = pragma_integer(catalogue->db, "PRAGMA application_id", 0);
    *version = (int)pragma_integer(catalogue->db, "PRAGMA user_version", 0);
    if (blank && id == 0 && *version == 0) return true;
    if (id != CATALOGUE_APPLICATION_ID || *version < 1)
        return error_set(error, "%s is a database of another program, not a catalogue of sonde; it was left as it is",
                         catalogue->path);
    if (*version > migrations_count)
        return error_set(
            error,
            "%s comes from a newer sonde (its version is %d, this program knows up to %d): use that sonde, "
            "or another catalogue; it was left as it is",
            catalogue->path, *version, migrations_count);
    return true;
}

static bool upgrade(struct catalogue *catalogue, int version, struct error *error) {
    if (version == migrations_count) return true;
    if (version > 0) {
        char *backup = NULL;
        for (int n = 1; n < 1000; n++) {
            free(backup);
            if ((n == 1 ? asprintf(&backup, "%s.backup-v%d", catalogue->path, version)
                        : asprintf(&backup, "%s.backup-v%d-%d", catalogue->path, version, n)) < 0)
                return error_memory(error);
            if (access(backup, F_OK) != 0) break;
        }
        bool saved = migrations_backup(catalogue->db, backup, error);
        free(backup);
        if (!saved) return false;
    }
    return migrations_apply(catalogue->db, version, migrations_count, error);
}

static bool is_small(const char *path) {
    struct stat about;
    return stat(path, &about) != 0 || about.st_size <= CATALOGUE_SMALL;
}

static bool open_writer(struct catalogue *catalogue, struct error *error) {
    bool empty = false, untouched = false;
    int version = 0;
    if (!lock_local(catalogue->path, error)) return false;
    catalogue->lock = lock_take(catalogue->path, &untouched, error);
    if (catalogue->lock < 0) return false;
    if (!check_magic(catalogue->path, &empty, error)) return false;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(catalogue->path, &catalogue->db, flags, NULL) != SQLITE_OK)
        return failed(catalogue->db, error, "can't open the catalogue");
    if (!configure(catalogue, error) || !check_kind(catalogue, empty, &version, error)) return false;
    if (sqlite3_db_readonly(catalogue->db, "main") == 1) {
        if (error) error->code = EROFS;
        return error_set(error,
                         "the catalogue %s can't be written: change its permissions, or name another with --catalogue",
                         catalogue->path);
    }
    if (version > 0 && !(untouched && !is_small(catalogue->path)) && !check(catalogue, "PRAGMA quick_check(1)", error))
        return false;
    if (!upgrade(catalogue, version, error)) return false;
    /* Most of what passes through the cache is arrays, which nobody reads again here: a larger one would only fill up. */
    return catalogue_execute(catalogue,
                             "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;"
                             "PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -8000",
                             error);
}

/* A file name as an SQLite URI. */
static char *uri_of(const char *path, const char *parameters) {
    char *uri = malloc(3 * strlen(path) + strlen(parameters) + 10);
    if (!uri) return NULL;
    char *out = uri + sprintf(uri, "file:");
    for (const char *c = path; *c; c++) {
        if (strchr("%?#", *c))
            out += sprintf(out, "%%%02X", (unsigned char)*c);
        else
            *out++ = *c;
    }
    strcpy(out, parameters);
    return uri;
}

/* A connection with these flags that has read the file's schema. */
static bool try_reading(struct catalogue *catalogue, int flags, const char *parameters, struct error *error) {
    char *uri = uri_of(catalogue->path, parameters);
    if (!uri) return error_memory(error);
    (void)sqlite3_close(catalogue->db);
    catalogue->db = NULL;
    int code = sqlite3_open_v2(uri, &catalogue->db, flags | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
    free(uri);
    if (code != SQLITE_OK) return failed(catalogue->db, error, "can't open the catalogue");
    if (!configure(catalogue, error)) return false;
    return catalogue_execute(catalogue, "SELECT count(*) FROM sqlite_schema", error);
}

/* Opened read-write where possible, with writing forbidden: the last of several connections tidies the log away, which
 * a read-only one couldn't. On read-only media without a log nothing can change, and SQLite may rely on it. */
static bool open_reader(struct catalogue *catalogue, struct error *error) {
    bool empty = false;
    int version = 0;
    char *wal = NULL;
    if (!check_magic(catalogue->path, &empty, error)) return false;
    if (empty)
        return error_set(error, "there is no catalogue at %s yet: `sonde analyze FOLDER` makes one", catalogue->path);
    bool open = try_reading(catalogue, SQLITE_OPEN_READWRITE, "", error) ||
                try_reading(catalogue, SQLITE_OPEN_READONLY, "", error);
    if (!open && error_code(catalogue->db) != ENOTRECOVERABLE && asprintf(&wal, "%s-wal", catalogue->path) > 0) {
        if (access(wal, F_OK) != 0) open = try_reading(catalogue, SQLITE_OPEN_READONLY, "?immutable=1", error);
        free(wal);
    }
    if (!open && error_code(catalogue->db) != ENOTRECOVERABLE) return false;
    if (!check_kind(catalogue, false, &version, error)) return false;
    if (version < migrations_count)
        return error_set(error,
                         "%s is from an older sonde (version %d, this program needs %d): the next `sonde analyze` "
                         "upgrades it and keeps a backup",
                         catalogue->path, version, migrations_count);
    /* A question reads most pages once. More memory to keep them in costs more than reading the others again: it has to be
     * given by the system, page by page, and taken back at the end. */
    return catalogue_execute(catalogue, "PRAGMA query_only = ON; PRAGMA cache_size = -4000", error);
}

struct catalogue *catalogue_open(const char *path, enum catalogue_mode mode, struct error *error) {
    if (mode == CATALOGUE_WRITE && !make_folders(path, error)) return NULL;
    struct catalogue *catalogue = calloc(1, sizeof *catalogue);
    if (!catalogue) return error_memory(error), NULL;
    catalogue->lock = -1;
    catalogue->writable = mode == CATALOGUE_WRITE;
    if (mode == CATALOGUE_READ && access(path, F_OK) != 0 && errno == ENOENT)
        error_set(error, "there is no catalogue at %s yet: `sonde analyze FOLDER` makes one", path);
    else
        catalogue->path = resolve(path, error);
    if (catalogue->path && (mode == CATALOGUE_WRITE ? open_writer : open_reader)(catalogue, error)) return catalogue;
    catalogue->writable = false;
    catalogue_close(catalogue);
    return NULL;
}

/* Whether something is left that isn't in the file itself. */
static bool has_log(const char *path) {
    char *wal = NULL;
    struct stat about;
    bool has = asprintf(&wal, "%s-wal", path) < 0 || (stat(wal, &about) == 0 && about.st_size > 0);
    free(wal);
    return has;
}

void catalogue_close(struct catalogue *catalogue) {
    if (!catalogue) return;
    catalogue_forget_statements(catalogue);
    free(catalogue->cache);
    ruleset_free(catalogue->rules);
    if (catalogue->writable) {
        (void)sqlite3_wal_checkpoint_v2(catalogue->db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    }
    bool sound = catalogue->writable && !catalogue->damaged;
    sound = sqlite3_close(catalogue->db) == SQLITE_OK && sound && !has_log(catalogue->path);
    lock_release(catalogue->lock, sound ? catalogue->path : NULL);
    free(catalogue->path);
    free(catalogue);
}

bool catalogue_writer_pid(const char *path, int64_t *pid) {
    char *resolved = resolve(path, NULL);
    bool held = resolved && lock_holder(resolved, pid);
    free(resolved);
    return held;
}
