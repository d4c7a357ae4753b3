/* The queue's orders and what sweeps ask of the catalogue; sets of ids; the rules that a walk finds. */
#include "engine/catalogue/sql.h"
#include "engine/catalogue/store_sweep.h"
#include "engine/schedule/ids.h"
#include "engine/schedule/walk.h"
#include "tests/unit/catalogue_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void test_ids(void **state) {
    (void)state;
    struct ids ids = {0};
    assert_false(ids_has(&ids, 1));
    assert_false(ids_remove(&ids, 1));
    for (int64_t id = 1; id <= 5000; id++) assert_true(ids_add(&ids, id * 64));
    assert_true(ids_add(&ids, 64));
    assert_int_equal(ids.count, 5000);
    for (int64_t id = 1; id <= 5000; id += 2) assert_true(ids_remove(&ids, id * 64));
    for (int64_t id = 1; id <= 5000; id++) assert_int_equal(ids_has(&ids, id * 64), id % 2 == 0);
    assert_int_equal(ids.count, 2500);
    ids_clear(&ids);
    assert_false(ids_has(&ids, 128));
}

static int64_t see(const struct fixture *fixture, const char *path, int64_t size, int64_t mtime) {
    struct store_stat stat = {.size = size, .mtime_ns = mtime, .device = 7, .inode = 1};
    struct store_file file;
    assert_true(store_file_seen(fixture->catalogue, path, strlen(path), &stat, &file, NULL));
    return file.file;
}

static void take_first(const struct fixture *fixture, enum queue_order order, const char *expected) {
    struct store_job job;
    size_t n = 0;
    assert_true(store_queue_take(fixture->catalogue, order, &job, 1, &n, NULL));
    assert_int_equal(n, 1);
    assert_string_equal(job.path, expected);
    assert_true(store_queue_return(fixture->catalogue, job.file, 0, NULL));
    store_job_free(&job);
}

static void test_orders(void **state) {
    const struct fixture *fixture = *state;
    assert_true(store_queue_add(fixture->catalogue, see(fixture, "/first", 30, 20), 0, NULL, NULL));
    assert_true(store_queue_add(fixture->catalogue, see(fixture, "/new", 20, 30), 0, NULL, NULL));
    assert_true(store_queue_add(fixture->catalogue, see(fixture, "/old", 25, 10), 0, NULL, NULL));
    assert_true(store_queue_add(fixture->catalogue, see(fixture, "/small", 10, 15), 0, NULL, NULL));
    assert_true(store_queue_add(fixture->catalogue, see(fixture, "/again", 1, 99), -100, NULL, NULL));
    take_first(fixture, QUEUE_ARRIVAL, "/first");
    take_first(fixture, QUEUE_NEWEST, "/new");
    take_first(fixture, QUEUE_OLDEST, "/old");
    take_first(fixture, QUEUE_SMALLEST, "/small"); /* what has to be analysed again is smaller, and comes last */
    assert_true(store_queue_add(fixture->catalogue, see(fixture, "/asked", 500, 1), 100, NULL, NULL));
    take_first(fixture, QUEUE_NEWEST, "/asked");
    take_first(fixture, QUEUE_SMALLEST, "/asked");
}

/* However long the queue is, adding to it costs the same: counted in steps of the database's machine. */
static int count_steps(void *context) {
    ++*(int64_t *)context;
    return 0;
}

static int64_t steps_to_add(const struct fixture *fixture, const char *path) {
    int64_t file = see(fixture, path, 1, 1), steps = 0;
    sqlite3_progress_handler(catalogue_db(fixture->catalogue), 1, count_steps, &steps);
    assert_true(store_queue_add(fixture->catalogue, file, 0, NULL, NULL));
    sqlite3_progress_handler(catalogue_db(fixture->catalogue), 0, NULL, NULL);
    return steps;
}

static void test_long_queue(void **state) {
    const struct fixture *fixture = *state;
    char path[32];
    int64_t before = 0;
    fixture_run(fixture, "BEGIN");
    for (int i = 0; i < 5000; i++) {
        (void)snprintf(path, sizeof path, "/many/%d", i);
        int64_t steps = steps_to_add(fixture, path);
        if (i == 50) before = steps;
        if (i > 50) assert_true(steps < 2 * before);
    }
    fixture_run(fixture, "COMMIT");
    assert_int_equal(fixture_number(fixture, "SELECT count(DISTINCT arrival) FROM queue"), 5000);
    take_first(fixture, QUEUE_ARRIVAL, "/many/0");
}

static void test_next(void **state) {
    const struct fixture *fixture = *state;
    double seconds = 0;
    assert_true(store_queue_next(fixture->catalogue, 5, &seconds, NULL));
    assert_true(seconds < 0); /* nothing waits */
    int64_t file = see(fixture, "/later", 1, 1);
    assert_true(store_queue_add(fixture->catalogue, file, 0, NULL, NULL));
    assert_true(store_queue_return(fixture->catalogue, file, 3600, NULL));
    assert_true(store_queue_next(fixture->catalogue, 5, &seconds, NULL));
    assert_true(seconds > 3000 && seconds <= 3600);
    assert_true(store_queue_next(fixture->catalogue, 1, &seconds, NULL));
    assert_true(seconds < 0);                           /* it has been put back too often for that caller */
    static const char *const ahead[] = {"3600", "1e9"}; /* the clock was by an hour, or by thirty years */
    for (size_t i = 0; i < 2; i++) {
        char sql[80];
        assert_true(store_queue_return(fixture->catalogue, file, 60, NULL));
        (void)snprintf(sql, sizeof sql, "UPDATE queue SET due = due + %s", ahead[i]);
        fixture_run(fixture, sql);
        assert_true(store_queue_next(fixture->catalogue, 5, &seconds, NULL));
        assert_true(seconds == 0);
        take_first(fixture, QUEUE_ARRIVAL, "/later");
    }
}

