/* Upgrading: a catalogue of version 1 with data in it becomes one of the newest version with the same data, and a backup stays. */
#include "tests/unit/catalogue_fixture.h"

#include "engine/catalogue/check.h"
#include "engine/catalogue/migrations.h"
#include "engine/catalogue/query.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define EMBEDDING(values)                                                                                              \
    "json('{\"embedding\":{\"model\":\"m\",\"version\":1,\"hash\":\"h\",\"catalogue\":[" values "]}}')"

/* As version 1 stored it: three sounds with vectors, a copy, a user's words, history, and a file that failed. */
static const char *const version_1 =
    "INSERT INTO runs (run_id, started, version, host, pid, command, sandbox) VALUES (1, 1, '0.1', 'h', 1, 'analyze', '{}');"
    "INSERT INTO audio (audio_id, audio_hash, rate, channels, frames, decoder, decoder_version, segmenter, scanned)"
    " VALUES (1, 'a', 1000, 1, 9000, 'd', '1', 's', 1), (2, 'b', 1000, 1, 9000, 'd', '1', 's', 1),"
    " (3, 'c', 1000, 1, 9000, 'd', '1', 's', 1);"
    "INSERT INTO contents (content_id, bytes_hash, audio_id, size, facts, created)"
    " VALUES (1, 'a', 1, 5, '{\"title\":\"One\"}', 1), (2, 'b', 2, 5, '{}', 1), (3, 'c', 3, 5, '{}', 1), (4, 'a2', 1, 6, '{}', 1);"
    "INSERT INTO files (file_id, path, path_text, name, status, status_reason, content_id, size, mtime_ns, device, inode, added,"
    " seen, finished) VALUES (1, CAST('/s/a.wav' AS BLOB), '/s/a.wav', 'a.wav', 'done', NULL, 1, 5, 7, 1, 1, 1, 1, 1),"
    " (2, CAST('/s/b.wav' AS BLOB), '/s/b.wav', 'b.wav', 'done', NULL, 2, 5, 7, 1, 2, 1, 1, 1),"
    " (3, CAST('/s/c.wav' AS BLOB), '/s/c.wav', 'c.wav', 'done', NULL, 3, 5, 7, 1, 3, 1, 1, 1),"
    " (4, CAST('/t/a.wav' AS BLOB), '/t/a.wav', 'a.wav', 'done', NULL, 4, 6, 7, 1, 4, 1, 1, 1),"
    " (5, CAST('/s/broken.wav' AS BLOB), '/s/broken.wav', 'broken.wav', 'failed', 'no sound', NULL, 6, 7, 1, 5, 1, 1, 1);"
    "INSERT INTO regions (region_id, audio_id, current, position, part, parts, rate, start_frame, end_frame, sound_start_frame,"
    " sound_end_frame, segmenter) VALUES (1, 1, 1, 0, 0, 1, 1000, 0, 1000, 0, 1000, 's'),"
    " (2, 2, 1, 0, 0, 1, 1000, 0, 1000, 0, 1000, 's'), (300, 3, 1, 0, 0, 1, 1000, 0, 1000, 0, 1000, 's'),"
    " (4, 1, 0, 0, 0, 1, 1000, 10, 900, 10, 900, 'older');"
    "INSERT INTO plugins (plugin, version, library, hash, descriptor, schema, bundled, enabled, state, first_seen, last_seen)"
    " VALUES ('features', '1', '/f.so', 'h', '{}', '{\"type\":\"object\",\"properties\":{\"embedding\":{\"type\":\"object\","
    "\"additionalProperties\":true,\"x-summary\":{\"as\":\"embedding\",\"rule\":\"longest\"}}}}', 1, 1, 'ready', 1, 1);"
    "INSERT INTO region_analysis (region_id, plugin, plugin_version, identity, current, outcome, result, created, cpu) VALUES"
    " (1, 'features', '1', 'i1', 1, 'ok', " EMBEDDING("1,0,0") ", 1, 1), (2, 'features', '1', 'i2', 1, 'ok', " EMBEDDING(
        "3,4,0") ", 1, 2),"
                 " (300, 'features', '1', 'i3', 1, 'ok', " EMBEDDING("0,0,1") ", 1, 3), (1, 'features', '0', 'i0', 0, 'ok', " EMBEDDING(
                     "1,1,1") ", 0, NULL);"
                              "INSERT INTO audio_summary (audio_id, duration, regions, summary, updated) VALUES (1, 9, 1, '{}', 1), (2, 9, 1, '{}', 1),"
                              " (3, 9, 1, '{}', 1);"
                              "INSERT INTO region_summary (region_id, duration, summary) VALUES (1, 1, '{}'), (2, 1, '{}'), (300, 1, '{}');"
                              "INSERT INTO region_vectors VALUES (1, 'features', 'm 1 h', 0.0078, x'7f0000'), (2, 'features', 'm 1 h', 0.0063, x'5f7f00'),"
                              " (300, 'features', 'm 1 h', 0.0078, x'00007f');"
                              "INSERT INTO audio_vectors VALUES (1, 1, 'features', 'm 1 h', 0.0078, x'7f0000'), (2, 2, 'features', 'm 1 h', 0.0063, x'5f7f00'),"
                              " (3, 300, 'features', 'm 1 h', 0.0078, x'00007f');"
                              "INSERT INTO tags (audio_id, name, source, automatic, created) VALUES (1, 'mine', 'user', 0, 1);"
                              "INSERT INTO edits (audio_id, field, value, created) VALUES (2, 'bpm', '77', 1);"
                              "UPDATE audio_summary SET bpm = 77, bpm_confidence = 1, bpm_source = 'user', summary ="
                              " '{\"bpm\":77,\"bpm_confidence\":1}' WHERE audio_id = 2;"
                              "UPDATE region_summary SET bpm = 77, bpm_confidence = 1, bpm_source = 'user', summary ="
                              " '{\"bpm\":77,\"bpm_confidence\":1,\"content\":\"music\",\"lufs\":-20.5}' WHERE region_id = 2;"
                              "INSERT INTO search (rowid, path, tags) SELECT file_id, path_text, 'mine' FROM files;"
                              "INSERT INTO arrays VALUES (1, 'x', 'f32', '[1]', '1', 0, 0, x'0000803f');"
                              "INSERT INTO waveforms VALUES (1, 'overview', 1, 1, x'000000000000')";

