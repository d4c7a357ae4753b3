/* What `sonde find` shows beside what was asked for: doubts, and copies. */
#include "tests/unit/command_rig.h"

#include "engine/base/json.h"
#include "engine/cli/commands.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The sound /s/N.wav with one result. */
static void add_sound(struct fixture *f, int n, const char *plugin, const char *json) {
    char path[20];
    snprintf(path, sizeof path, "/s/%d.wav", n);
    struct fixture_file file = fixture_scan(f, path, path, path, 1);
    fixture_result(f, file.regions[0], plugin, "i", json);
    fixture_finish(f, &file);
}

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
    for (int i = 0; i < 4; i++) add_sound(f, i, "p", sounds[i].json);
    for (int regions = 0; regions < 2; regions++) {
        assert_int_equal(RUN(find_command, "find", regions ? "--regions" : "--"), CLI_OK);
        for (int i = 0; i < 4; i++)
            if (!strstr(output, sounds[i].row + regions)) fail_msg("no row \"%s\" in:\n%s", sounds[i].row, output);
    }
}

/* Each sound that several files have, its files together; no other sound, and no file that is gone. */
static void find_duplicates(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *path, *sound;
    } files[] = {{"/t/d.wav", "two"},     {"/s/b.wav", "two"},  {"/s/a.wav", "one"},
                 {"/s/lone.wav", "lone"}, {"/s/c.wav", "two"},  {"/t/a.wav", "one"},
                 {"/t/x.wav", "gone"},    {"/t/y.wav", "gone"}, {"/a/y.wav", "two"}};
    fixture_plugin(
        f, "p",
        "{\"type\":\"object\",\"properties\":{\"bpm\":{\"type\":\"number\",\"x-unit\":\"bpm\",\"x-summary\":{"
        "\"as\":\"bpm\",\"rule\":\"longest\"}}}}");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct fixture_file file = fixture_scan(f, files[i].path, files[i].path, files[i].sound, 1);
        fixture_result(f, file.regions[0], "p", "i", "{\"bpm\":120}");
        fixture_finish(f, &file);
    }
    fixture_run(f, "UPDATE files SET status = 'missing' WHERE name = 'y.wav'");
    fixture_run(f, "UPDATE files SET size = 1234567 WHERE name = 'd.wav'");
    assert_int_equal(RUN(find_command, "find", "--duplicates", "--paths"), CLI_OK);
    assert_string_equal(output, "/s/b.wav\n/s/c.wav\n/t/d.wav\n/s/a.wav\n/t/a.wav\n");
    assert_int_equal(RUN(find_command, "find", "--duplicates", "--missing", "--paths", "--limit", "2"), CLI_OK);
    assert_string_equal(output, "/a/y.wav\n/s/b.wav\n");
    assert_int_equal(RUN(find_command, "find", "--duplicates", "-0", "--under", "/t"), CLI_OK);
    assert_memory_equal(output, "/t/d.wav\0/t/a.wav\0", 19);
    assert_int_equal(RUN(find_command, "find", "--duplicates"), CLI_OK);
    assert_non_null(strstr(output, "  LUFS        size  path\n"));
    assert_non_null(strstr(output, "-        1 kB  /s/c.wav\n "));
    assert_non_null(strstr(output, "-      1.2 MB  /t/d.wav\n\n"));
    assert_int_equal(RUN(find_command, "find", "--duplicates", "--json"), CLI_OK);
    cJSON *json = json_parse(output, output_length, sizeof output, 20, NULL);
    assert_int_equal(cJSON_GetArraySize(json), 5);
    assert_true(json_number(cJSON_GetArrayItem(json, 2), "size", 0) == 1234567);
    assert_true(json_integer(cJSON_GetArrayItem(json, 0), "audio_id", 0) ==
                json_integer(cJSON_GetArrayItem(json, 2), "audio_id", 1));
    assert_true(json_integer(cJSON_GetArrayItem(json, 2), "audio_id", 0) !=
                json_integer(cJSON_GetArrayItem(json, 3), "audio_id", 0));
    cJSON_Delete(json);
    assert_int_equal(RUN(find_command, "find", "--duplicates", "--csv"), CLI_OK);
    assert_non_null(strstr(output, "tags,status,audio_id,size\r\n"));
    assert_non_null(strstr(output, ",1234567\r\n"));
    assert_int_equal(RUN(find_command, "find", "--duplicates", "--regions", "--limit", "2", "--paths"), CLI_OK);
    assert_string_equal(output, "/s/b.wav\n/s/c.wav\n");
    assert_int_equal(RUN(find_command, "find", "--duplicates", "--segments"), CLI_SOME_FAILED);
    assert_int_equal(RUN(find_command, "find", "--duplicates", "lone"), CLI_SOME_FAILED);
    assert_int_equal(RUN(find_command, "find", "--duplicates", "--sort", "bpm"), CLI_USAGE);
}

