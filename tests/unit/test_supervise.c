/* Back-off, intensity, circuit breaker, blame: the rules; then thousands of deaths of real processes: what they leave. */
#include "engine/ipc/run_folder.h"
#include "engine/supervise/blame.h"
#include "engine/supervise/breaker.h"
#include "engine/supervise/pool.h"
#include "engine/supervise/restart.h"
#include "workers/sandbox/sanitizer.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void test_backoff(void **state) {
    (void)state;
    struct backoff backoff = {0};
    double now = 100;
    assert_true(backoff_wait(&backoff, now) == 0);
    backoff_failed(&backoff, now, 0.5);
    assert_true(backoff_wait(&backoff, now) == 0); /* once is no pattern */
    double expected = BACKOFF_FIRST;
    for (int i = 0; i < 20; i++) {
        backoff_failed(&backoff, now, 0.5);
        assert_float_equal(backoff_wait(&backoff, now), expected, 1e-9);
        expected = expected * 2 < BACKOFF_MAX ? expected * 2 : BACKOFF_MAX;
    }
    backoff_failed(&backoff, now, 0.0);
    double least = backoff_wait(&backoff, now);
    backoff_failed(&backoff, now, 1.0);
    assert_true(least < BACKOFF_MAX && backoff_wait(&backoff, now) > BACKOFF_MAX);
    assert_true(backoff_wait(&backoff, now + 2 * BACKOFF_MAX) == 0);
    backoff_succeeded(&backoff);
    assert_true(backoff_wait(&backoff, now) == 0);
}

static void test_intensity(void **state) {
    (void)state;
    struct intensity intensity = {.limit = 3, .period = 10};
    assert_false(intensity_exceeded(&intensity, 0));
    assert_false(intensity_exceeded(&intensity, 1));
    assert_false(intensity_exceeded(&intensity, 2));
    assert_true(intensity_exceeded(&intensity, 3));
    assert_false(intensity_exceeded(&intensity, 20)); /* the four before are long ago */
    for (int i = 0; i < 500; i++) assert_false(intensity_exceeded(&intensity, 100 + 6.0 * i));
}

static void test_breaker_opens(void **state) {
    (void)state;
    struct breaker breaker = {0};
    /* Four contents, however often, are not enough. */
    for (unsigned i = 0; i < 40; i++) {
        assert_true(breaker_allows(&breaker, i));
        assert_false(breaker_note(&breaker, true, 1 + i % 4, i));
    }
    assert_true(breaker_note(&breaker, true, 9, 50));
    assert_false(breaker_allows(&breaker, 51));
    assert_false(breaker_allows(&breaker, 50 + BREAKER_COOL_DOWN - 1));
    /* Half-open: one may try, not two. */
    assert_true(breaker_allows(&breaker, 50 + BREAKER_COOL_DOWN));
    assert_false(breaker_allows(&breaker, 50 + BREAKER_COOL_DOWN));
    assert_true(breaker_note(&breaker, true, 10, 700));
    assert_false(breaker_allows(&breaker, 701));
    assert_true(breaker_allows(&breaker, 700 + BREAKER_COOL_DOWN));
    assert_false(breaker_note(&breaker, false, 11, 1400));
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    assert_true(breaker_allows(&breaker, 1401));
}

static void test_breaker_needs_a_share(void **state) {
    (void)state;
    struct breaker breaker = {0};
    /* One death in ten jobs, all on distinct contents: below a fifth. */
    for (unsigned i = 0; i < 500; i++) assert_false(breaker_note(&breaker, i % 10 == 0, 1 + i, i));
    /* Two in ten: the fifth is reached. */
    bool opened = false;
    for (unsigned i = 0; i < 100 && !opened; i++) opened = breaker_note(&breaker, i % 10 < 2, 1000 + i, 500 + i);
    assert_true(opened);
}

