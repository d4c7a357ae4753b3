/* Opening: locks, foreign, newer, damaged and read-only files, migrations with their backup, and a full disk. */
#include "tests/unit/catalogue_fixture.h"

#include "engine/catalogue/migrations.h"
#include "engine/catalogue/sql.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Opening must fail, and the sentence must contain this. */
static void refused(const char *path, enum catalogue_mode mode, const char *part) {
    struct error error = {0};
    struct catalogue *catalogue = catalogue_open(path, mode, &error);
    if (catalogue) fail_msg("%s was opened; expected: %s", path, part);
    if (!strstr(error.text, part)) fail_msg("\"%s\" doesn't say \"%s\"", error.text, part);
}

static struct catalogue *opened(const char *path, enum catalogue_mode mode) {
    struct error error = {0};
    struct catalogue *catalogue = catalogue_open(path, mode, &error);
    if (!catalogue) fail_msg("%s", error.text);
    return catalogue;
}

static void close_fixture(struct fixture *f) {
    catalogue_close(f->catalogue);
    f->catalogue = NULL;
}

static void write_file(const char *path, const void *data, size_t n) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static void fresh_catalogue(void **state) {
    struct fixture *f = *state;
    assert_int_equal(fixture_number(f, "PRAGMA application_id"), CATALOGUE_APPLICATION_ID);
    assert_int_equal(fixture_number(f, "PRAGMA user_version"), catalogue_version());
    assert_string_equal(fixture_text(f, "PRAGMA journal_mode"), "wal");
    assert_int_equal(fixture_number(f, "PRAGMA foreign_keys"), 1);
    assert_string_equal(fixture_text(f, "PRAGMA integrity_check"), "ok");
    close_fixture(f);
    char wal[160];
    snprintf(wal, sizeof wal, "%s-wal", f->path);
    assert_int_not_equal(access(wal, F_OK), 0);
    struct catalogue *reader = opened(f->path, CATALOGUE_READ);
    catalogue_close(reader);
    assert_int_not_equal(access(wal, F_OK), 0); /* a reader leaves none either */
    refused("/nonexistent/x.db", CATALOGUE_READ, "there is no catalogue at");
    refused("/proc/x/x.db", CATALOGUE_WRITE, "can't make the folder");
    refused(f->folder, CATALOGUE_WRITE, "is not a file");
}

static void folders_are_made(void **state) {
    struct fixture *f = *state;
    char path[160];
    snprintf(path, sizeof path, "%s/a/b c/d.db", f->folder);
    catalogue_close(opened(path, CATALOGUE_WRITE));
    assert_int_equal(access(path, F_OK), 0);
}

static void second_writer_is_told_who(void **state) {
    struct fixture *f = *state;
    char part[60], link[160];
    int64_t pid = 0;
    snprintf(part, sizeof part, "process %d", (int)getpid());
    refused(f->path, CATALOGUE_WRITE, part);
    snprintf(link, sizeof link, "%s/link.db", f->folder);
    assert_int_equal(symlink(f->path, link), 0);
    refused(link, CATALOGUE_WRITE, part); /* another name, the same catalogue */
    assert_true(catalogue_writer_pid(f->path, &pid));
    assert_int_equal(pid, getpid());
    catalogue_close(opened(f->path, CATALOGUE_READ)); /* readers don't mind */
    close_fixture(f);
    assert_false(catalogue_writer_pid(f->path, &pid));
    catalogue_close(opened(f->path, CATALOGUE_WRITE));
}

/* A link to a catalogue that isn't there yet names the same one once it is. */
static void a_link_to_nothing_yet(void **state) {
    struct fixture *f = *state;
    char first[160], second[160], part[60], path[160];
    snprintf(part, sizeof part, "process %d", (int)getpid());
    snprintf(path, sizeof path, "%s/folder", f->folder);
    assert_int_equal(mkdir(path, 0755), 0);
    snprintf(path, sizeof path, "%s/folder/new.db", f->folder);
    snprintf(first, sizeof first, "%s/folder/first.db", f->folder);
    snprintf(second, sizeof second, "%s/second.db", f->folder);
    assert_int_equal(symlink("new.db", first), 0); /* seen from the link's folder */
    assert_int_equal(symlink(first, second), 0);
    struct catalogue *catalogue = opened(second, CATALOGUE_WRITE);
    assert_string_equal(catalogue_path(catalogue) + strlen(catalogue_path(catalogue)) - 14, "/folder/new.db");
    refused(second, CATALOGUE_WRITE, part);
    refused(first, CATALOGUE_WRITE, part);
    refused(path, CATALOGUE_WRITE, part);
    catalogue_close(catalogue);
    snprintf(path, sizeof path, "%s/round.db", f->folder);
    assert_int_equal(symlink("round.db", path), 0);
    refused(path, CATALOGUE_WRITE, "symbolic links");
    snprintf(path, sizeof path, "%s/nowhere.db", f->folder);
    assert_int_equal(symlink("/nonexistent/x.db", path), 0);
    refused(path, CATALOGUE_WRITE, "can't open the folder");
}

