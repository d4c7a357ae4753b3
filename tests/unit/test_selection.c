/* The conditions of find and export, as they are typed. (The others are tested through their commands, in test_find.c.) */
#include "engine/cli/selection.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* Takes `--value TEXT`. */
static bool take(struct selection *selection, const char *text, struct error *error) {
    static char option[] = "--value", value[100]; /* the selection points into them */
    char *argv[] = {option, value};
    int i = 0;
    bool taken = false;
    assert_true(strlen(text) < sizeof value);
    strcpy(value, text);
    bool fine = selection_take(selection, 2, argv, &i, &taken, error);
    const struct query *query = &selection->query;
    if (fine && query->measures[query->measures_count - 1].text)
        assert_string_equal(query->measures[query->measures_count - 1].text, strchr(text, '=') + 1);
    return fine;
}

static void values(void **state) {
    (void)state;
    static const struct {
        const char *text, *name;
        double low, high;
        bool is_text;
    } right[] = {{"crest=18-", "crest", 18, NAN, false},
                 {"lufs=-20..-10", "lufs", -20, -10, false},
                 {"rumble_2=..1000", "rumble_2", NAN, 1000, false},
                 {"beats=0", "beats", 0, 0, false},
                 {"meter=3/4", "meter", NAN, NAN, true},
                 {"key=A minor", "key", NAN, NAN, true},
                 {"tonic=e", "tonic", NAN, NAN, true},
                 {"a=b=c", "a", NAN, NAN, true},
                 {"crest", "crest", NAN, NAN, false}};
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        struct selection selection;
        struct error error = {0};
        selection_init(&selection);
        if (!take(&selection, right[i].text, &error)) fail_msg("%s: %s", right[i].text, error.text);
        const struct query_measure *measure = &selection.query.measures[0];
        assert_int_equal(selection.query.measures_count, 1);
        assert_string_equal(measure->name, right[i].name);
        assert_int_equal(measure->text != NULL, right[i].is_text);
        assert_true(measure->range.low == right[i].low || (isnan(measure->range.low) && isnan(right[i].low)));
        assert_true(measure->range.high == right[i].high || (isnan(measure->range.high) && isnan(right[i].high)));
    }
}

static void no_values(void **state) {
    (void)state;
    const char *const wrong[] = {
        "",          "=3",          "crest=",
        "Crest=3",   "crest=9-3",   "crest=-",
        "two words", "two words=1", "a234567890123456789012345678901234567890123456789012345678901234=1"};
    struct selection selection;
    struct error error = {0};
    selection_init(&selection);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (take(&selection, wrong[i], &error)) fail_msg("%s is taken for a value", wrong[i]);
    assert_int_equal(selection.query.measures_count, 0);
    for (int i = 0; i < QUERY_WORDS; i++) assert_true(take(&selection, "a=1", &error));
    assert_false(take(&selection, "a=1", &error));
    assert_string_equal(error.text, "at most 16 values");
}

static void sorting_needs_a_value(void **state) {
    (void)state;
    struct selection selection;
    struct error error = {0};
    selection_init(&selection);
    selection.query.sort = QUERY_BY_MEASURE;
    assert_false(selection_finish(&selection, &error));
    assert_string_equal(error.text, "--sort value needs --value");
    assert_true(take(&selection, "crest", &error));
    assert_true(selection_finish(&selection, &error));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(values), cmocka_unit_test(no_values),
                                       cmocka_unit_test(sorting_needs_a_value)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