static struct worker_death dead(int signal, int64_t code, enum note_phase phase) {
    return (struct worker_death){
        .spawned = true,
        .said_hello = true,
        .was_ready = true,
        .exit_code = code,
        .signal = signal,
        .kill_reason = "",
        .last_words = "first line\nthe last line",
        .note = {.valid = true, .phase = phase, .plugin = "org.example.bad", .forbidden = -1, .died = signal},
    };
}

static void test_blame(void **state) {
    (void)state;
    struct blame blame;
    struct worker_death death = dead(SIGSEGV, 0, NOTE_PROCESS);
    blame_judge(&death, 0, &blame);
    assert_string_equal(blame.outcome, "crashed");
    assert_string_equal(blame.phase, "process");
    assert_string_equal(blame.plugin, "org.example.bad");
    assert_string_equal(blame.reason, "crashed with SIGSEGV, in process");
    assert_true(blame.counts && !blame.from_outside && !blame.asked);

    death.note.data_bytes = 95 << 20;
    blame_judge(&death, 100 << 20, &blame);
    assert_string_equal(blame.outcome, "memory");

    death = dead(SIGKILL, 0, NOTE_PROCESS);
    death.note.died = 0;
    blame_judge(&death, 0, &blame);
    assert_true(blame.from_outside && !blame.counts);

    death.kill = WORKER_KILL_DEADLINE;
    death.kill_reason = "did not analyse the region within 30 s";
    blame_judge(&death, 0, &blame);
    assert_string_equal(blame.outcome, "timeout");
    assert_true(blame.counts && !blame.from_outside);

    death.signal = SIGTERM; /* somebody else was quicker than the engine */
    blame_judge(&death, 0, &blame);
    assert_true(blame.from_outside);

    death.kill = WORKER_KILL_UNWANTED;
    blame_judge(&death, 0, &blame);
    assert_true(blame.asked && !blame.counts);

    death = dead(SIGSYS, 0, NOTE_FINISH);
    death.note.forbidden = 59;
    blame_judge(&death, 0, &blame);
    assert_string_equal(blame.outcome, "violation");
    assert_true(blame.counts);
}

static void test_blame_of_exits(void **state) {
    (void)state;
    struct blame blame;
    struct worker_death death = dead(0, 0, NOTE_PROCESS);
    blame_judge(&death, 0, &blame); /* a plugin that calls exit(0) */
    assert_string_equal(blame.outcome, "crashed");
    assert_true(blame.counts && !blame.asked);
    death.asked = true;
    blame_judge(&death, 0, &blame);
    assert_true(blame.asked);

    death = dead(0, WORKER_DO_NOT_RESPAWN, NOTE_FINISH);
    blame_judge(&death, 0, &blame);
    assert_false(blame.refused); /* only a plugin pretending */
    death = dead(0, WORKER_DO_NOT_RESPAWN, NOTE_NONE);
    death.was_ready = false;
    blame_judge(&death, 0, &blame);
    assert_true(blame.refused && !blame.counts);
    assert_string_equal(blame.reason, "the last line");
}

static void test_detail(void **state) {
    (void)state;
    struct blame blame;
    struct worker_death death = dead(SIGSEGV, 0, NOTE_PROCESS);
    blame_judge(&death, 0, &blame);
    cJSON *detail = blame_detail(&death, &blame);
    assert_non_null(detail);
    assert_string_equal(cJSON_GetObjectItem(detail, "signal")->valuestring, "SIGSEGV");
    assert_string_equal(cJSON_GetObjectItem(detail, "phase")->valuestring, "process");
    assert_string_equal(cJSON_GetObjectItem(detail, "stderr")->valuestring, "first line\nthe last line");
    cJSON_Delete(detail);
}

/* ------------------------------------------------------------------------------------------------------- real processes */

struct house {
    uv_loop_t loop;
    struct run_folder folder;
    uint64_t numbers;
    unsigned deaths, hellos, readies, closed_pools;
    char reason[512];
};

static void count_hello(struct worker *worker, const cJSON *message) {
    (void)message;
    ((struct house *)worker_context(worker))->hellos++;
}

static void count_ready(struct worker *worker, const cJSON *message) {
    (void)message;
    ((struct house *)worker_context(worker))->readies++;
    worker_quit(worker);
}

