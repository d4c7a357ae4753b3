/* The writer's thread: order, isolation of failures, disk that fills up, writes that fail, and death. */
#include "tests/unit/catalogue_fixture.h"

#include "engine/catalogue/sql.h"
#include "engine/catalogue/writer.h"
#include "tests/unit/failing_vfs.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct item {
    int64_t number;
    bool fail;
    int runs;   /* written on the writer's thread, read after done */
    int *order; /* counts deliveries */
    int delivered;
    struct error error;
};

static bool insert_item(struct catalogue *catalogue, void *argument, struct error *error) {
    struct item *item = argument;
    item->runs++;
    if (!sql_run(catalogue, error,
                 "INSERT INTO strikes (strike_id, identity, time) VALUES (?, hex(randomblob(2000)), 0)", "i",
                 item->number))
        return false;
    return !item->fail || error_set(error, "this one is meant to fail");
}

static void item_done(void *argument, const struct error *error) {
    struct item *item = argument;
    item->delivered = ++*item->order;
    if (error) item->error = *error;
}

struct world {
    uv_loop_t loop;
    struct writer *writer;
    bool stopped;
    int paused, resumed;
    char sentence[600]; /* why it is paused */
    void (*on_pause)(void);
};

static void on_state(void *context, const char *sentence) {
    struct world *world = context;
    if (!sentence) {
        world->resumed++;
        return;
    }
    world->paused++;
    snprintf(world->sentence, sizeof world->sentence, "%s", sentence);
    if (world->on_pause) world->on_pause();
}

static void on_stopped(void *context) {
    ((struct world *)context)->stopped = true;
}

static void world_start(struct world *world, struct catalogue *catalogue) {
    struct error error = {0};
    assert_int_equal(uv_loop_init(&world->loop), 0);
    world->writer = writer_new(catalogue, &world->loop, on_state, world, &error);
    if (!world->writer) fail_msg("%s", error.text);
}

static void world_stop(struct world *world) {
    writer_stop(world->writer, false, on_stopped, world);
    assert_int_equal(uv_run(&world->loop, UV_RUN_DEFAULT), 0);
    assert_true(world->stopped);
    assert_int_equal(uv_loop_close(&world->loop), 0);
}

static void post_all(struct world *world, struct item *items, int n, int *order) {
    for (int i = 0; i < n; i++) {
        items[i].number = i + 1;
        items[i].order = order;
        assert_true(writer_post(world->writer, insert_item, &items[i], item_done));
    }
}

static void reopen(struct fixture *f) {
    struct error error = {0};
    f->catalogue = catalogue_open(f->path, CATALOGUE_WRITE, &error);
    if (!f->catalogue) fail_msg("%s", error.text);
    if (!catalogue_check_integrity(f->catalogue, &error)) fail_msg("%s", error.text);
}

static void one_failure_spares_the_others(void **state) {
    struct fixture *f = *state;
    struct world world = {0};
    world_start(&world, f->catalogue);
    enum { N = 1200 };
    static struct item items[N];
    memset(items, 0, sizeof items);
    for (int i = 0; i < N; i += 7) items[i].fail = true;
    int order = 0;
    post_all(&world, items, N, &order);
    assert_int_equal(writer_pending(world.writer), N);
    world_stop(&world);
    for (int i = 0; i < N; i++) {
        assert_int_equal(items[i].delivered, i + 1);
        assert_string_equal(items[i].error.text, i % 7 == 0 ? "this one is meant to fail" : "");
    }
    reopen(f);
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM strikes"), N - (N + 6) / 7);
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM strikes WHERE (strike_id - 1) % 7 = 0"), 0);
}

static void clean_stop_leaves_no_log(void **state) {
    struct fixture *f = *state;
    struct world world = {0};
    world_start(&world, f->catalogue);
    static struct item items[10];
    memset(items, 0, sizeof items);
    int order = 0;
    post_all(&world, items, 10, &order);
    world_stop(&world);
    char wal[160];
    snprintf(wal, sizeof wal, "%s-wal", f->path);
    assert_int_not_equal(access(wal, F_OK), 0);
    reopen(f);
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM strikes"), 10);
}