static void a_killed_writer_leaves_no_lock(void **state) {
    struct fixture *f = *state;
    close_fixture(f);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char ready = catalogue_open(f->path, CATALOGUE_WRITE, NULL) ? 'y' : 'n';
        if (write(ends[1], &ready, 1) == 1) pause();
        _exit(1);
    }
    char ready = 0;
    assert_int_equal(read(ends[0], &ready, 1), 1);
    assert_int_equal(ready, 'y');
    char part[60];
    snprintf(part, sizeof part, "process %d", (int)child);
    refused(f->path, CATALOGUE_WRITE, part);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(ends[0]);
    close(ends[1]);
    f->catalogue = opened(f->path, CATALOGUE_WRITE);
}

static void foreign_and_newer_files_are_left_alone(void **state) {
    struct fixture *f = *state;
    char path[160];
    snprintf(path, sizeof path, "%s/other.db", f->folder);
    write_file(path, "This is a letter to my aunt, not a database.", 44);
    refused(path, CATALOGUE_WRITE, "is not a catalogue of sonde");
    refused(path, CATALOGUE_READ, "is not a catalogue of sonde");
    unlink(path);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE recipes (name); INSERT INTO recipes VALUES ('soup')", 0, 0, 0),
                     SQLITE_OK);
    sqlite3_close(db);
    refused(path, CATALOGUE_WRITE, "database of another program");
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "SELECT name FROM recipes", 0, 0, 0), SQLITE_OK);
    sqlite3_close(db);
    fixture_run(f, "PRAGMA user_version = 9999");
    close_fixture(f);
    refused(f->path, CATALOGUE_WRITE, "newer sonde");
    refused(f->path, CATALOGUE_READ, "newer sonde");
}

static void damage_is_detected(void **state) {
    struct fixture *f = *state;
    for (int i = 0; i < 200; i++) {
        char path[40];
        snprintf(path, sizeof path, "/s/%d.wav", i);
        struct fixture_file file = fixture_scan(f, path, path, path, 1);
        fixture_result(f, file.regions[0], "p", "i", "{\"x\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]}");
        fixture_finish(f, &file);
    }
    struct error error = {0};
    assert_true(catalogue_check_integrity(f->catalogue, &error));
    close_fixture(f);
    int fd = open(f->path, O_RDWR);
    struct stat stat_;
    assert_int_equal(fstat(fd, &stat_), 0);
    for (off_t at = 8192; at < stat_.st_size; at += 40960)
        assert_int_equal(pwrite(fd, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12, at), 12);
    close(fd);
    refused(f->path, CATALOGUE_WRITE, "is damaged");
    fd = open(f->path, O_RDWR); /* the file's very head */
    assert_int_equal(pwrite(fd, "XXXX", 4, 0), 4);
    close(fd);
    refused(f->path, CATALOGUE_WRITE, "its head is damaged");
}

/* A large catalogue that was closed cleanly and is as it was isn't read as a whole again; any other is. */
static void a_large_one_is_read_when_it_must_be(void **state) {
    struct fixture *f = *state;
    struct fixture_file file = fixture_scan(f, "/a.wav", "a", "a", 1);
    int64_t analysis = fixture_result(f, file.regions[0], "p", "i", "{}");
    char sql[200];
    snprintf(sql, sizeof sql, "INSERT INTO arrays VALUES (%lld, 'x', 'u8', '[]', '1', 0, 0, zeroblob(%d))",
             (long long)analysis, CATALOGUE_SMALL + 1);
    fixture_run(f, sql);
    close_fixture(f);
    struct stat before;
    assert_int_equal(stat(f->path, &before), 0);
    catalogue_close(opened(f->path, CATALOGUE_WRITE)); /* which takes the seal, and gives a new one */
    int fd = open(f->path, O_RDWR);
    assert_int_equal(fstat(fd, &before), 0);
    for (off_t at = 8192; at < 400000; at += 4096)
        assert_int_equal(pwrite(fd, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, at), 8);
    const struct timespec same[2] = {before.st_atim, before.st_mtim}, other[2] = {before.st_atim, {1, 1}};
    assert_int_equal(futimens(fd, same), 0);
    struct error error = {0};
    struct catalogue *unread = catalogue_open(f->path, CATALOGUE_WRITE, &error);
    if (unread) { /* damage that nobody could see without reading everything is found by the check, and then for good */
        assert_false(catalogue_check_integrity(unread, &error));
        catalogue_close(unread);
    }
    assert_non_null(strstr(error.text, "is damaged"));
    assert_int_equal(futimens(fd, other), 0);
    close(fd);
    refused(f->path, CATALOGUE_WRITE, "is damaged");
}

