/* engine/cli/config: defaults, the file, the command line, and what is refused. */
#include "engine/cli/choices.h"
#include "engine/cli/config.h"
#include "workers/segment/segment.h"

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

/* A configuration file with this text; its path is written into `path`. */
static void write_file(char path[64], const char *text) {
    strcpy(path, "/tmp/sonde-config-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static struct config *load(const char *text, struct error *error) {
    char path[64];
    write_file(path, text);
    struct config *config = config_load(path, error);
    unlink(path);
    return config;
}

static void defaults_hold_and_fit_their_ranges(void **state) {
    (void)state;
    struct config *config = load("", NULL);
    assert_non_null(config);
    assert_int_equal(config_integer(config, "engine.pcm_budget"), 96);
    for (const struct config_key *key = config_keys(); key->name; key++) {
        struct error error = {0};
        assert_true(strlen(key->text) > 10);
        assert_true(config_set(config, key->name, config_text(config, key->name), "test", &error));
    }
    config_free(config);
}

static void later_words_win(void **state) {
    (void)state;
    struct config *config = load("[engine]\njobs = 3\n[plugin:key]\ntuning = 442\n", NULL);
    assert_non_null(config);
    assert_int_equal(config_integer(config, "engine.jobs"), 3);
    assert_true(config_set(config, "engine.jobs", "5", "command line", NULL));
    assert_int_equal(config_integer(config, "engine.jobs"), 5);
    assert_true(config_set(config, "key:tuning", "443", "command line", NULL));
    const char *plugin, *key, *value;
    assert_true(config_plugin_param(config, 0, &plugin, &key, &value));
    assert_string_equal(plugin, "key");
    assert_string_equal(key, "tuning");
    assert_string_equal(value, "443");
    assert_false(config_plugin_param(config, 1, &plugin, &key, &value));
    config_free(config);
}

static void mistakes_are_named_with_file_and_line(void **state) {
    (void)state;
    static const char *const bad[][2] = {
        {"[engine]\njobz = 3\n", "jobz"},
        {"[engine]\njobs = many\n", "number"},
        {"[engine]\njobs = 2.5\n", "whole"},
        {"[engine]\n\njobs = 100000\n", "line 3"},
        {"[segment]\nmin_silence = nan\n", "number"},
        {"engine\n", "line 1"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct error error = {0};
        assert_null(load(bad[i][0], &error));
        assert_non_null(strstr(error.text, bad[i][1]));
    }
    struct error error = {0};
    assert_null(config_load("/nonexistent/sonde.ini", &error));
    assert_non_null(strstr(error.text, "/nonexistent/sonde.ini"));
}

/* "WORD WORD ..." of at least n bytes, with `before` and `after` around it. Caller frees. */
static char *long_text(const char *before, const char *word, size_t n, const char *after) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    fputs(before, out);
    for (size_t i = 0; i < n; i += strlen(word)) fputs(word, out);
    fputs(after, out);
    fclose(out);
    return text;
}

static void values_are_read_whole(void **state) {
    (void)state;
    static const size_t lengths[] = {150, 170, 180, 185, 190, 195, 200, 300, 400, 600, 5000};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct error error = {0};
        char *value = long_text("", "*.tmp ", lengths[i], "*.end");
        char *text = NULL;
        assert_true(asprintf(&text, "[watch]\nexclude = %s ; a comment\ninclude=%s\t\r\n", value, value) > 0);
        struct config *config = load(text, &error);
        assert_string_equal(error.text, "");
        assert_non_null(config);
        assert_string_equal(config_text(config, "watch.exclude"), value);
        assert_string_equal(config_text(config, "watch.include"), value);
        config_free(config);
        free(text);
        free(value);
    }
}