static void count_death(struct worker *worker, const struct worker_death *death) {
    struct house *house = worker_context(worker);
    struct blame blame;
    blame_judge(death, 0, &blame);
    (void)snprintf(house->reason, sizeof house->reason, "%s", blame.reason);
    house->deaths++;
}

static const struct worker_events counting = {count_hello, count_ready, NULL, count_death};

static cJSON *settings_of(const char *profile) {
    cJSON *settings = cJSON_CreateObject();
    assert_non_null(cJSON_AddStringToObject(settings, "profile", profile));
    assert_non_null(cJSON_AddNumberToObject(settings, "memory_limit", 1 << 28));
    return settings;
}

static struct worker *start(struct house *house, const char *binary, const cJSON *settings) {
    struct error error;
    struct worker_spec spec = {
        .loop = &house->loop,
        .binary = binary,
        .role = "decode",
        .folder = house->folder.path,
        .settings = settings,
        .hello_deadline = 1,
        .load_deadline = 10,
        .events = &counting,
        .context = house,
    };
    struct worker *worker = worker_start(&spec, ++house->numbers, &error);
    if (!worker) fail_msg("%s", error.text);
    return worker;
}

static int open_house(void **state) {
    struct house *house = calloc(1, sizeof *house);
    struct error error;
    if (!house || uv_loop_init(&house->loop) != 0 || !run_folder_open(&house->folder, &error)) return -1;
    *state = house;
    return 0;
}

static int close_house(void **state) {
    struct house *house = *state;
    int status = UV_EBUSY;
    for (int i = 0; i < 2000 && (status = uv_loop_close(&house->loop)) == UV_EBUSY; i++) {
        (void)uv_run(&house->loop, UV_RUN_NOWAIT);
        (void)usleep(1000);
    }
    run_folder_close(&house->folder);
    free(house);
    return status; /* not 0: something of a worker was never closed */
}

static unsigned count_entries(const char *path) {
    DIR *folder = opendir(path);
    unsigned n = 0;
    assert_non_null(folder);
    while (readdir(folder)) n++;
    (void)closedir(folder);
    return n;
}

static long resident_pages(void) {
    long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld %ld", &size, &resident), 2);
    (void)fclose(file);
    return resident;
}

static void run_until(struct house *house, unsigned deaths) {
    while (house->deaths < deaths) (void)uv_run(&house->loop, UV_RUN_ONCE);
}

/* Lets what is being closed get closed: the connections of the dead take a moment to be noticed. */
static void settle(struct house *house) {
    for (int i = 0; i < 300; i++) {
        (void)uv_run(&house->loop, UV_RUN_NOWAIT);
        (void)usleep(1000);
    }
}

static void test_good_life(void **state) {
    struct house *house = *state;
    cJSON *settings = settings_of("full");
    (void)start(house, getenv("SONDE_WORKER"), settings);
    run_until(house, 1);
    assert_int_equal(house->hellos, 1);
    assert_int_equal(house->readies, 1);
    cJSON_Delete(settings);
}

static void test_no_such_binary(void **state) {
    struct house *house = *state;
    cJSON *settings = settings_of("full");
    (void)start(house, "/nowhere/sonde-worker", settings);
    run_until(house, 1);
    assert_non_null(strstr(house->reason, "no such file"));
    cJSON_Delete(settings);
}

/* A program that never says hello is killed when its time is up. */
static void test_silent(void **state) {
    struct house *house = *state;
    cJSON *settings = settings_of("full");
    char script[] = "/tmp/sonde-silent-XXXXXX";
    int fd = mkstemp(script);
    assert_true(fd >= 0);
    static const char text[] = "#!/bin/sh\nexec sleep 60\n";
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    assert_int_equal(fchmod(fd, 0700), 0);
    close(fd);
    (void)start(house, script, settings);
    run_until(house, 1);
    assert_non_null(strstr(house->reason, "hello"));
    (void)unlink(script);
    cJSON_Delete(settings);
}

