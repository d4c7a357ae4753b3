/* Supervision with real processes: their lives, thousands of deaths and what they leave, and pools. */
#include "engine/base/sanitizer.h"
#include "engine/ipc/run_folder.h"
#include "engine/supervise/blame.h"
#include "engine/supervise/pool.h"

#include <dirent.h>
#include <nng/nng.h>
#include <nng/protocol/pair1/pair.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

struct house {
    uv_loop_t loop;
    struct run_folder folder;
    uint64_t numbers;
    double patience; /* s, until hello */
    unsigned deaths, hellos, readies, closed_pools, answers, alarms;
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

static struct worker *start_role(struct house *house, const char *binary, const char *role, const cJSON *settings,
                                 const struct worker_events *events) {
    struct error error;
    struct worker_spec spec = {
        .loop = &house->loop,
        .binary = binary,
        .role = role,
        .folder = house->folder.path,
        .settings = settings,
        .hello_deadline = house->patience,
        .load_deadline = 20,
        .events = events,
        .context = house,
    };
    struct worker *worker = worker_start(&spec, ++house->numbers, &error);
    if (!worker) fail_msg("%s", error.text);
    return worker;
}

static struct worker *start(struct house *house, const char *binary, const cJSON *settings) {
    return start_role(house, binary, "decode", settings, &counting);
}

static int open_house(void **state) {
    struct house *house = calloc(1, sizeof *house);
    struct error error;
    if (!house || uv_loop_init(&house->loop) != 0 || !run_folder_open(&house->folder, &error)) return -1;
    house->patience = 60; /* a loaded machine starts slowly */
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

/* What this process holds, by kind. */
struct holdings {
    unsigned descriptors, memory_files, sockets, threads, children;
};

static struct holdings count_holdings(void) {
    struct holdings found = {.threads = count_entries("/proc/self/task")};
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        char link[128];
        ssize_t n = readlinkat(dirfd(folder), entry->d_name, link, sizeof link - 1);
        if (n < 0) continue;
        link[n] = '\0';
        found.descriptors++;
        found.memory_files += strncmp(link, "/memfd:", 7) == 0;
        found.sockets += strncmp(link, "socket:", 7) == 0;
    }
    (void)closedir(folder);
    char children[64], text[4096] = "";
    (void)snprintf(children, sizeof children, "/proc/self/task/%d/children", getpid());
    FILE *file = fopen(children, "re");
    if (file && !fgets(text, sizeof text, file)) text[0] = '\0';
    if (file) (void)fclose(file);
    for (const char *at = text; (at = strchr(at, ' ')); at++) found.children++;
    return found;
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

/* A shell's script, as a worker. */
static void write_script(char *path, const char *text) {
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(fchmod(fd, 0700), 0);
    close(fd);
}

static void say_what_commands_terminals(struct worker *worker, const cJSON *message) {
    (void)message;
    worker_break_protocol(worker, "it says \x1b]0;x\x07 \xc2\x9b"
                                  "31m \xe2\x80\xae \xc3");
}

/* What is said of a worker is shown on terminals, whatever it quotes. */
static void test_nothing_commands_terminals(void **state) {
    struct house *house = *state;
    static const struct worker_events events = {say_what_commands_terminals, count_ready, NULL, count_death};
    cJSON *settings = settings_of("full");
    (void)start_role(house, getenv("SONDE_WORKER"), "decode", settings, &events);
    run_until(house, 1);
    assert_string_equal(house->reason, "broken protocol: it says \ufffd]0;x\ufffd \ufffd31m \ufffd \ufffd");
    char script[] = "/tmp/sonde-tells-XXXXXX";
    write_script(script, "#!/bin/sh\nprintf 'a\\033\\302\\2333\\342\\200\\256\\303\\244\\177b' >&2\nexit 64\n");
    (void)start(house, script, settings);
    run_until(house, 2);
    (void)unlink(script);
    assert_non_null(strstr(house->reason, "a3\u00e4b"));
    cJSON_Delete(settings);
}

/* A program that never says hello is killed when its time is up. */
static void test_silent(void **state) {
    struct house *house = *state;
    cJSON *settings = settings_of("full");
    char script[] = "/tmp/sonde-silent-XXXXXX";
    write_script(script, "#!/bin/sh\nexec sleep 60\n");
    house->patience = 1;
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

/* How many workers die at random moments; a tenth as many in NNG's handshake. */
static unsigned wanted_deaths(void) {
    const char *wanted = getenv("SONDE_DEATHS");
    return wanted ? (unsigned)atoi(wanted) : SANITIZED ? 100 : 1000;
}

/* Workers die by the thousand, at any moment of the handshake; nothing of them is left, and the next one lives. */
static void test_deaths_leave_nothing(void **state) {
    struct house *house = *state;
    cJSON *settings = settings_of("full");
    unsigned rounds = wanted_deaths(), random = 1;
    struct holdings before = {0};
    long pages = 0;
    for (unsigned i = 0; i < rounds; i++) {
        house->deaths = 0;
        random = random * 1103515245u + 12345u;
        struct worker *worker = start(house, getenv("SONDE_WORKER"), settings);
        (void)kill_at_random(house, worker, random >> 8);
        run_until(house, 1);
        if (i != rounds / 4) continue;
        settle(house);
        before = count_holdings();
        pages = resident_pages();
    }
    settle(house);
    struct holdings after = count_holdings();
    assert_int_equal(after.descriptors, before.descriptors);
    assert_int_equal(after.memory_files, before.memory_files);
    assert_int_equal(after.sockets, before.sockets);
    assert_int_equal(after.threads, before.threads);
    assert_int_equal(after.children, 0); /* no zombies */
    if (!SANITIZED)
        assert_true(resident_pages() - pages <
                    24 + rounds / 10); /* 4 MiB of 10,000; a sanitizer keeps freed memory for a while */
    house->deaths = house->readies = 0;
    (void)start(house, getenv("SONDE_WORKER"), settings);
    run_until(house, 1);
    assert_int_equal(house->readies, 1);
    cJSON_Delete(settings);
}

/* This program as a worker: it connects, says none, half or all of its part of NNG's handshake, and dies. */
static int die_in_handshake(const char *url, const char *settings) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *number = strstr(settings, "\"worker\":");
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", url + strlen("ipc://"));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t bytes = number ? (size_t)atoi(number + strlen("\"worker\":")) % 9 : 0;
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) return 1;
    if (bytes > 0 && write(fd, "\0SP\0\0\x11\0\0", bytes) != (ssize_t)bytes) return 2;
    return raise(SIGKILL);
}

static void ask_neighbour(struct worker *worker) {
    cJSON *message = cJSON_CreateObject();
    assert_non_null(cJSON_AddStringToObject(message, "type", "try"));
    assert_non_null(cJSON_AddStringToObject(message, "what", "open"));
    assert_true(worker_send(worker, message));
    cJSON_Delete(message);
}

static void count_answer(struct worker *worker, const char *type, cJSON *message) {
    (void)message;
    assert_string_equal(type, "tried");
    ((struct house *)worker_context(worker))->answers++;
}

static void note_ready(struct worker *worker, const cJSON *message) {
    (void)message;
    ((struct house *)worker_context(worker))->readies++;
}

/* Workers die while they shake hands. Whoever is at work meanwhile loses not one message, whoever comes after them is
 * heard, and nothing of them is left. */
static void test_deaths_in_the_handshake(void **state) {
    struct house *house = *state;
    static const struct worker_events neighbourly = {NULL, note_ready, count_answer, count_death};
    cJSON *settings = settings_of("full");
    struct worker *neighbour = start_role(house, getenv("SONDE_WORKER"), "probe", settings, &neighbourly);
    while (house->readies == 0) (void)uv_run(&house->loop, UV_RUN_ONCE);
    struct holdings before = {0};
    const unsigned at_once = 20, rounds = wanted_deaths() > 2400 ? wanted_deaths() / 10 / at_once : 12;
    for (unsigned i = 0; i < rounds; i++) {
        house->deaths = 0;
        ask_neighbour(neighbour);
        for (unsigned k = 0; k < at_once; k++) (void)start(house, "/proc/self/exe", settings);
        ask_neighbour(neighbour);
        while (house->deaths < at_once || house->answers < 2 * (i + 1)) (void)uv_run(&house->loop, UV_RUN_ONCE);
        assert_non_null(strstr(house->reason, "SIGKILL"));
        assert_int_equal(house->answers, 2 * (i + 1));
        assert_int_equal(house->deaths, at_once);
        if (i != rounds / 4) continue;
        settle(house);
        before = count_holdings();
    }
    settle(house);
    struct holdings after = count_holdings();
    assert_int_equal(after.descriptors, before.descriptors);
    assert_int_equal(after.memory_files, before.memory_files);
    assert_int_equal(after.threads, before.threads);
    assert_int_equal(after.children, 1); /* the neighbour */
    assert_int_equal(house->hellos, 0);
    house->deaths = house->readies = 0;
    (void)start(house, getenv("SONDE_WORKER"), settings);
    run_until(house, 1);
    assert_int_equal(house->readies, 1);
    worker_quit(neighbour);
    run_until(house, 2);
    cJSON_Delete(settings);
}

/* This program as a worker that says hello, and then tells of libraries for ever. */
static int prattle(const char *url) {
    static const char *const words[] = {"{\"type\":\"hello\",\"protocol\":1}", "{\"type\":\"library\",\"path\":\"a\"}"};
    nng_socket socket;
    if (nng_pair1_open(&socket) != 0 || nng_dial(socket, url, NULL, 0) != 0) return 1;
    for (size_t said = 0;; said = 1) {
        nng_msg *message;
        if (nng_msg_alloc(&message, 0) != 0 || nng_msg_append(message, words[said], strlen(words[said])) != 0) return 2;
        if (nng_sendmsg(socket, message, 0) != 0) return 3;
    }
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
    (void)pool;
    assert_true(deaths > 1 && seconds > 1);
    ((struct house *)context)->alarms++;
}

static const struct pool_events pool_calls = {
    .available = on_available,
    .message = on_message,
    .died = on_died,
    .died_idle = on_died_idle,
    .closed = on_closed,
    .often = on_often,
};

static struct pool *make_pool_of(struct house *house, const char *binary, const char *profile, unsigned workers,
                                 uint64_t jobs, uint64_t memory_limit) {
    struct pool_spec spec = {
        .loop = &house->loop,
        .name = "test",
        .binary = binary,
        .memory_limit = memory_limit,
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

static struct pool *make_pool(struct house *house, const char *profile, unsigned workers, uint64_t jobs) {
    return make_pool_of(house, getenv("SONDE_WORKER"), profile, workers, jobs, 0);
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

/* One level of restart intensity: five starts in a row that fail, and there are no more. */
static void test_pool_that_never_starts(void **state) {
    struct house *house = *state;
    struct pool *pool = make_pool_of(house, "/bin/false", "full", 2, 100, 0);
    assert_null(take(house, pool, false));
    assert_int_equal(house->closed_pools, 1);
    assert_int_equal(house->deaths, 5);
    assert_non_null(strstr(house->reason, "5 workers in a row"));
    assert_string_equal(pool_closed_reason(pool), house->reason);
    end_pool(house, pool);
}

/* A worker tells of each library that it loads, once: one that goes on and on is ended long before its deadline. */
static void test_pool_that_prattles(void **state) {
    struct house *house = *state;
    struct pool *pool = make_pool_of(house, "/proc/self/exe", "prattle", 1, 100, 0);
    uint64_t start = uv_hrtime();
    assert_null(take(house, pool, false));
    assert_int_equal(house->closed_pools, 1);
    assert_non_null(strstr(house->reason, "it tells of more than it was to load"));
    assert_in_range((uv_hrtime() - start) / 1000000000, 0, 9); /* five starts, which may take 10 s each */
    end_pool(house, pool);
}

/* The other: deaths at work go on being replaced at once, but more than ten a minute are told. */
static void test_many_deaths_are_told(void **state) {
    struct house *house = *state;
    struct pool *pool = make_pool(house, "full", 1, 100);
    for (unsigned i = 0; i < 12; i++) {
        struct seat *seat = take(house, pool, false);
        assert_non_null(seat);
        assert_int_equal(house->alarms, i > 10);
        (void)kill(worker_pid(seat->worker), SIGKILL);
        while (house->deaths <= i) (void)uv_run(&house->loop, UV_RUN_ONCE);
    }
    assert_int_equal(house->closed_pools, 0);
    end_pool(house, pool);
}

/* A worker that holds more than half of what it may is replaced, though it has done nothing wrong. */
static void test_fat_workers_are_replaced(void **state) {
    struct house *house = *state;
    struct pool *pool = make_pool_of(house, getenv("SONDE_WORKER"), "full", 1, 100000, 64 << 10);
    struct seat *seat = take(house, pool, false);
    assert_non_null(seat);
    uint64_t first = worker_number(seat->worker);
    unsigned jobs = 0;
    while (worker_number(seat->worker) == first && jobs < 1000) {
        pool_release(seat, false);
        jobs++;
        seat = take(house, pool, false);
        assert_non_null(seat);
    }
    assert_in_range(jobs, 1, 64);
    end_pool(house, pool);
}

int main(int argc, char **argv) {
    if (argc == 4) return strstr(argv[3], "prattle") ? prattle(argv[2]) : die_in_handshake(argv[2], argv[3]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_good_life, open_house, close_house),
        cmocka_unit_test_setup_teardown(test_no_such_binary, open_house, close_house),
        cmocka_unit_test_setup_teardown(test_nothing_commands_terminals, open_house, close_house),
        cmocka_unit_test_setup_teardown(test_silent, open_house, close_house),
        cmocka_unit_test_setup_teardown(test_refuses, open_house, close_house),
        cmocka_unit_test_setup_teardown(test_deaths_leave_nothing, open_house, close_house),
        cmocka_unit_test_setup_teardown(test_deaths_in_the_handshake, open_house, close_house),
        cmocka_unit_test_setup_teardown(test_pool, open_house, close_house),
        cmocka_unit_test_setup_teardown(test_pool_that_refuses, open_house, close_house),
        cmocka_unit_test_setup_teardown(test_pool_that_never_starts, open_house, close_house),
        cmocka_unit_test_setup_teardown(test_pool_that_prattles, open_house, close_house),
        cmocka_unit_test_setup_teardown(test_many_deaths_are_told, open_house, close_house),
        cmocka_unit_test_setup_teardown(test_fat_workers_are_replaced, open_house, close_house),
    };
    return cmocka_run_group_tests_name("supervise", tests, NULL, NULL);
}