static void lines_stand_for_themselves(void **state) {
    (void)state;
    struct error error = {0};
    struct config *config = load("\xef\xbb\xbf[watch]\n  include = *.wav ;those\n  exclude = a;b\n\n\t; c\n", &error);
    assert_non_null(config);
    assert_string_equal(config_text(config, "watch.include"), "*.wav");
    assert_string_equal(config_text(config, "watch.exclude"), "a;b");
    config_free(config);
    assert_null(load("[watch]\nfolders = /a:\n  /b\n", &error)); /* not a second value */
    assert_non_null(strstr(error.text, "line 3"));
    char *comment = long_text("# ", "a = b ", 1000, "\n[engine]\njobs = 3\n");
    config = load(comment, &error);
    assert_non_null(config);
    assert_int_equal(config_integer(config, "engine.jobs"), 3);
    config_free(config);
    free(comment);
    char *senseless = long_text("[engine]\n", "word ", 1000, "= 3\n");
    assert_null(load(senseless, &error));
    assert_non_null(strstr(error.text, "line 2"));
    free(senseless);
    char *section = long_text("[plugin:", "org.example.", 90, "]\nlevel = 2\n");
    config = load(section, &error);
    assert_non_null(config);
    const char *plugin, *key, *value;
    assert_true(config_plugin_param(config, 0, &plugin, &key, &value));
    assert_int_equal(strlen(plugin), 96);
    assert_string_equal(value, "2");
    config_free(config);
    free(section);
}

static void what_is_no_text_is_refused(void **state) {
    (void)state;
    struct error error = {0};
    char path[64];
    write_file(path, "");
    FILE *out = fopen(path, "we");
    assert_non_null(out);
    assert_int_equal(fwrite("[engine]\njobs = 1\0 2\n", 1, 21, out), 21);
    fclose(out);
    assert_null(config_load(path, &error));
    assert_non_null(strstr(error.text, "line 2"));
    unlink(path);
    assert_null(config_load("/tmp", &error));
    assert_non_null(strstr(error.text, "cannot read the configuration /tmp"));
}

/* Who keeps configuration elsewhere, and has links to it, goes on having links. */
static void choices_behind_a_link_stay_there(void **state) {
    (void)state;
    char path[64], file[80], elsewhere[80], text[200] = "";
    struct error error = {0};
    struct choices choices;
    struct stat about;
    write_file(path, "");
    (void)snprintf(file, sizeof file, "%s.plugins.ini", path);
    (void)snprintf(elsewhere, sizeof elsewhere, "%s.elsewhere", path);
    FILE *out = fopen(elsewhere, "w");
    assert_non_null(out);
    assert_true(fputs("[disabled]\nloud = yes\n", out) >= 0 && fclose(out) == 0);
    assert_int_equal(symlink(elsewhere, file), 0);
    struct config *config = config_load(path, &error);
    assert_non_null(config);
    assert_true(choices_open(&choices, config, true, &error));
    assert_true(choices_disable(&choices, "quiet", true, &error) && choices_save(&choices, &error));
    choices_close(&choices);
    assert_true(lstat(file, &about) == 0 && S_ISLNK(about.st_mode));
    FILE *in = fopen(elsewhere, "r");
    assert_non_null(in);
    assert_true(fread(text, 1, sizeof text - 1, in) > 0 && fclose(in) == 0);
    assert_non_null(strstr(text, "loud = yes\nquiet = yes\n"));
    config_free(config);
    unlink(elsewhere);
    unlink(file);
    unlink(path);
}

static void many_plugins_are_ranked(void **state) {
    (void)state;
    enum { PLUGINS = 60 };
    char path[64], names[PLUGINS][40], file[80];
    const char *ids[PLUGINS];
    struct error error = {0};
    struct choices choices;
    write_file(path, "");
    (void)snprintf(file, sizeof file, "%s.plugins.ini", path);
    for (int i = 0; i < PLUGINS; i++) {
        (void)snprintf(names[i], sizeof names[i], "org.example.plugin%d", i);
        ids[i] = names[i];
    }
    struct config *config = config_load(path, &error);
    assert_non_null(config);
    assert_true(choices_open(&choices, config, true, &error));
    assert_true(choices_rank(&choices, "key/1", ids, PLUGINS, &error) && choices_save(&choices, &error));
    choices_close(&choices);
    assert_true(choices_open(&choices, config, false, &error));
    assert_int_equal(choices.rankings_count, 1);
    assert_int_equal(choices.rankings[0].plugins_count, PLUGINS);
    assert_string_equal(choices.rankings[0].plugins[0], "org.example.plugin0");
    assert_string_equal(choices.rankings[0].plugins[PLUGINS - 1], "org.example.plugin59");
    choices_close(&choices);
    config_free(config);
    unlink(file);
    unlink(path);
}