static void make_version(const char *path, int version) {
    sqlite3 *db = NULL;
    struct error error = {0};
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (!migrations_apply(db, 0, 1, &error)) fail_msg("%s", error.text);
    if (sqlite3_exec(db, version_1, NULL, NULL, NULL) != SQLITE_OK) fail_msg("%s", sqlite3_errmsg(db));
    if (!migrations_apply(db, 1, version, &error)) fail_msg("%s", error.text);
    sqlite3_close(db);
}

static void complain(void *context, const char *sentence) {
    (void)context;
    fprintf(stderr, "# %s\n", sentence);
}

/* The paths of the sounds most like that of audio 1, in order. */
static void assert_similar(struct catalogue *catalogue, bool regions) {
    struct query query;
    struct query_row row;
    struct similar target;
    struct error error = {0};
    bool more = true;
    static const char *const paths[] = {"/s/b.wav", "/s/c.wav"};
    static const double similarities[] = {0.6, 0};
    query_init(&query);
    assert_true(similar_load(catalogue, 1, regions ? 1 : 0, &target, &error));
    query.similar_to = &target;
    query.similar_audio = query.similar_region = 1;
    query.regions = regions;
    query.limit = 10;
    struct query_result *result = query_open(catalogue, &query, &error);
    if (!result) fail_msg("%s", error.text);
    int found = 0;
    for (; query_next(result, &row, &more, &error) && more; found++) {
        assert_true(found < 2);
        assert_string_equal(row.display, paths[found]);
        assert_true(row.similarity > similarities[found] - 1e-6 && row.similarity < similarities[found] + 1e-6);
    }
    assert_int_equal(found, 2);
    query_close(result);
}