/* ---------------------------------------------------------------------------------------------------- beside readers */

static sqlite3 *open_reader(const char *path) {
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK); /* and waits for no lock */
    return db;
}

static int64_t count_strikes(sqlite3 *db) {
    sqlite3_stmt *statement = NULL;
    int64_t n = -1;
    if (sqlite3_prepare_v2(db, "SELECT count(*) FROM strikes", -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        n = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return n;
}

/* A reader that stays in its transaction sees what it saw; the writer goes on beside it, past the size from which the log is
 * started anew. */
static void a_reader_that_stays_holds_up_nobody(void **state) {
    struct fixture *f = *state;
    struct world world = {0};
    world_start(&world, f->catalogue);
    enum { N = 1000, ROUNDS = 20 }; /* of 4 kB each: more than 64 MiB */
    static struct item items[N];
    int order = 0;
    char wal[160];
    struct stat about;
    memset(items, 0, sizeof items);
    sqlite3 *reader = open_reader(f->path);
    assert_int_equal(sqlite3_exec(reader, "BEGIN", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(count_strikes(reader), 0);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < N; i++) {
            items[i].number = round * N + i + 1;
            items[i].order = &order;
            assert_true(writer_post(world.writer, insert_item, &items[i], item_done));
        }
        while (order < (round + 1) * N) assert_true(uv_run(&world.loop, UV_RUN_ONCE) >= 0);
        for (int i = 0; i < N; i++) assert_string_equal(items[i].error.text, "");
        assert_int_equal(count_strikes(reader), 0);
    }
    assert_int_equal(world.paused, 0);
    snprintf(wal, sizeof wal, "%s-wal", f->path);
    assert_int_equal(stat(wal, &about), 0);
    assert_true(about.st_size > 64 << 20);
    assert_int_equal(sqlite3_exec(reader, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(count_strikes(reader), N * ROUNDS);
    sqlite3_close(reader);
    world_stop(&world);
    reopen(f);
}

struct asker {
    const char *path;
    atomic_bool ending;
    int64_t asked, refused, backwards;
};

/* As other programs do: opens, asks, closes; and one connection that stays. */
static void ask_on_and_on(void *argument) {
    struct asker *asker = argument;
    sqlite3 *stays = NULL;
    int64_t last = 0;
    if (sqlite3_open_v2(asker->path, &stays, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK) asker->refused++;
    while (!atomic_load(&asker->ending)) {
        sqlite3 *comes = NULL;
        bool open = sqlite3_open_v2(asker->path, &comes, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK;
        int64_t first = open ? count_strikes(comes) : -1, second = count_strikes(stays);
        asker->refused += (first < 0) + (second < 0);
        asker->backwards += first < last || second < first;
        last = second;
        asker->asked++;
        sqlite3_close(comes);
    }
    sqlite3_close(stays);
}

/* Who reads while the writer commits and moves its log is never told that something is locked. (While the log's index is made, at the
 * first transaction, SQLite may say so.) */
static void readers_are_never_refused(void **state) {
    struct fixture *f = *state;
    struct world world = {0};
    world_start(&world, f->catalogue);
    enum { N = 500, ROUNDS = 25 };
    static struct item items[N];
    static struct asker asker;
    int order = 0, rounds = 0;
    uv_thread_t thread;
    memset(items, 0, sizeof items);
    items[0] = (struct item){.number = N * ROUNDS + 1, .order = &order};
    assert_true(writer_post(world.writer, insert_item, &items[0], item_done));
    while (order < 1) assert_true(uv_run(&world.loop, UV_RUN_ONCE) >= 0);
    order = 0;
    asker = (struct asker){.path = f->path};
    assert_int_equal(uv_thread_create(&thread, ask_on_and_on, &asker), 0);
    for (; rounds < ROUNDS; rounds++) {
        for (int i = 0; i < N; i++) {
            items[i].number = rounds * N + i + 1;
            items[i].order = &order;
            assert_true(writer_post(world.writer, insert_item, &items[i], item_done));
        }
        while (order < (rounds + 1) * N) assert_true(uv_run(&world.loop, UV_RUN_ONCE) >= 0);
    }
    atomic_store(&asker.ending, true);
    assert_int_equal(uv_thread_join(&thread), 0);
    assert_true(asker.asked > 0);
    assert_int_equal(asker.refused, 0);
    assert_int_equal(asker.backwards, 0);
    world_stop(&world);
    reopen(f);
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM strikes"), N * ROUNDS + 1);
}

/* The Nth write fails once, then N + 1 ...: nothing is lost, everything is delivered once. */
static void failing_writes_are_tried_again(void **state) {
    struct fixture *f = *state;
    catalogue_close(f->catalogue);
    for (int nth = 1; nth < 40; nth += 3) {
        failing_vfs_install();
        reopen(f);
        fixture_run(f, "DELETE FROM strikes");
        struct world world = {0};
        world_start(&world, f->catalogue);
        static struct item items[30];
        memset(items, 0, sizeof items);
        int order = 0;
        failing_vfs_fail_write(nth, nth % 2 ? ENOSPC : EIO);
        post_all(&world, items, 30, &order);
        while (order < 30) assert_true(uv_run(&world.loop, UV_RUN_ONCE) >= 0);
        int failed = failing_vfs_failures();
        failing_vfs_fail_write(0, 0);
        world_stop(&world);
        assert_int_equal(world.paused, world.resumed);
        for (int i = 0; i < 30; i++) assert_string_equal(items[i].error.text, "");
        failing_vfs_remove();
        reopen(f);
        assert_int_equal(fixture_number(f, "SELECT count(*) FROM strikes"), 30);
        catalogue_close(f->catalogue);
        if (failed == 0) break;
    }
    reopen(f);
}

static void room_again(void) {
    failing_vfs_fill_disk(false);
}

static void full_disk_waits_for_room(void **state) {
    struct fixture *f = *state;
    catalogue_close(f->catalogue);
    failing_vfs_install();
    reopen(f);
    struct world world = {.on_pause = room_again};
    world_start(&world, f->catalogue);
    static struct item items[100];
    memset(items, 0, sizeof items);
    int order = 0;
    failing_vfs_fill_disk(true);
    post_all(&world, items, 100, &order);
    world_stop(&world);
    assert_int_equal(world.paused, 1);
    assert_int_equal(world.resumed, 1);
    for (int i = 0; i < 100; i++) assert_string_equal(items[i].error.text, "");
    failing_vfs_remove();
    reopen(f);
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM strikes"), 100);
}

static void full_disk_can_be_given_up(void **state) {
    struct fixture *f = *state;
    catalogue_close(f->catalogue);
    failing_vfs_install();
    reopen(f);
    struct world world = {0};
    world_start(&world, f->catalogue);
    static struct item items[10];
    memset(items, 0, sizeof items);
    int order = 0;
    failing_vfs_fill_disk(true);
    post_all(&world, items, 10, &order);
    while (world.paused == 0) assert_true(uv_run(&world.loop, UV_RUN_ONCE) >= 0);
    assert_int_equal(order, 0);
    writer_stop(world.writer, true, on_stopped, &world);
    uv_run(&world.loop, UV_RUN_DEFAULT);
    assert_true(world.stopped);
    assert_int_equal(uv_loop_close(&world.loop), 0);
    assert_int_equal(order, 10);
    assert_int_equal(items[3].error.code, ENOSPC);
    failing_vfs_remove();
    reopen(f);
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM strikes"), 0);
}

/* Moved away while it is written to: nothing goes where nobody looks, and nothing is lost when it is put back. */
static void moved_away_is_waited_for(void **state) {
    struct fixture *f = *state;
    struct world world = {0};
    world_start(&world, f->catalogue);
    static struct item items[10];
    memset(items, 0, sizeof items);
    char away[200];
    snprintf(away, sizeof away, "%s-away", f->path);
    assert_int_equal(rename(f->path, away), 0);
    int order = 0;
    post_all(&world, items, 10, &order);
    while (world.paused == 0) assert_true(uv_run(&world.loop, UV_RUN_ONCE) >= 0);
    assert_int_equal(order, 0);
    assert_non_null(strstr(world.sentence, f->path));
    assert_non_null(strstr(world.sentence, "has been moved, deleted or replaced"));
    assert_int_equal(rename(away, f->path), 0);
    while (order < 10) assert_true(uv_run(&world.loop, UV_RUN_ONCE) >= 0);
    world_stop(&world);
    assert_int_equal(world.resumed, 1);
    for (int i = 0; i < 10; i++) assert_string_equal(items[i].error.text, "");
    reopen(f);
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM strikes"), 10);
}

/* Somebody else's transaction. */
static void locked_is_waited_for(void **state) {
    struct fixture *f = *state;
    struct world world = {0};
    sqlite3 *other = NULL;
    assert_int_equal(sqlite3_open(f->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_busy_timeout(catalogue_db(f->catalogue), 10), SQLITE_OK);
    world_start(&world, f->catalogue);
    static struct item items[10];
    memset(items, 0, sizeof items);
    int order = 0;
    post_all(&world, items, 10, &order);
    while (world.paused == 0) assert_true(uv_run(&world.loop, UV_RUN_ONCE) >= 0);
    assert_non_null(strstr(world.sentence, "another program keeps "));
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    world_stop(&world);
    assert_int_equal(world.resumed, 1);
    for (int i = 0; i < 10; i++) assert_string_equal(items[i].error.text, "");
    reopen(f);
}

/* A child writes and reports what is committed, until all of it is, however slow the disk; it is killed; everything it
 * reported must be there. */
static int killed_child(const char *path, int report) {
    struct error error = {0};
    struct catalogue *catalogue = catalogue_open(path, CATALOGUE_WRITE, &error);
    struct world world = {0};
    if (!catalogue || uv_loop_init(&world.loop) != 0) return 1;
    world.writer = writer_new(catalogue, &world.loop, NULL, NULL, &error);
    if (!world.writer) return 1;
    static struct item items[100000];
    int order = 0, told = 0;
    for (int posted = 0; order < 100000;) {
        bool all = posted == 100000;
        if (!all) {
            items[posted] = (struct item){.number = posted + 1, .order = &order};
            if (!writer_post(world.writer, insert_item, &items[posted++], item_done)) return 1;
        }
        (void)uv_run(&world.loop, all ? UV_RUN_ONCE : UV_RUN_NOWAIT);
        if (order != told && write(report, &order, sizeof order) != sizeof order) return 1;
        told = order;
    }
    return 0;
}

static void killed_while_writing(void **state) {
    struct fixture *f = *state;
    catalogue_close(f->catalogue);
    for (int round = 0; round < 5; round++) {
        int ends[2], told = 0, last = 0;
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) _exit(killed_child(f->path, ends[1]));
        close(ends[1]);
        while (last < 300 * (round + 1) && read(ends[0], &told, sizeof told) == sizeof told) last = told;
        assert_int_equal(kill(child, SIGKILL), 0);
        while (read(ends[0], &told, sizeof told) == sizeof told) last = told;
        close(ends[0]);
        assert_int_equal(waitpid(child, NULL, 0), child);
        reopen(f);
        assert_true(fixture_number(f, "SELECT count(*) FROM strikes") >= last);
        assert_true(last > 0);
        fixture_run(f, "DELETE FROM strikes");
        catalogue_close(f->catalogue);
    }
    reopen(f);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(one_failure_spares_the_others), TEST(clean_stop_leaves_no_log),  TEST(failing_writes_are_tried_again),
        TEST(full_disk_waits_for_room),      TEST(full_disk_can_be_given_up), TEST(moved_away_is_waited_for),
        TEST(locked_is_waited_for),          TEST(killed_while_writing),      TEST(a_reader_that_stays_holds_up_nobody),
        TEST(readers_are_never_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
