/* Catalogues with random damage: every command that reads must end with an answer or a sentence, never with a crash. */
#include "tests/unit/catalogue_fixture.h"

#include "engine/catalogue/upkeep.h"
#include "engine/cli/commands.h"

#include <fcntl.h>
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

enum { ROUNDS = 150 };

static unsigned seed = 1;

static unsigned next_random(void) {
    seed = seed * 1664525u + 1013904223u;
    return seed >> 8;
}

static void fill(const struct fixture *f) {
    fixture_plugin(
        f, "p",
        "{\"type\":\"object\",\"properties\":{"
        "\"bpm\":{\"type\":\"number\",\"x-unit\":\"bpm\",\"x-summary\":{\"as\":\"bpm\",\"rule\":\"longest\"}},"
        "\"label\":{\"type\":\"string\",\"x-summary\":{\"as\":\"label\",\"rule\":\"longest\"}},"
        "\"timeline\":{\"type\":\"array\",\"x-summary\":{\"as\":\"timeline\",\"rule\":\"concat\"}},"
        "\"embedding\":{\"type\":\"object\",\"x-summary\":{\"as\":\"embedding\",\"rule\":\"longest\"}}}}");
    for (int i = 0; i < 12; i++) {
        char path[40], json[300];
        snprintf(path, sizeof path, "/s/%d.wav", i);
        snprintf(json, sizeof json,
                 "{\"bpm\":%d,\"label\":\"x\",\"timeline\":[{\"start\":0,\"end\":1,\"label\":\"music\"}],\"embedding\":"
                 "{\"model\":\"m\",\"version\":1,\"hash\":\"h\",\"catalogue\":[%d,0.2,0.3]}}",
                 100 + i, i + 1);
        struct fixture_file file = fixture_scan(f, path, path, path, 2);
        fixture_result(f, file.regions[0], "p", "i", json);
        fixture_result(f, file.regions[1], "p", "i", i % 3 ? json : NULL);
        fixture_finish(f, &file);
    }
}

static char *read_file(const char *path, size_t *n) {
    struct stat about;
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0 && fstat(fd, &about) == 0);
    char *data = malloc((size_t)about.st_size);
    assert_non_null(data);
    *n = (size_t)about.st_size;
    assert_int_equal(read(fd, data, *n), (ssize_t)*n);
    close(fd);
    return data;
}

static void write_file(const char *path, const char *data, size_t n) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, n), (ssize_t)n);
    close(fd);
}

static void run(const char *path, int (*command)(int, char **, const struct cli *), const char *a, const char *b,
                const char *c) {
    char *argv[] = {strdup(a), strdup(b), strdup(c), NULL};
    const struct cli cli = {.catalogue = path, .terminal = true, .colour = true, .width = 60};
    int code = command(3, argv, &cli);
    assert_true(code >= CLI_OK && code <= CLI_CANNOT_RUN);
    for (int i = 0; i < 3; i++) free(argv[i]);
}

static void run_all(const char *path, const char *recovered) {
    struct upkeep_recovered counts;
    run(path, find_command, "find", "--json", "--regions");
    run(path, find_command, "find", "--json", "--segments");
    run(path, find_command, "find", "--bpm", "90-130");
    run(path, find_command, "find", "--similar", "3.wav");
    run(path, find_command, "find", "--text", "wav");
    run(path, show_command, "show", "--all", "5.wav");
    run(path, show_command, "show", "--json", "6.wav");
    run(path, catalogue_command, "catalogue", "check", "");
    run(path, status_command, "status", "--json", "");
    (void)unlink(recovered);
    (void)upkeep_recover(path, recovered, &counts, NULL);
}

/* Bytes changed anywhere, pages swapped, ends cut. */
static void damage(char *data, size_t *n) {
    for (unsigned i = 1 + next_random() % 20; i > 0; i--) data[next_random() % *n] = (char)next_random();
    if (next_random() % 4 == 0) {
        size_t a = next_random() % (*n / 4096), b = next_random() % (*n / 4096);
        memmove(data + a * 4096, data + b * 4096, 4096);
    }
    if (next_random() % 8 == 0) *n = 1 + next_random() % *n;
}