static void assert_upgraded(struct fixture *f, int version) {
    struct fixture old = *f;
    char backup[160];
    struct error error = {0};
    int64_t wrong = -1;
    snprintf(old.path, sizeof old.path, "%s/old.db", f->folder);
    make_version(old.path, version);
    old.catalogue = catalogue_open(old.path, CATALOGUE_WRITE, &error);
    if (!old.catalogue) fail_msg("%s", error.text);
    assert_int_equal(fixture_number(&old, "PRAGMA user_version"), catalogue_version());
    assert_string_equal(
        fixture_text(&old, "SELECT group_concat(ifnull(file_audio_id, '-')) FROM (SELECT * FROM files ORDER BY"
                           " file_id)"),
        "1,2,3,1,-");
    assert_similar(old.catalogue, false);
    assert_similar(old.catalogue, true);
    assert_int_equal(fixture_number(&old, "SELECT count(*) FROM vector_pages"),
                     3); /* region 300 is on a page of its own */
    assert_string_equal(fixture_text(&old, "SELECT group_concat(tags) FROM sounds WHERE tags = 'mine'"), "mine,mine");
    assert_string_equal(fixture_text(&old, "SELECT bpm || bpm_source FROM sounds WHERE name = 'b.wav'"), "77.0user");
    assert_string_equal(fixture_text(&old, "SELECT outcome || reason FROM problems"), "failedno sound");
    assert_string_equal(fixture_text(&old, "SELECT paths FROM duplicates"), "/s/a.wav; /t/a.wav");
    assert_string_equal(fixture_text(&old,
                                     "SELECT group_concat(ifnull(bpm, '-') || ' ' || ifnull(regions, '-') || ' ' ||"
                                     " ifnull(duration, '-')) FROM (SELECT * FROM files ORDER BY file_id)"),
                        "- 1 9.0,77.0 1 9.0,- 1 9.0,- 1 9.0,- - -");
    assert_string_equal(fixture_text(&old, "SELECT plugin || results || ' ' || audio || ' ' || cpu FROM plugin_costs"),
                        "features3 3.0 6.0");
    assert_string_equal(
        fixture_text(&old, "SELECT group_concat(line) FROM (SELECT r.region_id || ' ' || s.audio_id || ' ' ||"
                           " s.start_frame || ' ' || ifnull(s.content, '-') || ' ' || ifnull(s.loudness, '-') AS line"
                           " FROM region_summary AS s JOIN regions AS r USING (region_id, audio_id, start_frame)"
                           " ORDER BY r.region_id)"),
        "1 1 0 - -,2 2 0 music -20.5,300 3 0 - -");
    assert_int_equal(fixture_number(&old, "SELECT count(*) FROM history"), 2);
    fixture_run(&old,
                "UPDATE region_summary SET content = NULL, loudness = NULL, summary = json_remove(summary, '$.content',"
                " '$.lufs')"); /* as the results make it, for the check below */
    assert_int_equal(fixture_number(&old, "SELECT count(*) FROM region_results"), 4); /* the copy has them too */
    assert_int_equal(fixture_number(&old, "SELECT count(*) FROM arrays JOIN waveforms JOIN runs"), 1);
    assert_true(check_catalogue(old.catalogue, complain, NULL, &wrong, &error));
    assert_int_equal(wrong, 0);
    catalogue_close(old.catalogue);
    sqlite3 *db = NULL;
    sqlite3_stmt *saved = NULL;
    snprintf(backup, sizeof backup, "%s.backup-v%d", old.path, version);
    assert_int_equal(sqlite3_open(backup, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT user_version, (SELECT count(*) FROM files) FROM pragma_user_version",
                                        -1, &saved, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(saved), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(saved, 0), version);
    assert_int_equal(sqlite3_column_int(saved, 1), 5);
    sqlite3_finalize(saved);
    sqlite3_close(db);
}

/* From every version there has been. */
static void every_version_with_its_data(void **state) {
    for (int version = 1; version < catalogue_version(); version++) {
        void *again = NULL;
        if (version > 1) assert_int_equal(fixture_setup(&again), 0);
        assert_upgraded(again ? again : *state, version);
        if (again) (void)fixture_teardown(&again);
    }
}

/* An upgrade that fails leaves the catalogue at its version, whole, with its backup; the next try goes on from there. */
static void a_failed_upgrade_changes_nothing(void **state) {
    struct fixture *f = *state;
    struct fixture old = *f;
    struct error error = {0};
    sqlite3 *db = NULL;
    snprintf(old.path, sizeof old.path, "%s/old.db", f->folder);
    make_version(old.path, 1);
    assert_int_equal(sqlite3_open(old.path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE vector_pages (x)", 0, 0, 0), SQLITE_OK); /* in its way */
    assert_null(catalogue_open(old.path, CATALOGUE_WRITE, &error));
    assert_non_null(strstr(error.text, "0002_speed.sql"));
    sqlite3_stmt *statement = NULL;
    assert_int_equal(
        sqlite3_prepare_v2(db,
                           "SELECT (SELECT user_version FROM pragma_user_version), count(*) FROM audio_vectors"
                           " WHERE scale > 0",
                           -1, &statement, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(statement, 0), 1);
    assert_int_equal(sqlite3_column_int(statement, 1), 3);
    sqlite3_finalize(statement);
    assert_int_equal(sqlite3_exec(db, "DROP TABLE vector_pages", 0, 0, 0), SQLITE_OK);
    sqlite3_close(db);
    old.catalogue = catalogue_open(old.path, CATALOGUE_WRITE, &error);
    if (!old.catalogue) fail_msg("%s", error.text);
    assert_similar(old.catalogue, false);
    catalogue_close(old.catalogue);
    char backup[160];
    snprintf(backup, sizeof backup, "%s.backup-v1-2", old.path); /* the first backup was not overwritten */
    assert_int_equal(access(backup, F_OK), 0);
}

/* No room for the backup: nothing is upgraded. */
static void no_backup_no_upgrade(void **state) {
    struct fixture *f = *state;
    struct fixture old = *f;
    snprintf(old.path, sizeof old.path, "%s/old.db", f->folder);
    make_version(old.path, 1);
    pid_t child = fork();
    if (child == 0) {
        const struct rlimit limit = {50000, 50000};
        struct error error = {0};
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        struct catalogue *catalogue = catalogue_open(old.path, CATALOGUE_WRITE, &error);
        _exit(catalogue ? 1 : strstr(error.text, "backup") ? 0 : 2);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    char backup[160];
    snprintf(backup, sizeof backup, "%s.backup-v1", old.path);
    assert_int_not_equal(access(backup, F_OK), 0);
    struct error error = {0};
    old.catalogue = catalogue_open(old.path, CATALOGUE_WRITE, &error); /* with room, it goes on */
    if (!old.catalogue) fail_msg("%s", error.text);
    assert_similar(old.catalogue, true);
    catalogue_close(old.catalogue);
    assert_int_equal(access(backup, F_OK), 0);
}

/* The column that the triggers keep, whatever is done to files and contents. */
static void the_short_way_is_kept(void **state) {
    struct fixture *f = *state;
    static const char *const changes[] = {
        "INSERT INTO files (path, path_text, name, status, content_id, size, mtime_ns, device, inode, added, seen)"
        " SELECT x'31', '1', '1', 'done', min(content_id), 1, 1, 1, 1, 1, 1 FROM contents",
        "UPDATE files SET content_id = (SELECT max(content_id) FROM contents)",
        "UPDATE contents SET audio_id = (SELECT min(audio_id) FROM audio)",
        "UPDATE files SET content_id = NULL WHERE name = '1'",
        "DELETE FROM audio",
    };
    (void)fixture_scan(f, "/a", "a", "a", 1);
    (void)fixture_scan(f, "/b", "b", "b", 1);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        fixture_run(f, changes[i]);
        assert_int_equal(fixture_number(f, "SELECT count(*) FROM files AS f LEFT JOIN contents AS c USING (content_id)"
                                           " WHERE f.file_audio_id IS NOT c.audio_id"),
                         0);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {TEST(every_version_with_its_data), TEST(a_failed_upgrade_changes_nothing),
                                       TEST(no_backup_no_upgrade), TEST(the_short_way_is_kept)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
