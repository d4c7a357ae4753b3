/* What `sonde find` shows beside what was asked for. */
#include "tests/unit/command_rig.h"

#include "engine/cli/commands.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* A mark where a tempo or a key is more likely wrong than right, in room that was there before. */
static void find_marks_what_is_doubtful(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *json, *row;
    } sounds[] = {
        {"{\"bpm\":120,\"c\":0.49,\"key\":\"G# minor\",\"d\":0.8}", "s   120.0? G#m  1A   -"},
        {"{\"bpm\":121,\"c\":0.5,\"key\":\"Bb minor\",\"d\":0.2}", "s   121.0  Bbm? 3A   -"},
        {"{\"bpm\":122,\"c\":0.1}", "s   122.0? -         -"},
        {"{\"key\":\"C major\",\"d\":0.1}", "s       -  C?   8B   -"},
    };
    fixture_plugin(
        f, "p",
        "{\"type\":\"object\",\"properties\":{\"bpm\":{\"type\":\"number\",\"x-unit\":\"bpm\",\"x-summary\":{"
        "\"as\":\"bpm\",\"rule\":\"mode\",\"weight\":\"c\",\"confidence_as\":\"bpm_confidence\"}},"
        "\"key\":{\"type\":\"string\",\"x-summary\":{\"as\":\"key\",\"rule\":\"mode\",\"weight\":\"d\","
        "\"confidence_as\":\"key_confidence\"}},\"c\":{\"type\":\"number\",\"x-unit\":\"probability\"},"
        "\"d\":{\"type\":\"number\",\"x-unit\":\"probability\"}}}");
    for (int i = 0; i < 4; i++) {
        char path[20];
        snprintf(path, sizeof path, "/s/%d.wav", i);
        struct fixture_file file = fixture_scan(f, path, path, path, 1);
        fixture_result(f, file.regions[0], "p", "i", sounds[i].json);
        fixture_finish(f, &file);
    }
    for (int regions = 0; regions < 2; regions++) {
        assert_int_equal(RUN(find_command, "find", regions ? "--regions" : "--"), CLI_OK);
        for (int i = 0; i < 4; i++)
            if (!strstr(output, sounds[i].row + regions)) fail_msg("no row \"%s\" in:\n%s", sounds[i].row, output);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(find_marks_what_is_doubtful, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
