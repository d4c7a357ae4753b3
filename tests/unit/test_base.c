/* engine/base: text, JSON limits, hashes, errors. */
#include "engine/base/error.h"
#include "engine/base/hash.h"
#include "engine/base/json.h"
#include "engine/base/path.h"
#include "engine/base/text.h"
#include "engine/base/whole.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void text_knows_utf8(void **state) {
    (void)state;
    assert_true(text_is_utf8("gr\xc3\xbc\xc3\x9f \xf0\x9f\x8e\xb5", 11));
    assert_false(text_is_utf8("\xc0\xaf", 2));         /* overlong */
    assert_false(text_is_utf8("\xed\xa0\x80", 3));     /* surrogate */
    assert_false(text_is_utf8("\xf4\x90\x80\x80", 4)); /* above U+10FFFF */
    assert_false(text_is_utf8("\xe2\x82", 2));         /* cut off */
}

static void text_cut_keeps_characters_whole(void **state) {
    (void)state;
    for (size_t max = 0; max <= 12; max++) {
        char s[] = "a\xc3\xbc\xe2\x82\xac\xf0\x9f\x8e\xb5z";
        text_cut(s, max);
        assert_true(strlen(s) <= max);
        assert_true(text_is_utf8(s, strlen(s)));
        if (max >= 11) assert_int_equal(strlen(s), 11);
    }
    char clipped[] = "ab\xe2\x82"; /* already cut by someone else */
    text_cut(clipped, 20);
    assert_string_equal(clipped, "ab");
}

static void text_display_is_one_clean_line(void **state) {
    (void)state;
    char *s = text_display("a\nb\xff\x1b[0m\xc2\x85", 10);
    assert_non_null(s);
    assert_string_equal(s, "a\xef\xbf\xbd"
                           "b\xef\xbf\xbd\xef\xbf\xbd[0m\xef\xbf\xbd");
    free(s);
    static const char turning[] =
        "a\u202egpj.exe\u2067b\u200f"; /* what only says of itself which way it goes is left */
    s = text_display(turning, sizeof turning - 1);
    assert_non_null(s);
    assert_string_equal(s, "a\ufffdgpj.exe\ufffdb\u200f");
    free(s);
}

static cJSON *parse(const char *text, struct error *error) {
    return json_parse(text, strlen(text), 1000, 4, error);
}

static void json_limits_hold(void **state) {
    (void)state;
    struct error error;
    cJSON *value = parse(" {\"a\": [1, {\"b\": 2.5}]} ", &error);
    assert_non_null(value);
    cJSON_Delete(value);
    static const char *const bad[] = {"",
                                      "{",
                                      "[[[[[1]]]]]",
                                      "{\"a\":1,\"a\":2}",
                                      "1 2",
                                      "\"\\u0000\"",
                                      "\"\xff\"",
                                      "nul",
                                      "[1,]",
                                      "{\"x\":{\"a\":1,\"b\":2,\"a\":3}}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        error.text[0] = '\0';
        assert_null(parse(bad[i], &error));
        assert_true(error.text[0] != '\0');
    }
    assert_null(json_parse("[1]", 3, 2, 4, &error));
    value = parse("\"[[[[[[[[ \\\" ]\"", &error); /* brackets in strings don't nest */
    assert_non_null(value);
    cJSON_Delete(value);
}

static void check_print(cJSON *value) {
    assert_non_null(value);
    char *ours = json_print(value), *theirs = cJSON_PrintUnformatted(value);
    assert_non_null(ours);
    assert_string_equal(ours, theirs);
    cJSON_free(ours);
    cJSON_free(theirs);
    cJSON_Delete(value);
}

static void json_is_printed_as_cjson_does(void **state) {
    (void)state;
    static const double numbers[] = {0,
                                     -0.0,
                                     1,
                                     -1,
                                     0.1,
                                     -0.5,
                                     1e-4,
                                     9.9999e-5,
                                     1e-300,
                                     123456789,
                                     999999999.5,
                                     1e9,
                                     1e15,
                                     1e22,
                                     2147483647,
                                     -2147483648.0,
                                     2147483648.0,
                                     4294967296.5,
                                     0.333333333333333314,
                                     0.123456789,
                                     0.1234567891,
                                     0.00012345678,
                                     0.000123456789,
                                     99.99,
                                     44100.0 / 3,
                                     (double)1.1f,
                                     INFINITY,
                                     NAN,
                                     5e-324,
                                     1.7976931348623157e308,
                                     0.3,
                                     100.5,
                                     20.0625};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) check_print(cJSON_CreateNumber(numbers[i]));
    uint64_t seed = 1;
    for (int i = 0; i < 20000; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        char text[40];
        double value = ((double)(seed >> 11) / 9007199254740992.0 - 0.5) * pow(10, (int)(seed % 17) - 6);
        snprintf(text, sizeof text, "%.*g", 1 + (int)(seed / 32 % 17), value);
        check_print(cJSON_CreateNumber(strtod(text, NULL)));
    }
    static const char *const texts[] = {
        "{\"a\":[],\"b\":{},\"c\":[1,2.5,{\"d\":null}],\"e\":true,\"f\":false}",
        "[\"\",\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f/\",\"\xc3\xa9\xf0\x9f\x8e\xb5\"]",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) check_print(cJSON_Parse(texts[i]));
    assert_null(json_print(NULL));
}