/* The most alike first, and still only what is there more than once. */
static void find_similar_duplicates(void **state) {
    struct fixture *f = *state;
    static const char *const vectors[] = {"[1,0]", "[3,4]", "[0,1]"};
    fixture_plugin(
        f, "e",
        "{\"type\":\"object\",\"properties\":{\"embedding\":{\"type\":\"object\",\"additionalProperties\":true,"
        "\"x-summary\":{\"as\":\"embedding\",\"rule\":\"longest\"}}}}");
    for (int i = 0; i < 3; i++) {
        char path[20], copy[20], json[100];
        snprintf(path, sizeof path, "/s/%d.wav", i);
        snprintf(copy, sizeof copy, "/t/%d.wav", i);
        snprintf(json, sizeof json, "{\"embedding\":{\"model\":\"m\",\"version\":1,\"hash\":\"h\",\"catalogue\":%s}}",
                 vectors[i]);
        add_sound(f, i, "e", json);
        struct fixture_file file = fixture_scan(f, copy, path, path, 1);
        fixture_finish(f, &file);
    }
    fixture_run(f, "UPDATE files SET status = 'missing' WHERE path_text = '/t/1.wav'");
    for (int regions = 0; regions < 2; regions++) {
        assert_int_equal(
            RUN(find_command, "find", "--similar", "/s/0.wav", "--duplicates", "--paths", regions ? "--regions" : "--"),
            CLI_OK);
        assert_string_equal(output, "/t/0.wav\n/s/2.wav\n/t/2.wav\n");
    }
}

/* The value that was asked for is shown: numbers to five digits in the table, and to nine in CSV. */
static void find_shows_a_value(void **state) {
    struct fixture *f = *state;
    static const char *const results[] = {"{\"crest\":18.1234567891,\"words\":[\"hum\",\"hiss\"]}",
                                          "{\"crest\":-3,\"words\":[]}"};
    fixture_plugin(
        f, "p",
        "{\"type\":\"object\",\"properties\":{\"crest\":{\"type\":\"number\",\"x-unit\":\"dB\",\"x-summary\":{"
        "\"as\":\"crest\",\"rule\":\"longest\"}},\"words\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},"
        "\"x-summary\":{\"as\":\"a_long_name\",\"rule\":\"longest\"}}}}");
    for (int i = 0; i < 2; i++) add_sound(f, i, "p", results[i]);
    for (int regions = 0; regions < 2; regions++) {
        const char *rows = regions ? "--regions" : "--";
        assert_int_equal(RUN(find_command, "find", "--value", "crest", "--sort", "-value", rows), CLI_OK);
        assert_non_null(strstr(output, "  LUFS     crest  path\n"));
        assert_non_null(strstr(output, "       -    18.123  /s/0.wav"));
        assert_non_null(strstr(output, "       -        -3  /s/1.wav"));
        assert_true(strstr(output, "18.123") < strstr(output, "-3  "));
    }
    assert_int_equal(RUN(find_command, "find", "--value", "crest=10-", "--csv"), CLI_OK);
    assert_non_null(strstr(output, ",tags,status,crest\r\n/s/0.wav,"));
    assert_non_null(strstr(output, ",done,18.1234568\r\n"));
    assert_int_equal(RUN(find_command, "find", "--value", "a_long_name=hum"), CLI_OK);
    assert_non_null(strstr(output, "  LUFS  a_long_name  path\n"));
    assert_non_null(strstr(output, "       -  [\"hum\",\"hi…  /s/0.wav\n"));
}

/* What bash takes the words in `output` for, a zero byte behind each; its length. */
static size_t words_of_output(const struct fixture *f, char *words, size_t size) {
    char path[160], command[200];
    snprintf(path, sizeof path, "%s/words.sh", f->folder);
    snprintf(command, sizeof command, "bash '%s'", path);
    FILE *script = fopen(path, "w");
    assert_non_null(script);
    for (char *line = strtok(output, "\n"); line; line = strtok(NULL, "\n"))
        fprintf(script, "printf '%%s\\0' %s\n", line);
    fclose(script);
    FILE *shell = popen(command, "r");
    assert_non_null(shell);
    size_t n = fread(words, 1, size, shell);
    assert_int_equal(pclose(shell), 0);
    return n;
}

/* On a terminal a path can be copied to the next command line, and commands no terminal; a pipe gets its bytes. */
static void paths_are_words_on_a_terminal(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *path, *word;
    } files[] = {
        {"/s/kick_01-a.wav", "/s/kick_01-a.wav"},
        {"/s/\u00fcber \u65e5.wav", "'/s/\u00fcber \u65e5.wav'"},
        {"/s/\u00fcber.wav", "/s/\u00fcber.wav"},
        {"/s/it's $HOME `x` \"!\" \\.wav", "'/s/it'\\''s $HOME `x` \"!\" \\.wav'"},
        {"/s/it's\n\033[31m\\\377.wav", "$'/s/it\\'s\\012\\033[31m\\\\\\377.wav'"},
        {"/s/\u202egpj.wav", "$'/s/\\342\\200\\256gpj.wav'"},
    };
    char words[1000];
    fixture_plugin(f, "p", "{\"type\":\"object\",\"properties\":{}}");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct fixture_file file = fixture_scan(f, files[i].path, files[i].path, files[i].path, 1);
        fixture_finish(f, &file);
    }
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char line[100];
        snprintf(line, sizeof line, "%s\n", files[i].word);
        assert_int_equal(ON_TERMINAL(30, find_command, "find", "--paths"), CLI_OK);
        if (!strstr(output, line)) fail_msg("no %s in:\n%s", line, output);
    }
    const size_t n = words_of_output(f, words, sizeof words);
    assert_int_equal(RUN(find_command, "find", "-0"), CLI_OK);
    assert_int_equal(n, output_length);
    assert_memory_equal(words, output, n);
    assert_int_equal(RUN(find_command, "find", "--paths"), CLI_OK);
    assert_non_null(strstr(output, files[4].path));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(find_marks_what_is_doubtful, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(find_duplicates, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(find_shows_a_value, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(find_similar_duplicates, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(paths_are_words_on_a_terminal, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