static void test_below(void **state) {
    const struct fixture *fixture = *state;
    static const char *const paths[] = {"/a", "/a b/x", "/a!", "/a/x", "/a/y/z", "/a0", "/b/x"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) (void)see(fixture, paths[i], 1, 1);
    assert_true(store_path_gone(fixture->catalogue, "/a/x", false, NULL));
    struct store_below found[8];
    size_t n = 0;
    assert_true(store_below(fixture->catalogue, "/a/", NULL, found, 8, &n, NULL));
    assert_int_equal(n, 2); /* the file /a, and what is below; not its neighbours, not what is missing */
    assert_string_equal(found[0].path, "/a");
    assert_string_equal(found[1].path, "/a/y/z");
    assert_int_equal(found[1].device, 7);
    for (size_t i = 0; i < n; i++) free(found[i].path);
    assert_true(store_below(fixture->catalogue, "/", "/a!", found, 2, &n, NULL));
    assert_int_equal(n, 2);
    assert_string_equal(found[0].path, "/a/y/z");
    assert_string_equal(found[1].path, "/a0");
    for (size_t i = 0; i < n; i++) free(found[i].path);
}

static void test_stale(void **state) {
    const struct fixture *fixture = *state;
    struct fixture_file one = fixture_scan(fixture, "/a/one.wav", "b1", "s1", 1);
    struct fixture_file two = fixture_scan(fixture, "/b/two.wav", "b2", "s2", 1);
    struct store_stat stat = {.size = 1, .mtime_ns = 1};
    assert_true(store_file_finish(fixture->catalogue, one.file, FILE_DONE, NULL, &stat, "old", NULL));
    assert_true(store_file_finish(fixture->catalogue, two.file, FILE_DONE, NULL, &stat, "old", NULL));
    int64_t failed = see(fixture, "/a/failed.wav", 1, 1), files[4];
    size_t n = 0;
    assert_true(store_file_finish(fixture->catalogue, failed, FILE_FAILED, "no", &stat, "old", NULL));
    assert_true(store_queue_stale(fixture->catalogue, "", "old", -100, 0, files, 4, &n, NULL));
    assert_int_equal(n, 0);
    assert_true(store_queue_stale(fixture->catalogue, "/b", "new", -100, 0, files, 4, &n, NULL));
    assert_int_equal(n, 1);
    assert_int_equal(files[0], two.file);
    assert_true(store_queue_stale(fixture->catalogue, "", "new", -100, 0, files, 4, &n, NULL));
    assert_int_equal(n, 1); /* the other one waits already */
    assert_int_equal(files[0], one.file);
    assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM queue WHERE priority = -100"), 2);
}

/* The rules of a folder come before what lies in it, however the system sorts. */
static void test_rules(void **state) {
    (void)state;
    char folder[] = "/tmp/sonde-rules-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    for (int i = 0; i < 600; i++) { /* more than a batch */
        (void)snprintf(path, sizeof path, "%s/%d.wav", folder, i);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        (void)fclose(file);
    }
    (void)snprintf(path, sizeof path, "%s/.sondeignore", folder);
    FILE *rules = fopen(path, "w");
    assert_non_null(rules);
    (void)fputs("1*\n", rules);
    (void)fclose(rules);
    const char *roots[] = {folder, folder};
    const struct walk_options options = {.rules = true};
    struct walker *walker = walker_new(roots, 2, &options);
    assert_non_null(walker);
    unsigned entries = 0, heard = 0;
    while (!walker_is_over(walker)) {
        size_t n = 0;
        walker_step(walker);
        const struct walk_entry *found = walker_entries(walker, &n);
        assert_true(n <= WALK_BATCH + 1);
        for (size_t i = 0; i < n; i++, entries++) {
            assert_int_equal(found[i].rules != NULL, entries % 601 == 0);
            if (!found[i].rules) continue;
            assert_string_equal(found[i].rules, "1*\n");
            assert_string_equal(found[i].path, folder);
            heard++;
        }
    }
    assert_int_equal(heard, 2);
    assert_int_equal(entries, 2 * 601);
    assert_int_equal(walker_roots(walker), 2);
    walker_free(walker);
    (void)unlink(path);
    for (int i = 0; i < 600; i++) {
        (void)snprintf(path, sizeof path, "%s/%d.wav", folder, i);
        (void)unlink(path);
    }
    (void)rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids),
        cmocka_unit_test_setup_teardown(test_orders, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_long_queue, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_next, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_below, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_stale, fixture_setup, fixture_teardown),
        cmocka_unit_test(test_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