static void what_is_printed_can_be_read_again(void **state) {
    (void)state;
    struct config *config = load("[engine]\njobs = 3\n[segment]\npadding = 0.25\n[plugin:key]\ntuning = 442\n", NULL);
    assert_non_null(config);
    char *first = NULL, *second = NULL;
    size_t first_size, second_size;
    FILE *stream = open_memstream(&first, &first_size);
    assert_non_null(stream);
    config_print(config, stream);
    fclose(stream);
    assert_non_null(strstr(first, "jobs = 3"));
    assert_non_null(strstr(first, "# from: default"));
    struct error error = {0};
    struct config *again = load(first, &error);
    assert_non_null(again);
    assert_int_equal(config_integer(again, "engine.jobs"), 3);
    assert_true(config_number(again, "segment.padding") > 0.24);
    stream = open_memstream(&second, &second_size);
    assert_non_null(stream);
    config_print(again, stream);
    fclose(stream);
    assert_non_null(strstr(second, "tuning = 442"));
    free(first);
    free(second);
    config_free(config);
    config_free(again);
}

static void the_catalogue_has_a_usual_place(void **state) {
    (void)state;
    struct config *config = load("", NULL);
    assert_non_null(config);
    setenv("XDG_DATA_HOME", "/data", 1);
    char *path = config_catalogue(config, NULL);
    assert_string_equal(path, "/data/sonde/catalogue.db");
    free(path);
    unsetenv("XDG_DATA_HOME");
    setenv("HOME", "/home/x", 1);
    path = config_catalogue(config, NULL);
    assert_string_equal(path, "/home/x/.local/share/sonde/catalogue.db");
    free(path);
    assert_true(config_set(config, "catalogue.path", "/else/where.db", "test", NULL));
    path = config_catalogue(config, NULL);
    assert_string_equal(path, "/else/where.db");
    free(path);
    config_free(config);
}

static void the_segmenters_keys_are_its_own(void **state) {
    (void)state;
    struct config *config = load("", NULL);
    assert_non_null(config);
    cJSON *object = cJSON_CreateObject();
    for (const struct config_key *key = config_keys(); key->name; key++)
        if (strncmp(key->name, "segment.", 8) == 0)
            assert_non_null(cJSON_AddNumberToObject(object, key->name + 8, config_number(config, key->name)));
    struct segment_parameters mine, own = segment_defaults();
    memset(&mine, 0, sizeof mine); /* whatever the table lacks stays 0, and shows */
    struct error error = {0};
    assert_true(segment_parse(&mine, object, &error));
    char configured[SEGMENT_IDENTITY], built_in[SEGMENT_IDENTITY];
    segment_identity(&mine, configured);
    segment_identity(&own, built_in);
    assert_string_equal(configured, built_in);
    cJSON_Delete(object);
    config_free(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_hold_and_fit_their_ranges),
        cmocka_unit_test(later_words_win),
        cmocka_unit_test(mistakes_are_named_with_file_and_line),
        cmocka_unit_test(what_is_printed_can_be_read_again),
        cmocka_unit_test(the_catalogue_has_a_usual_place),
        cmocka_unit_test(the_segmenters_keys_are_its_own),
        cmocka_unit_test(values_are_read_whole),
        cmocka_unit_test(lines_stand_for_themselves),
        cmocka_unit_test(what_is_no_text_is_refused),
        cmocka_unit_test(choices_behind_a_link_stay_there),
        cmocka_unit_test(many_plugins_are_ranked),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