static void it_knows_its_own(void **state) {
    (void)state;
    static const char *const own[] = {"/a/x.db",         "/a/x.db-wal",  "/a/x.db-shm",       "/a/x.db-journal",
                                      "/a/x.db.control", "/a/x.db.lock", "/a/x.db.backup-v3", "/a/x.db.backup-v3-2"};
    static const char *const others[] = {"/a/x",    "/a/x.db.wav", "/a/x.db-1.wav",
                                         "/b/x.db", "/a/y.db-wal", "/a/x.db/b.wav"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) assert_true(catalogue_owns("/a/x.db", own[i]));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) assert_false(catalogue_owns("/a/x.db", others[i]));
}

/* Every prefix of the file: refused or opened, never a crash. */
static void truncated_catalogues(void **state) {
    struct fixture *f = *state;
    struct fixture_file file = fixture_scan(f, "/a.wav", "a", "a", 2);
    fixture_finish(f, &file);
    close_fixture(f);
    struct stat stat_;
    assert_int_equal(stat(f->path, &stat_), 0);
    for (off_t size = stat_.st_size - 4096; size > 0; size = size * 2 / 3) {
        assert_int_equal(truncate(f->path, size), 0);
        struct error error = {0};
        struct catalogue *catalogue = catalogue_open(f->path, CATALOGUE_WRITE, &error);
        if (catalogue) fail_msg("a catalogue cut to %lld bytes was opened", (long long)size);
        assert_true(strlen(error.text) > 20);
    }
}