static void json_members_fall_back(void **state) {
    (void)state;
    cJSON *v = parse("{\"n\": 1.5, \"i\": 7, \"s\": \"x\", \"t\": true, \"big\": 1e300}", NULL);
    assert_non_null(v);
    assert_int_equal(json_integer(v, "i", -1), 7);
    assert_int_equal(json_integer(v, "n", -1), -1);
    assert_int_equal(json_integer(v, "big", -1), -1);
    assert_int_equal(json_integer(v, "s", -1), -1);
    assert_true(json_number(v, "n", 0) > 1.4);
    assert_string_equal(json_string(v, "s", ""), "x");
    assert_string_equal(json_string(v, "i", "none"), "none");
    assert_true(json_bool(v, "t", false));
    assert_null(json_member(NULL, "x"));
    cJSON_Delete(v);
}

static void hashes_are_stable_and_streaming(void **state) {
    (void)state;
    char one[HASH_TEXT], two[HASH_TEXT];
    hash_bytes("hello world", 11, one);
    struct hash *h = hash_new();
    assert_non_null(h);
    hash_add(h, "hello", 5);
    hash_add(h, " world", 6);
    hash_text(h, two);
    hash_free(h);
    assert_string_equal(one, two);
    assert_true(hash_is_text(one));
    assert_false(hash_is_text("xyz"));
    hash_bytes("", 0, one);
    assert_string_equal(one,
                        "99aa06d3014798d86001c324468d497f"); /* XXH3-128 of nothing, from the xxHash specification */
}

static void error_sentences_fit(void **state) {
    (void)state;
    struct error error;
    char longer[700];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_false(error_set(&error, "%s", longer));
    assert_int_equal(strlen(error.text), sizeof error.text - 1);
    assert_false(error_system(&error, 2, "cannot open %s", "x"));
    assert_string_equal(error.text, "cannot open x: No such file or directory");
    assert_int_equal(error.code, 2);
}

static void paths_have_parts(void **state) {
    (void)state;
    static const char *const paths[][3] = {
        {"/a/b.wav", "/a", "b.wav"}, {"/b.wav", "/", "b.wav"}, {"b.wav", ".", "b.wav"},
        {"a/b/", "a/b", ""},         {"/", "/", ""},           {"", ".", ""}};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        char *folder = path_folder(paths[i][0]);
        assert_string_equal(folder, paths[i][1]);
        assert_string_equal(path_name(paths[i][0]), paths[i][2]);
        free(folder);
    }
}

/* A pipe gives and takes less than it is asked for. */
static void reading_and_writing_are_whole(void **state) {
    (void)state;
    int ends[2];
    char text[40] = "";
    size_t got = 0;
    assert_int_equal(pipe(ends), 0);
    assert_true(whole_write(ends[1], "half and ", 9) && whole_read(ends[0], text, 5, &got));
    assert_int_equal(got, 5);
    assert_true(whole_write(ends[1], "half", 4));
    close(ends[1]);
    assert_true(whole_read(ends[0], text + got, sizeof text - got, &got)); /* its end comes first */
    assert_string_equal(text, "half and half");
    assert_int_equal(got, 8);
    close(ends[0]);
    assert_false(whole_read(ends[0], text, 1, &got));
    assert_int_equal(errno, EBADF);
    assert_int_equal(got, 0);
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_false(whole_write(full, text, 1));
    assert_int_equal(errno, ENOSPC);
    close(full);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_knows_utf8),
        cmocka_unit_test(text_cut_keeps_characters_whole),
        cmocka_unit_test(text_display_is_one_clean_line),
        cmocka_unit_test(json_limits_hold),
        cmocka_unit_test(json_members_fall_back),
        cmocka_unit_test(json_is_printed_as_cjson_does),
        cmocka_unit_test(hashes_are_stable_and_streaming),
        cmocka_unit_test(error_sentences_fit),
        cmocka_unit_test(paths_have_parts),
        cmocka_unit_test(reading_and_writing_are_whole),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