static void nothing_crashes(void **state) {
    struct fixture *f = *state;
    char path[160], recovered[160];
    size_t n = 0;
    fill(f);
    catalogue_close(f->catalogue);
    f->catalogue = NULL;
    char *whole = read_file(f->path, &n), *copy = malloc(n);
    assert_non_null(copy);
    snprintf(path, sizeof path, "%s/damaged.db", f->folder);
    snprintf(recovered, sizeof recovered, "%s/recovered.db", f->folder);
    fflush(stdout);
    int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY);
    assert_true(dup2(null, STDOUT_FILENO) >= 0 && dup2(null, STDERR_FILENO) >= 0);
    for (int round = 0; round < ROUNDS; round++) {
        size_t length = n;
        seed = (unsigned)round + 1;
        memcpy(copy, whole, n);
        if (round > 0) damage(copy, &length);
        write_file(path, copy, length);
        run_all(path, recovered);
    }
    fflush(stdout);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    close(null);
    free(whole);
    free(copy);
}

/* A file that keeps all of SQLite's rules, but not those of the catalogue. */
static void a_liar_is_harmless(void **state) {
    struct fixture *f = *state;
    fill(f);
    catalogue_close(f->catalogue);
    f->catalogue = NULL;
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    static const char *const lies[] = {
        "PRAGMA ignore_check_constraints = ON",
        "PRAGMA foreign_keys = OFF",
        "UPDATE waveforms SET points = 1000000, channels = 2",
        "UPDATE region_analysis SET result = '{\"bpm\":'",
        "UPDATE region_analysis SET outcome = ''",
        "UPDATE region_analysis SET interfaces = '[\"classifier/1\",', current = 1",
        "UPDATE audio_summary SET bpm = 1e308, key = 'Z', regions = -5",
        "UPDATE region_vectors SET data = x'01'",
        "UPDATE vector_pages SET data = x'0102', dimensions = 7",
        "UPDATE files SET path_text = '', name = '', status = 'odd'",
        "UPDATE regions SET rate = 1, end_frame = -7",
        "UPDATE audio SET rate = -1",
        "UPDATE plugins SET schema = '{}x', descriptor = ''",
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++)
        if (sqlite3_exec(db, lies[i], NULL, NULL, NULL) != SQLITE_OK) fail_msg("%s: %s", lies[i], sqlite3_errmsg(db));
    sqlite3_close(db);
    fflush(stdout);
    int out = dup(STDOUT_FILENO), null = open("/dev/null", O_WRONLY);
    assert_true(dup2(null, STDOUT_FILENO) >= 0);
    char recovered[160];
    snprintf(recovered, sizeof recovered, "%s/recovered.db", f->folder);
    run_all(f->path, recovered);
    run(f->path, show_command, "show", "--all", "/s/5.wav");
    fflush(stdout);
    dup2(out, STDOUT_FILENO);
    close(null);
}

/* "Nothing found" is an answer; that a page can't be read is another. */
static void what_cannot_be_read_is_not_nothing(void **state) {
    struct fixture *f = *state;
    fill(f);
    fixture_run(f, "VACUUM");
    const size_t root = (size_t)fixture_number(f, "SELECT rootpage FROM sqlite_schema WHERE name = 'files'");
    const size_t page = (size_t)fixture_number(f, "PRAGMA page_size");
    catalogue_close(f->catalogue);
    f->catalogue = NULL;
    size_t n = 0;
    char *data = read_file(f->path, &n);
    memset(data + (root - 1) * page, 0xff, page);
    write_file(f->path, data, n);
    free(data);
    char *argv[] = {"find", "--json", NULL};
    const struct cli cli = {.catalogue = f->path, .width = 60};
    assert_int_equal(find_command(2, argv, &cli), CLI_CANNOT_RUN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_crashes, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_liar_is_harmless, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_read_is_not_nothing, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