static void read_only_media(void **state) {
    struct fixture *f = *state;
    if (geteuid() == 0) { /* root may write anything: be somebody else */
        close_fixture(f);
        assert_int_equal(chmod(f->path, 0444), 0);
        assert_int_equal(chmod(f->folder, 0555), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            if (setgid(65534) != 0 || setuid(65534) != 0) _exit(9);
            struct error error = {0};
            struct catalogue *reader = catalogue_open(f->path, CATALOGUE_READ, &error);
            if (!reader) _exit(1);
            int64_t n = -1;
            if (!sql_number(reader, &error, &n, "SELECT count(*) FROM files", "") || n != 0) _exit(2);
            if (sqlite3_exec(catalogue_db(reader), "DELETE FROM files", 0, 0, 0) == SQLITE_OK) _exit(3);
            catalogue_close(reader);
            if (catalogue_open(f->path, CATALOGUE_WRITE, &error)) _exit(4);
            _exit(strstr(error.text, "--catalogue") ? 0 : 5);
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    } else {
        struct catalogue *reader = opened(f->path, CATALOGUE_READ);
        assert_int_not_equal(sqlite3_exec(catalogue_db(reader), "DELETE FROM files", 0, 0, 0), SQLITE_OK);
        catalogue_close(reader);
    }
}

static void readers_see_commits_and_block_nobody(void **state) {
    struct fixture *f = *state;
    struct catalogue *reader = opened(f->path, CATALOGUE_READ);
    sqlite3_stmt *slow = NULL;
    struct fixture_file first = fixture_scan(f, "/a.wav", "a", "a", 1), second = fixture_scan(f, "/b.wav", "b", "b", 1);
    (void)first, (void)second;
    assert_int_equal(sqlite3_prepare_v2(catalogue_db(reader), "SELECT path FROM files", -1, &slow, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(slow), SQLITE_ROW); /* in the middle of reading */
    struct fixture_file third = fixture_scan(f, "/c.wav", "c", "c", 1);
    fixture_finish(f, &third);
    assert_int_equal(sqlite3_step(slow), SQLITE_ROW);
    assert_int_equal(sqlite3_step(slow), SQLITE_DONE); /* its own moment: two files */
    sqlite3_finalize(slow);
    int64_t n = 0;
    struct error error;
    assert_true(sql_number(reader, &error, &n, "SELECT count(*) FROM files", ""));
    assert_int_equal(n, 3);
    catalogue_close(reader);
}

static void upgrade_keeps_a_backup(void **state) {
    struct fixture *f = *state;
    struct fixture_file file = fixture_scan(f, "/a.wav", "a", "a", 1);
    fixture_finish(f, &file);
    char backup[160], neighbour[160], link[160], target[160];
    snprintf(backup, sizeof backup, "%s/copy.db", f->folder);
    snprintf(link, sizeof link, "%s/link.db", f->folder);
    snprintf(neighbour, sizeof neighbour, "%s/copy.db.part", f->folder);
    FILE *own = fopen(neighbour, "w"); /* a download of the user's, say */
    assert_non_null(own);
    assert_int_equal(fclose(own), 0);
    struct error error = {0};
    if (!migrations_backup(catalogue_db(f->catalogue), backup, &error)) fail_msg("%s", error.text);
    assert_false(migrations_backup(catalogue_db(f->catalogue), backup, &error)); /* never overwritten */
    assert_int_equal(access(neighbour, F_OK), 0);
    assert_int_equal(symlink("not there", link), 0);
    assert_false(migrations_backup(catalogue_db(f->catalogue), link, &error)); /* nor is what leads nowhere yet */
    assert_int_equal(readlink(link, target, sizeof target), strlen("not there"));
    struct catalogue *copy = opened(backup, CATALOGUE_READ);
    int64_t n = 0;
    assert_true(sql_number(copy, &error, &n, "SELECT count(*) FROM regions", ""));
    assert_int_equal(n, 1);
    catalogue_close(copy);
}

/* From every earlier version, with data in it, to the newest. (An earlier version's data is made with its own tables.) */
static void every_earlier_version_upgrades(void **state) {
    struct fixture *f = *state;
    for (int version = 1; version < catalogue_version(); version++) {
        char path[160], backup[180];
        sqlite3 *db = NULL;
        struct error error = {0};
        snprintf(path, sizeof path, "%s/v%d.db", f->folder, version);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        if (!migrations_apply(db, 0, version, &error)) fail_msg("%s", error.text);
        assert_int_equal(sqlite3_exec(db,
                                      "INSERT INTO files (path, path_text, name, status, size, mtime_ns, device, inode,"
                                      " added, seen) VALUES (x'2f61', '/a', 'a', 'done', 1, 1, 1, 1, 1, 1)",
                                      0, 0, 0),
                         SQLITE_OK);
        sqlite3_close(db);
        refused(path, CATALOGUE_READ, "older sonde");
        struct catalogue *catalogue = opened(path, CATALOGUE_WRITE);
        int64_t n = 0;
        assert_true(sql_number(catalogue, &error, &n, "SELECT count(*) FROM files", ""));
        assert_int_equal(n, 1);
        catalogue_close(catalogue);
        snprintf(backup, sizeof backup, "%s.backup-v%d", path, version);
        assert_int_equal(access(backup, F_OK), 0);
    }
    /* a migration that fails leaves the version before it, whole */
    char path[160];
    sqlite3 *db = NULL;
    struct error error = {0};
    snprintf(path, sizeof path, "%s/half.db", f->folder);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE VIEW sounds AS SELECT 1", 0, 0, 0), SQLITE_OK); /* in its way */
    assert_false(migrations_apply(db, 0, 1, &error));
    assert_non_null(strstr(error.text, "0001_catalogue.sql"));
    sqlite3_stmt *count = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT count(*) FROM sqlite_schema", -1, &count, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(count), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(count, 0), 1);
    sqlite3_finalize(count);
    sqlite3_close(db);
}

/* A real limit of the system instead of a simulated one: writes beyond 1 MiB fail. */
static void file_size_limit(void **state) {
    struct fixture *f = *state;
    close_fixture(f);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit limit = {1 << 20, 1 << 20};
        struct error error = {0};
        (void)signal(SIGXFSZ, SIG_IGN);
        struct catalogue *catalogue = catalogue_open(f->path, CATALOGUE_WRITE, &error);
        if (!catalogue || setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(1);
        for (int i = 0; i < 2000; i++)
            if (!sql_run(catalogue, &error, "INSERT INTO strikes (identity, time) VALUES (hex(randomblob(5000)), 0)",
                         ""))
                _exit(error.code == ENOSPC || error.code == EIO ? 0 : 2);
        _exit(3);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    f->catalogue = opened(f->path, CATALOGUE_WRITE);
    struct error error = {0};
    assert_true(catalogue_check_integrity(f->catalogue, &error));
    assert_true(fixture_number(f, "SELECT count(*) FROM strikes") > 20);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(fresh_catalogue),
        TEST(folders_are_made),
        TEST(second_writer_is_told_who),
        TEST(a_link_to_nothing_yet),
        TEST(a_killed_writer_leaves_no_lock),
        TEST(foreign_and_newer_files_are_left_alone),
        TEST(damage_is_detected),
        TEST(a_large_one_is_read_when_it_must_be),
        TEST(it_knows_its_own),
        TEST(truncated_catalogues),
        TEST(read_only_media),
        TEST(readers_see_commits_and_block_nobody),
        TEST(upgrade_keeps_a_backup),
        TEST(every_earlier_version_upgrades),
        TEST(file_size_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