/* A worker that refuses its settings says so once, in its last line. */
static void test_refuses(void **state) {
    struct house *house = *state;
    cJSON *settings = settings_of("no such profile");
    (void)start(house, getenv("SONDE_WORKER"), settings);
    run_until(house, 1);
    assert_int_equal(house->hellos, 0);
    assert_true(strlen(house->reason) > 10);
    cJSON_Delete(settings);
}

static bool kill_at_random(struct house *house, struct worker *worker, unsigned random) {
    for (unsigned turn = 0; turn < random % 12 && house->deaths == 0; turn++) {
        (void)uv_run(&house->loop, UV_RUN_NOWAIT);
        (void)usleep(1 + random % 700);
    }
    if (house->deaths > 0) return false;
    (void)kill(worker_pid(worker), SIGKILL);
    return true;
}

/* Workers die by the thousand, at any moment of the handshake; nothing of them is left, and the next one lives. */
static void test_deaths_leave_nothing(void **state) {
    struct house *house = *state;
    cJSON *settings = settings_of(SANITIZED ? "sanitizer" : "full");
    const char *wanted = getenv("SONDE_DEATHS");
    unsigned rounds = wanted ? (unsigned)atoi(wanted) : 300, random = 1;
    unsigned descriptors = 0, threads = 0;
    long pages = 0;
    for (unsigned i = 0; i < rounds; i++) {
        house->deaths = 0;
        random = random * 1103515245u + 12345u;
        struct worker *worker = start(house, getenv("SONDE_WORKER"), settings);
        (void)kill_at_random(house, worker, random >> 8);
        run_until(house, 1);
        if (i != rounds / 4) continue;
        settle(house);
        descriptors = count_entries("/proc/self/fd");
        threads = count_entries("/proc/self/task");
        pages = resident_pages();
    }
    settle(house);
    assert_int_equal(count_entries("/proc/self/fd"), descriptors);
    assert_int_equal(count_entries("/proc/self/task"), threads);
    if (!SANITIZED)
        assert_true(resident_pages() - pages < 1024); /* 4 MiB; a sanitizer keeps freed memory for a while */
    char children[64], text[256] = "";
    (void)snprintf(children, sizeof children, "/proc/self/task/%d/children", getpid());
    FILE *file = fopen(children, "re");
    if (file && !fgets(text, sizeof text, file)) text[0] = '\0';
    if (file) (void)fclose(file);
    assert_string_equal(text, ""); /* no zombies */
    house->deaths = house->readies = 0;
    (void)start(house, getenv("SONDE_WORKER"), settings);
    run_until(house, 1);
    assert_int_equal(house->readies, 1);
    cJSON_Delete(settings);
}

/* ---------------------------------------------------------------------------------------------------------------- pools */

static void on_available(void *context, struct pool *pool) {
    (void)context;
    (void)pool;
}

static void on_message(void *context, struct seat *seat, const char *type, cJSON *message) {
    (void)context;
    (void)seat;
    (void)type;
    (void)message;
}

static void on_died(void *context, struct seat *seat, const struct worker_death *death, const struct blame *blame) {
    (void)seat;
    (void)death;
    (void)blame;
    ((struct house *)context)->deaths++;
}

static void on_died_idle(void *context, struct pool *pool, const struct worker_death *death,
                         const struct blame *blame) {
    (void)pool;
    (void)death;
    (void)blame;
    ((struct house *)context)->deaths++;
}

static void on_closed(void *context, struct pool *pool, const char *sentence) {
    struct house *house = context;
    (void)pool;
    house->closed_pools++;
    (void)snprintf(house->reason, sizeof house->reason, "%s", sentence);
}

static void on_often(void *context, struct pool *pool, unsigned deaths, double seconds) {
    (void)context;
    (void)pool;
    (void)deaths;
    (void)seconds;
}

static const struct pool_events pool_calls = {
    .available = on_available,
    .message = on_message,
    .died = on_died,
    .died_idle = on_died_idle,
    .closed = on_closed,
    .often = on_often,
};

