/* sonde set bpm=xFACTOR: what is at half, double or two thirds of its tempo, many files at once. */
#include "tests/unit/command_rig.h"

#include "engine/cli/commands.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

/* a.wav has two regions, at 120 and 90; b.wav and c.wav (which a copy of it lies beside) are at 70, d.wav has no tempo. */
static void fill(struct fixture *f) {
    static const struct {
        const char *path, *sound;
        int regions;
        const char *results[2];
    } files[] = {{"/s/a.wav", "a", 2, {"{\"bpm\":120}", "{\"bpm\":90}"}},
                 {"/s/b.wav", "b", 1, {"{\"bpm\":70}"}},
                 {"/s/c.wav", "c", 1, {"{\"bpm\":70}"}},
                 {"/s/copy.wav", "c", 1, {"{\"bpm\":70}"}},
                 {"/s/d.wav", "d", 1, {"{}"}}};
    fixture_plugin(
        f, "p",
        "{\"type\":\"object\",\"properties\":{\"bpm\":{\"type\":\"number\",\"x-unit\":\"bpm\",\"x-summary\":{"
        "\"as\":\"bpm\",\"rule\":\"longest\"}}}}");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct fixture_file file = fixture_scan(f, files[i].path, files[i].path, files[i].sound,
                                                (size_t)files[i].regions);
        for (int r = 0; r < files[i].regions; r++) fixture_result(f, file.regions[r], "p", "i", files[i].results[r]);
        fixture_finish(f, &file);
    }
    catalogue_close(f->catalogue); /* its writer is the command */
    f->catalogue = NULL;
}

static void check_tempi(struct fixture *f, const char *files, const char *regions_of_a) {
    struct error error;
    f->catalogue = catalogue_open(f->path, CATALOGUE_WRITE, &error);
    assert_non_null(f->catalogue);
    assert_string_equal(fixture_text(f, "SELECT group_concat(name || ' ' || ifnull(bpm, '-'), ', ') FROM"
                                        " (SELECT name, bpm FROM sounds ORDER BY name)"),
                        files);
    assert_string_equal(fixture_text(f,
                                     "SELECT group_concat(ifnull(bpm, '-'), ', ') FROM (SELECT bpm FROM sound_regions"
                                     " WHERE path = '/s/a.wav' ORDER BY region)"),
                        regions_of_a);
    catalogue_close(f->catalogue);
    f->catalogue = NULL;
}

static void tempi_are_multiplied(void **state) {
    struct fixture *f = *state;
    fill(f);
    assert_int_equal(RUN(set_command, "set", "b.wav", "bpm=x2"), CLI_OK);
    check_tempi(f, "a.wav 120.0, b.wav 140.0, c.wav 70.0, copy.wav 70.0, d.wav -", "120.0, 90.0");
    /* of what a user has said, too; and a sound that is there twice once */
    assert_int_equal(RUN(set_command, "set", "bpm=x1/2", "label=x", "--", "b.wav", "c.wav", "copy.wav"), CLI_OK);
    check_tempi(f, "a.wav 120.0, b.wav 70.0, c.wav 35.0, copy.wav 35.0, d.wav -", "120.0, 90.0");
    assert_int_equal(RUN(set_command, "set", "a.wav#1", "bpm=x2/3"), CLI_OK);
    check_tempi(f, "a.wav 120.0, b.wav 70.0, c.wav 35.0, copy.wav 35.0, d.wav -", "120.0, 60.0");
    assert_int_equal(RUN(set_command, "set", "c.wav", "bpm="), CLI_OK);
    assert_int_equal(RUN(set_command, "set", "a.wav", "bpm=x1.25"), CLI_OK);
    check_tempi(f, "a.wav 150.0, b.wav 70.0, c.wav 70.0, copy.wav 70.0, d.wav -", "120.0, 60.0");
}

static void nothing_is_done_where_one_can_not_be(void **state) {
    struct fixture *f = *state;
    static const char *const wrong[] = {"bpm=x",    "bpm=x0",  "bpm=x-2",  "bpm=x2/",   "bpm=x1/0",
                                        "bpm=x2x3", "bpm=xx2", "bpm=xinf", "bpm=x2 /3", "key=x2"};
    fill(f);
    assert_int_equal(RUN_SAYS(set_command, "set", "bpm=x2", "--", "b.wav", "d.wav"), CLI_SOME_FAILED);
    assert_string_equal(complaint, "sonde: d.wav has no tempo to multiply\n");
    assert_int_equal(RUN_SAYS(set_command, "set", "bpm=x8", "--", "b.wav", "a.wav"), CLI_OK);
    assert_int_equal(RUN_SAYS(set_command, "set", "bpm=x1.2", "--", "c.wav", "a.wav"), CLI_SOME_FAILED);
    assert_string_equal(complaint, "sonde: a.wav: bpm=1152: should be a number from 10 to 999, or none\n");
    assert_int_equal(RUN(set_command, "set", "bpm=x2", "--", "nowhere.wav"), CLI_SOME_FAILED);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(RUN(set_command, "set", "b.wav", wrong[i]), CLI_USAGE);
    assert_int_equal(RUN(tag_command, "tag", "b.wav", "bpm=x2"), CLI_OK); /* a word like any other */
    check_tempi(f, "a.wav 960.0, b.wav 560.0, c.wav 70.0, copy.wav 70.0, d.wav -", "120.0, 90.0");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tempi_are_multiplied, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(nothing_is_done_where_one_can_not_be, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
