/* Reading through a descriptor, and the texts and tags that files hold. */
#include "workers/decode/facts.h"
#include "workers/decode/input.h"
#include "workers/decode/tags.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void test_texts(void **state) {
    (void)state;
    char text[16] = "";
    facts_set_text(text, sizeof text, "caf\xe9\nau lait ", 13); /* Latin-1 */
    assert_string_equal(text, "café au lait");
    facts_set_text(text, sizeof text, "later", 5);
    assert_string_equal(text, "café au lait");
    char small[6] = "";
    facts_set_text(small, sizeof small, "ab\xe2\x82\xac\xe2\x82\xac", 8); /* no half characters */
    assert_string_equal(small, "ab\xe2\x82\xac");
    struct facts facts = {0};
    facts_set_bpm(&facts, "inf", 3);
    facts_set_bpm(&facts, "0", 1);
    facts_set_bpm(&facts, "99999999999999999999", 20);
    assert_true(facts.bpm == 0);
    facts_set_bpm(&facts, " 93,5 BPM", 9);
    assert_true(facts.bpm == 93.5);
    facts_set_tag(&facts, "INITIALKEY", "Am", 2);
    assert_string_equal(facts.key, "Am");
    facts_set_tag(&facts, "unknown", "x", 1);
    facts_add_loop(&facts, 10, 10);
    facts_add_loop(&facts, -1, 10);
    assert_int_equal(facts.loops_count, 0);
}

static void test_id3(void **state) {
    (void)state;
    unsigned char tag[] = "ID3\x03\0\0\0\0\0\x3f"
                          "TBPM\0\0\0\x04\0\0\0"
                          "128"
                          "TKEY\0\0\0\x07\0\0\x01\xff\xfe"
                          "F\0m\0"
                          "TXXX\0\0\0\x10\0\0\0"
                          "INITIALKEY\0"
                          "xyz\0"
                          "TIT2\0\0\xff\xff\0\0\0"
                          "too long";
    struct facts facts = {0};
    tags_parse_id3(tag, sizeof tag - 1, &facts);
    assert_true(facts.bpm == 128);
    assert_string_equal(facts.key, "Fm");
    assert_string_equal(facts.title, "");
    static const unsigned char comments[] = "\4\0\0\0test\2\0\0\0\7\0\0\0BPM=174\xff\xff\xff\x7fKEY=C";
    facts = (struct facts){0};
    tags_parse_vorbis(comments, sizeof comments - 1, &facts);
    assert_true(facts.bpm == 174);
    assert_string_equal(facts.key, "");
    uint32_t seed = 5; /* and anything else, without reading outside (for the sanitizers) */
    for (int i = 0; i < 20000; i++) {
        size_t n = (size_t)(i % 300);
        unsigned char *bytes = malloc(n + 1);
        assert_non_null(bytes);
        for (size_t k = 0; k < n; k++) bytes[k] = (unsigned char)((seed = seed * 1664525u + 1013904223u) >> 24);
        if (i % 2 && n > sizeof tag) memcpy(bytes, tag, 10 + (size_t)i % 20);
        tags_parse_vorbis(bytes, n, &facts);
        tags_parse_id3(bytes, n, &facts);
        free(bytes);
    }
}

static void test_input(void **state) {
    (void)state;
    size_t n = 300000;
    unsigned char *bytes = malloc(n), *back = malloc(n);
    char hash[HASH_TEXT], expected[HASH_TEXT];
    assert_true(bytes && back);
    for (size_t i = 0; i < n; i++) bytes[i] = (unsigned char)(i * 2654435761u >> 13);
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fflush(file), 0);
    int fd = fileno(file);
    struct input input;
    assert_true(input_open(&input, fd, (int64_t)n, NULL));
    assert_true(input_hash(&input, hash, NULL));
    hash_bytes(bytes, n, expected);
    assert_string_equal(hash, expected);
    for (size_t at = 0, step = 1; at < n; at += step, step = step * 5 % 80021 + 1) { /* any size, from any place */
        size_t wanted = step < n - at ? step : n - at;
        assert_int_equal(input_read_at(&input, (int64_t)at, back, step), wanted);
        assert_memory_equal(back, bytes + at, wanted);
        at = (at * 7 + 3) % n > at ? (at * 7 + 3) % n : at;
    }
    assert_int_equal(input_seek(&input, -5, SEEK_SET), 0);
    assert_int_equal(input_seek(&input, INT64_MAX, SEEK_CUR), (int64_t)n);
    assert_int_equal(input_read(&input, back, 10), 0);
    int rounds = 0; /* a library that reads in circles gets nothing in the end */
    while (input_read_at(&input, 0, back, n) == n) assert_true(++rounds < 1000);
    assert_true(input_is_spent(&input));
    assert_int_equal(ftruncate(fd, 1000), 0); /* a file that shrinks is noticed */
    struct error error;
    input_renew(&input);
    assert_false(input_hash(&input, hash, &error));
    assert_non_null(strstr(error.text, "shorter"));
    input_close(&input);
    fclose(file);
    free(bytes);
    free(back);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_id3),
        cmocka_unit_test(test_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