static struct pool *make_pool(struct house *house, const char *profile, unsigned workers, uint64_t jobs) {
    struct pool_spec spec = {
        .loop = &house->loop,
        .name = "test",
        .binary = getenv("SONDE_WORKER"),
        .role = "decode",
        .folder = house->folder.path,
        .settings = settings_of(profile),
        .workers = workers,
        .hello_deadline = 10,
        .load_deadline = 10,
        .jobs_per_worker = jobs,
        .numbers = &house->numbers,
        .events = &pool_calls,
        .context = house,
    };
    struct pool *pool = pool_new(&spec, NULL);
    assert_non_null(pool);
    return pool;
}

static struct seat *take(struct house *house, struct pool *pool, bool fresh) {
    struct seat *seat = NULL;
    while (!(seat = pool_take(pool, fresh)) && !pool_is_closed(pool)) (void)uv_run(&house->loop, UV_RUN_ONCE);
    return seat;
}

static void on_freed(void *context) {
    *(bool *)context = true;
}

static void end_pool(struct house *house, struct pool *pool) {
    bool freed = false;
    pool_free(pool, on_freed, &freed);
    while (!freed) (void)uv_run(&house->loop, UV_RUN_ONCE);
}

static void test_pool(void **state) {
    struct house *house = *state;
    struct pool *pool = make_pool(house, "full", 2, 3);
    struct seat *first = take(house, pool, false), *second = take(house, pool, false);
    assert_non_null(first);
    assert_non_null(second);
    assert_ptr_not_equal(first, second);
    assert_null(pool_take(pool, false)); /* two at most */
    pool_release(second, false);
    assert_ptr_equal(pool_take(pool, false), second); /* the same one again */
    assert_int_equal(second->jobs_done, 1);
    pool_release(second, false);
    uint64_t old = worker_number(second->worker);
    struct seat *fresh = take(house, pool, true); /* the used one makes room */
    assert_int_equal(fresh->jobs_done, 0);
    assert_true(worker_number(fresh->worker) > old);
    (void)kill(worker_pid(first->worker), SIGKILL);
    while (house->deaths == 0) (void)uv_run(&house->loop, UV_RUN_ONCE);
    struct seat *next = take(house, pool, false); /* replaced */
    assert_non_null(next);
    old = worker_number(next->worker);
    for (int i = 0; i < 3; i++) { /* recycled after three jobs */
        pool_release(next, false);
        next = i < 2 ? pool_take(pool, false) : take(house, pool, false);
        assert_non_null(next);
    }
    assert_true(worker_number(next->worker) > old);
    assert_int_equal(house->closed_pools, 0);
    end_pool(house, pool);
}

static void test_pool_that_refuses(void **state) {
    struct house *house = *state;
    struct pool *pool = make_pool(house, "no such profile", 2, 100);
    assert_null(take(house, pool, false));
    assert_int_equal(house->closed_pools, 1);
    assert_int_equal(house->deaths, 1); /* no second try */
    end_pool(house, pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_backoff),
        cmocka_unit_test(test_intensity),
        cmocka_unit_test(test_breaker_opens),
        cmocka_unit_test(test_breaker_needs_a_share),
        cmocka_unit_test(test_blame),
        cmocka_unit_test(test_blame_of_exits),
        cmocka_unit_test(test_detail),
        cmocka_unit_test_setup_teardown(test_good_life, open_house, close_house),
        cmocka_unit_test_setup_teardown(test_no_such_binary, open_house, close_house),
        cmocka_unit_test_setup_teardown(test_silent, open_house, close_house),
        cmocka_unit_test_setup_teardown(test_refuses, open_house, close_house),
        cmocka_unit_test_setup_teardown(test_deaths_leave_nothing, open_house, close_house),
        cmocka_unit_test_setup_teardown(test_pool, open_house, close_house),
        cmocka_unit_test_setup_teardown(test_pool_that_refuses, open_house, close_house),
    };
    return cmocka_run_group_tests_name("supervise", tests, NULL, NULL);
}
