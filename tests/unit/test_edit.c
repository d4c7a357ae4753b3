/* Users' words, and the upkeep of a catalogue: check, prune, backup, recover. */
#include "tests/unit/catalogue_fixture.h"

#include "engine/catalogue/check.h"
#include "engine/catalogue/edit.h"
#include "engine/catalogue/sql.h"
#include "engine/catalogue/summary.h"
#include "engine/catalogue/upkeep.h"
#include "engine/cli/commands.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define OK(call)                                                                                                       \
    do {                                                                                                               \
        struct error error = {0};                                                                                      \
        if (!(call)) fail_msg("%s", error.text);                                                                       \
    } while (0)

static const char *const schema =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"bpm\":{\"type\":\"number\",\"x-unit\":\"bpm\",\"x-summary\":{\"as\":\"bpm\",\"rule\":\"longest\"}},"
    "\"key\":{\"type\":\"string\",\"x-summary\":{\"as\":\"key\",\"rule\":\"longest\"}},"
    "\"label\":{\"type\":\"string\",\"x-summary\":{\"as\":\"label\",\"rule\":\"longest\"}}}}";
static const char *const json = "{\"bpm\":120,\"key\":\"A minor\",\"label\":\"drums\"}";

static struct fixture_file fill(struct fixture *f) {
    fixture_plugin(f, "p", schema);
    struct fixture_file file = fixture_scan(f, "/s/loop.wav", "a", "a", 2);
    for (size_t i = 0; i < file.n; i++) fixture_result(f, file.regions[i], "p", "i", json);
    fixture_finish(f, &file);
    return file;
}

static char reported[4000];

static void remember(void *context, const char *sentence) {
    (void)context;
    snprintf(reported + strlen(reported), sizeof reported - strlen(reported), "%s\n", sentence);
}

static int64_t check(struct fixture *f) {
    int64_t wrong = -1;
    reported[0] = '\0';
    OK(check_catalogue(f->catalogue, remember, NULL, &wrong, &error));
    return wrong;
}

static void a_users_word_wins_and_stays(void **state) {
    struct fixture *f = *state;
    struct fixture_file file = fill(f);
    const struct edit_place whole = {file.audio, 0};
    OK(edit_set(f->catalogue, &whole, "bpm", "121.5", &error));
    OK(edit_set(f->catalogue, &whole, "key", "8b", &error));
    assert_true(fixture_real(f, "SELECT bpm FROM sounds") == 121.5);
    assert_string_equal(fixture_text(f, "SELECT key || key_source FROM sounds"), "C majoruser");
    /* analysed again, by a new version that says something else */
    fixture_result(f, file.regions[0], "p", "new", "{\"bpm\":60,\"key\":\"D minor\",\"label\":\"bass\"}");
    fixture_finish(f, &file);
    assert_true(fixture_real(f, "SELECT bpm FROM sounds") == 121.5);
    assert_string_equal(fixture_text(f, "SELECT label FROM sounds"), "bass");
    /* a retagged copy elsewhere has it too */
    struct fixture_file copy = fixture_scan(f, "/t/renamed.wav", "other bytes", "a", 2);
    fixture_finish(f, &copy);
    assert_true(fixture_real(f, "SELECT bpm FROM sounds WHERE name = 'renamed.wav'") == 121.5);
    /* taken back */
    OK(edit_set(f->catalogue, &whole, "bpm", NULL, &error));
    assert_true(fixture_real(f, "SELECT bpm FROM sounds") == 60);
    assert_string_equal(fixture_text(f, "SELECT bpm_source FROM sounds"), "plugin");
}

static void a_word_on_a_region(void **state) {
    struct fixture *f = *state;
    struct fixture_file file = fill(f);
    const struct edit_place second = {file.audio, file.regions[1]};
    OK(edit_set(f->catalogue, &second, "label", "owl", &error));
    assert_string_equal(fixture_text(f, "SELECT group_concat(label) FROM sound_regions"), "drums,owl");
    assert_string_equal(fixture_text(f, "SELECT label FROM sounds"), "drums");
    OK(edit_tag(f->catalogue, &second, "night", &error));
    assert_int_equal(fixture_number(f, "SELECT region FROM sound_tags WHERE tag = 'night'"), 1);
}

/* On one of several regions it votes in the plugin's place; on the only one it is the file's. */
static void a_word_on_a_region_counts_in_the_file(void **state) {
    struct fixture *f = *state;
    fixture_plugin(
        f, "k",
        "{\"type\":\"object\",\"properties\":{\"key\":{\"type\":[\"string\",\"null\"],\"x-summary\":{\"as\":\"key\","
        "\"rule\":\"mode\",\"weight\":\"sure\",\"candidates\":\"heard\",\"confidence_as\":\"key_confidence\"}},"
        "\"sure\":{\"type\":\"number\",\"x-unit\":\"1\"},\"heard\":{\"type\":\"array\",\"items\":{\"type\":"
        "\"object\",\"properties\":{\"value\":{\"type\":\"string\"},\"strength\":{\"type\":\"number\","
        "\"x-unit\":\"1\"}}}}}}");
    const char *const pitched =
        "{\"key\":\"A minor\",\"sure\":0.5,\"heard\":[{\"value\":\"A minor\",\"strength\":0.5}]}";
    struct fixture_file file = fixture_scan(f, "/s/walk.wav", "a", "a", 2),
                        lone = fixture_scan(f, "/s/one.wav", "b", "b", 1);
    fixture_result(f, file.regions[0], "k", "n", "{\"key\":null,\"sure\":0}");
    fixture_result(f, file.regions[1], "k", "i", pitched);
    fixture_finish(f, &file);
    fixture_result(f, lone.regions[0], "k", "i", pitched);
    fixture_finish(f, &lone);
    const struct edit_place pitch = {file.audio, file.regions[1]}, first = {file.audio, file.regions[0]};
    OK(edit_set(f->catalogue, &pitch, "key", "D", &error));
    assert_string_equal(
        fixture_text(f, "SELECT key || key_confidence || key_source FROM sounds WHERE name = 'walk.wav'"),
        "D major1.0plugin");
    OK(edit_set(f->catalogue, &pitch, "key", NULL, &error));
    OK(edit_set(f->catalogue, &first, "key", "E", &error));
    assert_string_equal(fixture_text(f, "SELECT key FROM sounds WHERE name = 'walk.wav'"), "E major");
    OK(edit_set(f->catalogue, &pitch, "label", "owl", &error)); /* of which no plugin says anything */
    assert_string_equal(fixture_text(f, "SELECT group_concat(source || automatic) FROM tags WHERE name = 'owl'"),
                        "user1");
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM search WHERE search MATCH 'labels: owl'"), 1);
    OK(edit_set(f->catalogue, &pitch, "label", NULL, &error));
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM tags WHERE name = 'owl'"), 0);

    const struct edit_place all = {lone.audio, 0}, only = {lone.audio, lone.regions[0]};
    OK(edit_set(f->catalogue, &only, "key", "G", &error));
    OK(edit_set(f->catalogue, &only, "bpm", "90", &error));
    assert_string_equal(fixture_text(f, "SELECT key || key_source || bpm FROM sounds WHERE name = 'one.wav'"),
                        "G majoruser90.0");
    OK(edit_set(f->catalogue, &all, "key", "C", &error));
    assert_string_equal(fixture_text(f, "SELECT s.key || ', ' || r.key FROM sounds AS s JOIN sound_regions AS r USING"
                                        " (file_id) WHERE s.name = 'one.wav'"),
                        "C major, G major");
    if (check(f) != 0) fail_msg("%s", reported);
}

static void none_is_a_word(void **state) {
    struct fixture *f = *state;
    struct fixture_file file = fill(f);
    const struct edit_place whole = {file.audio, 0}, first = {file.audio, file.regions[0]};
    OK(edit_set(f->catalogue, &whole, "bpm", "none", &error));
    OK(edit_set(f->catalogue, &whole, "label", "None", &error));
    OK(edit_set(f->catalogue, &first, "key", "none", &error));
    assert_string_equal(fixture_text(f, "SELECT ifnull(bpm, '-') || ifnull(bpm_confidence, '-') || bpm_source ||"
                                        " ifnull(label, '-') || label_source FROM sounds"),
                        "--user-user");
    assert_string_equal(fixture_text(f, "SELECT group_concat(ifnull(key, '-') || key_source) FROM sound_regions"),
                        "-user,A minorplugin");
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM tags"), 0);
    OK(edit_set(f->catalogue, &whole, "bpm", NULL, &error));
    assert_true(fixture_real(f, "SELECT bpm FROM sounds") == 120);
    OK(edit_set(f->catalogue, &whole, "key", "none", &error));
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM sounds WHERE key IS NULL"), 1);
    if (check(f) != 0) fail_msg("%s", reported);
}

static void words_come_along_to_another_decoders_samples(void **state) {
    struct fixture *f = *state;
    struct fixture_file file = fill(f), copy = fixture_scan(f, "/s/copy.wav", "a", "a", 2),
                        retag = fixture_scan(f, "/s/retag.wav", "b", "a", 2);
    fixture_finish(f, &copy);
    fixture_finish(f, &retag);
    const struct edit_place whole = {file.audio, 0}, second = {file.audio, file.regions[1]};
    OK(edit_set(f->catalogue, &whole, "bpm", "121", &error));
    OK(edit_tag(f->catalogue, &whole, "favourite", &error));
    OK(edit_set(f->catalogue, &second, "label", "owl", &error));
    OK(edit_tag(f->catalogue, &second, "night", &error));
    /* the same bytes, other samples */
    struct fixture_file again = fixture_scan(f, "/s/loop.wav", "a", "a, one bit other", 3);
    assert_int_not_equal(again.audio, file.audio);
    for (size_t i = 0; i < again.n; i++) fixture_result(f, again.regions[i], "p", "i", json);
    fixture_finish(f, &again);
    assert_true(fixture_real(f, "SELECT bpm FROM sounds WHERE name = 'loop.wav'") == 121);
    assert_string_equal(fixture_text(f, "SELECT label FROM sound_regions WHERE path = '/s/loop.wav' AND region = 1"),
                        "owl");
    assert_int_equal(fixture_number(f, "SELECT region FROM sound_tags WHERE path = '/s/loop.wav' AND tag = 'night'"),
                     1);
    assert_true(fixture_real(f, "SELECT bpm FROM sounds WHERE name = 'copy.wav'") == 121);
    /* the retagged file is still what it was, and keeps its words */
    assert_true(fixture_real(f, "SELECT bpm FROM sounds WHERE name = 'retag.wav'") == 121);
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM search WHERE search MATCH 'tags: favourite'"), 3);
    if (check(f) != 0) fail_msg("%s", reported);
    retag = fixture_scan(f, "/s/retag.wav", "b", "a, one bit other", 3);
    assert_int_equal(retag.audio, again.audio);
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM tags WHERE NOT automatic"), 2);
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM edits"), 2);
}

static void words_go_by_time_where_rates_differ(void **state) {
    struct fixture *f = *state;
    struct fixture_file file = fill(f);
    const struct edit_place second = {file.audio, file.regions[1]}; /* 2 to 3 s */
    OK(edit_tag(f->catalogue, &second, "night", &error));
    OK(edit_set(f->catalogue, &second, "bpm", "99", &error));
    fixture_run(f, "UPDATE audio SET rate = 500"); /* now it was 4 to 6 s */
    struct fixture_file again = fixture_scan(f, "/s/loop.wav", "a", "other", 3);
    fixture_finish(f, &again);
    assert_string_equal(fixture_text(f, "SELECT start_frame || '-' || end_frame FROM tags WHERE name = 'night'"),
                        "4000-6000");
    assert_int_equal(fixture_number(f, "SELECT region FROM sound_tags WHERE tag = 'night'"), 2);
    assert_true(fixture_real(f, "SELECT bpm FROM sound_regions WHERE region = 2") == 99);
}

/* Both sounds have words: of two of the same kind the later one stands. */
static void words_meet(void **state) {
    struct fixture *f = *state;
    struct fixture_file a = fill(f), b = fixture_scan(f, "/s/b.wav", "b", "b", 2);
    for (size_t i = 0; i < b.n; i++) fixture_result(f, b.regions[i], "p", "i", json);
    fixture_finish(f, &b);
    const struct edit_place on_a = {a.audio, 0}, on_b = {b.audio, 0};
    OK(edit_set(f->catalogue, &on_b, "bpm", "77", &error));
    OK(edit_set(f->catalogue, &on_a, "bpm", "88", &error));
    OK(edit_set(f->catalogue, &on_a, "key", "Am", &error));
    OK(edit_set(f->catalogue, &on_b, "key", "C", &error));
    OK(edit_tag(f->catalogue, &on_a, "mine", &error));
    OK(edit_tag(f->catalogue, &on_b, "mine", &error));
    fixture_run(f, "UPDATE edits SET created = edit_id");
    struct fixture_file again = fixture_scan(f, "/s/loop.wav", "a", "b", 2);
    assert_int_equal(again.audio, b.audio);
    fixture_finish(f, &again);
    assert_string_equal(fixture_text(f, "SELECT bpm || ' ' || key || ' ' || tags FROM sounds WHERE name = 'b.wav'"),
                        "88.0 C major drums,mine");
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM edits"), 2);
    if (check(f) != 0) fail_msg("%s", reported);
}

static void words_that_are_none(void **state) {
    struct fixture *f = *state;
    struct fixture_file file = fill(f);
    const struct edit_place whole = {file.audio, 0};
    const char *const wrong[][2] = {{"bpm", "fast"}, {"bpm", "1e9"},    {"bpm", "nan"}, {"key", "H"},
                                    {"mood", "sad"}, {"label", "\xff"}, {"key", "\xff"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct error error = {0};
        assert_false(edit_set(f->catalogue, &whole, wrong[i][0], wrong[i][1], &error));
        assert_true(strlen(error.text) > 10);
    }
    struct error error;
    const char *const tags[] = {"", "a,b", "a\nb", "\xff"};
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
        assert_false(edit_tag(f->catalogue, &whole, tags[i], &error));
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM edits"), 0);
}

static void tags(void **state) {
    struct fixture *f = *state;
    struct fixture_file file = fill(f);
    const struct edit_place whole = {file.audio, 0};
    bool removed = false;
    OK(edit_tag(f->catalogue, &whole, "dusty", &error));
    OK(edit_tag(f->catalogue, &whole, "Dusty", &error));
    OK(edit_tag(f->catalogue, &whole, "drums", &error)); /* an automatic one becomes the user's */
    OK(summary_update(f->catalogue, file.audio, &error));
    assert_string_equal(
        fixture_text(f, "SELECT group_concat(tag || automatic) FROM (SELECT * FROM sound_tags ORDER BY tag)"),
        "drums0,dusty0");
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM search WHERE search MATCH 'tags: dusty'"), 1);
    OK(edit_untag(f->catalogue, &whole, "dusty", &removed, &error));
    assert_true(removed);
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM search WHERE search MATCH 'tags: dusty'"), 0);
    OK(edit_untag(f->catalogue, &whole, "dusty", &removed, &error));
    assert_false(removed);
    OK(edit_untag(f->catalogue, &whole, "drums", &removed, &error));
    assert_string_equal(fixture_text(f, "SELECT group_concat(tag || automatic) FROM sound_tags"), "drums1");
}

static void check_finds(struct fixture *f, const char *damage, const char *repair, const char *part) {
    fixture_run(f, damage);
    if (check(f) == 0) fail_msg("check says nothing after %s", damage);
    if (!strstr(reported, part)) fail_msg("\"%s\" isn't in: %s", part, reported);
    fixture_run(f, repair);
    if (check(f) != 0) fail_msg("still wrong after %s: %s", repair, reported);
}

static void checking(void **state) {
    struct fixture *f = *state;
    fill(f);
    if (check(f) != 0) fail_msg("%s", reported);
    check_finds(f, "UPDATE region_analysis SET current = 0 WHERE region_id = 2",
                "UPDATE region_analysis SET current = 1 WHERE region_id = 2", "lacks an outcome");
    check_finds(f, "UPDATE audio_summary SET bpm = 99", "UPDATE audio_summary SET bpm = 120",
                "isn't what its results make");
    check_finds(f, "UPDATE region_analysis SET result = result || ' ' WHERE region_id = 2",
                "UPDATE region_analysis SET result = rtrim(result) WHERE region_id = 2",
                "of the same identity (i) differ");
    check_finds(f, "UPDATE files SET status = 'queued'", "UPDATE files SET status = 'done'", "not in the queue");
    check_finds(f, "UPDATE region_summary SET label = 'x' WHERE region_id = 1",
                "UPDATE region_summary SET label = 'drums' WHERE region_id = 1", "isn't what its results make");
    check_finds(f, "PRAGMA foreign_keys = OFF; INSERT INTO arrays VALUES (77, 'x', 'u8', '[0]', '', 0, 0, x'')",
                "DELETE FROM arrays; PRAGMA foreign_keys = ON", "refers to a row of");
}

static void pruning(void **state) {
    struct fixture *f = *state;
    struct fixture_file a = fill(f);
    fixture_result(f, a.regions[0], "p", "new", json);
    struct fixture_file gone = fixture_scan(f, "/s/gone.wav", "b", "b", 1),
                        loved = fixture_scan(f, "/s/loved.wav", "c", "c", 1);
    fixture_finish(f, &gone);
    fixture_finish(f, &loved);
    const struct edit_place place = {loved.audio, 0};
    OK(edit_tag(f->catalogue, &place, "mine", &error));
    OK(store_file_missing(f->catalogue, gone.file, &error));
    OK(store_file_missing(f->catalogue, loved.file, &error));
    struct upkeep_pruned pruned;
    OK(upkeep_prune(f->catalogue, false, &pruned, &error));
    assert_int_equal(pruned.results, 1);
    assert_int_equal(pruned.files + pruned.contents + pruned.audio, 0); /* missing files keep all they have */
    OK(upkeep_prune(f->catalogue, true, &pruned, &error));
    assert_int_equal(pruned.files, 2);
    assert_int_equal(pruned.contents, 2);
    assert_int_equal(pruned.audio, 1); /* not the one with a user's tag */
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM tags WHERE name = 'mine'"), 1);
    assert_int_equal(check(f), 0);
    OK(upkeep_vacuum(f->catalogue, &error));
}

static void backing_up(void **state) {
    struct fixture *f = *state;
    fill(f);
    char path[160];
    snprintf(path, sizeof path, "%s/backup.db", f->folder);
    struct error failure = {0};
    struct catalogue *reader = catalogue_open(f->path, CATALOGUE_READ, &failure);
    assert_non_null(reader);
    OK(upkeep_backup(reader, path, &error)); /* while this process has it open for writing */
    assert_false(upkeep_backup(reader, path, &failure));
    catalogue_close(reader);
    struct catalogue *copy = catalogue_open(path, CATALOGUE_WRITE, &failure);
    int64_t n = 0, wrong = 0;
    assert_non_null(copy);
    OK(sql_number(copy, &error, &n, "SELECT count(*) FROM sounds WHERE bpm = 120", ""));
    assert_int_equal(n, 1);
    OK(check_catalogue(copy, remember, NULL, &wrong, &error));
    assert_int_equal(wrong, 0);
    catalogue_close(copy);
}

/* Pages of the file are overwritten; what is recovered is a sound catalogue with most of it. */
static void recovering(void **state) {
    struct fixture *f = *state;
    fill(f);
    for (int i = 0; i < 300; i++) {
        char path[40];
        snprintf(path, sizeof path, "/s/%d.wav", i);
        struct fixture_file file = fixture_scan(f, path, path, path, 1);
        fixture_result(f, file.regions[0], "p", "i", json);
        fixture_finish(f, &file);
        const struct edit_place place = {file.audio, 0};
        if (i == 7) OK(edit_set(f->catalogue, &place, "key", "Bb", &error));
    }
    catalogue_close(f->catalogue);
    f->catalogue = NULL;
    int fd = open(f->path, O_RDWR);
    struct stat stat_;
    assert_int_equal(fstat(fd, &stat_), 0);
    char garbage[4096];
    memset(garbage, 0x5a, sizeof garbage);
    for (off_t page = 60; page < stat_.st_size / 4096; page += 17)
        assert_int_equal(pwrite(fd, garbage, sizeof garbage, page * 4096), sizeof garbage);
    close(fd);
    struct error failure = {0};
    assert_null(catalogue_open(f->path, CATALOGUE_WRITE, &failure));
    assert_non_null(strstr(failure.text, "recover"));
    char path[160];
    snprintf(path, sizeof path, "%s/new.db", f->folder);
    struct upkeep_recovered recovered;
    OK(upkeep_recover(f->path, path, &recovered, &error));
    assert_true(recovered.tables > 0);
    f->catalogue = catalogue_open(path, CATALOGUE_WRITE, &failure);
    if (!f->catalogue) fail_msg("%s", failure.text);
    int64_t files = fixture_number(f, "SELECT count(*) FROM files");
    if (files < 150) fail_msg("only %lld of 301 files were recovered", (long long)files);
    OK(catalogue_check_integrity(f->catalogue, &error));
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM edits"), 1);
    assert_false(upkeep_recover(f->path, path, &recovered, &failure)); /* never over an existing file */
}

/* Recovers into `name`, and opens that instead. */
static struct upkeep_recovered recover_into(struct fixture *f, const char *name) {
    char path[sizeof f->path];
    struct upkeep_recovered recovered;
    struct error failure = {0};
    snprintf(path, sizeof path, "%.60s/%.40s", f->folder, name);
    catalogue_close(f->catalogue);
    OK(upkeep_recover(f->path, path, &recovered, &error));
    f->catalogue = catalogue_open(path, CATALOGUE_WRITE, &failure);
    if (!f->catalogue) fail_msg("%s", failure.text);
    memcpy(f->path, path, sizeof path);
    return recovered;
}

/* Files a to e; a has two regions, and all have a result of each. */
static void fill_five(struct fixture *f) {
    fixture_plugin(f, "p", schema);
    for (int i = 0; i < 5; i++) {
        char path[20];
        snprintf(path, sizeof path, "/s/%c.wav", 'a' + i);
        struct fixture_file file = fixture_scan(f, path, path, path, i == 0 ? 2 : 1);
        for (size_t r = 0; r < file.n; r++) fixture_result(f, file.regions[r], "p", "i", json);
        fixture_finish(f, &file);
    }
    struct store_file gone;
    OK(store_file_seen(f->catalogue, "/s/e.wav", 8, &(struct store_stat){1000, 1700000000000000000, 1, 7, 0}, &gone,
                       &error));
    OK(store_file_missing(f->catalogue, gone.file, &error));
}

#define QUEUED                                                                                                         \
    "SELECT group_concat(name) FROM (SELECT name FROM files JOIN queue USING (file_id) WHERE status = 'queued' ORDER BY name)"

static void what_is_half_lost_is_looked_at_again(void **state) {
    struct fixture *f = *state;
    fill_five(f);
    assert_int_equal(recover_into(f, "whole.db").queued, 0); /* nothing is lost: nothing to do */
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM files WHERE profile = 'p' AND analysed_size = 1000"), 5);
    fixture_run(
        f, "DELETE FROM regions WHERE region_id = (SELECT max(region_id) FROM sound_regions WHERE path = '/s/a.wav')");
    fixture_run(
        f, "DELETE FROM region_analysis WHERE region_id = (SELECT region_id FROM region_results WHERE name = 'c.wav')");
    fixture_run(f, "DELETE FROM regions WHERE region_id = (SELECT region_id FROM region_results WHERE name = 'e.wav')");
    struct upkeep_recovered recovered = recover_into(f, "some.db");
    assert_int_equal(recovered.queued, 2);
    assert_int_equal(recovered.lost + recovered.tables, 0);
    assert_string_equal(fixture_text(f, QUEUED), "a.wav,c.wav");
    /* the one that is missing isn't taken for known when it comes back */
    assert_string_equal(fixture_text(f, "SELECT group_concat(name || status) FROM (SELECT name, status FROM files WHERE"
                                        " profile IS NULL AND analysed_size IS NULL ORDER BY name)"),
                        "a.wavqueued,c.wavqueued,e.wavmissing");
    fixture_run(f, "PRAGMA foreign_keys = OFF; DELETE FROM regions WHERE audio_id = 2; PRAGMA foreign_keys = ON");
    recovered = recover_into(f, "more.db"); /* who knows what else is lost */
    assert_int_equal(recovered.lost, 1);
    assert_string_equal(fixture_text(f, QUEUED), "a.wav,b.wav,c.wav,d.wav");
}

static void results_without_their_arrays_are_made_anew(void **state) {
    struct fixture *f = *state;
    fill_five(f);
    fixture_run(f, "UPDATE plugins SET descriptor = '{\"arrays\":[{\"name\":\"e\"}]}'");
    fixture_run(
        f, "INSERT INTO arrays SELECT analysis_id, 'e', 'u8', '[900]', '', 0, 0, zeroblob(900) FROM region_analysis");
    fixture_run(f, "VACUUM");
    assert_int_equal(recover_into(f, "whole.db").queued, 0);
    fixture_run(f, "VACUUM");
    off_t page = (off_t)fixture_number(
        f, "SELECT pageno FROM dbstat WHERE name = 'arrays' AND pagetype = 'leaf' ORDER BY path DESC LIMIT 1");
    catalogue_close(f->catalogue);
    f->catalogue = NULL;
    char garbage[4096];
    memset(garbage, 0x5a, sizeof garbage);
    int fd = open(f->path, O_RDWR);
    assert_int_equal(pwrite(fd, garbage, sizeof garbage, (page - 1) * 4096), sizeof garbage);
    close(fd);
    struct upkeep_recovered recovered = recover_into(f, "damaged.db");
    assert_int_equal(recovered.tables, 1);
    assert_int_equal(recovered.queued, 4);
    const int64_t whole = fixture_number(f, "SELECT count(*) FROM arrays");
    if (whole <= 0 || whole >= 6) fail_msg("%lld arrays are left of 6", (long long)whole);
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM region_analysis WHERE result IS NOT NULL AND current"), 6);
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM region_analysis WHERE identity = 'i'"), whole);
}

/* What the command prints goes to stderr: stdout is the test protocol's. */
static int run(const struct fixture *f, int (*command)(int, char **, const struct cli *), const char *const *words) {
    char *argv[10] = {NULL};
    int argc = 0;
    for (; words[argc]; argc++) assert_non_null(argv[argc] = strdup(words[argc]));
    const struct cli cli = {.catalogue = f->path, .width = 100};
    fflush(stdout);
    int protocol = dup(STDOUT_FILENO);
    assert_true(protocol >= 0);
    assert_int_equal(dup2(STDERR_FILENO, STDOUT_FILENO), STDOUT_FILENO);
    int code = command(argc, argv, &cli);
    fflush(stdout);
    assert_int_equal(dup2(protocol, STDOUT_FILENO), STDOUT_FILENO);
    close(protocol);
    for (int i = 0; i < argc; i++) free(argv[i]);
    return code;
}

#define RUN(command, ...) run(f, command, (const char *const[]){__VA_ARGS__, NULL})

static const char *own_tags(const struct fixture *f) {
    return fixture_text(f,
                        "SELECT group_concat(name || ':' || tag, ' ') FROM (SELECT f.name, t.tag FROM sound_tags AS t"
                        " JOIN files AS f USING (file_id) WHERE NOT automatic ORDER BY f.name, tag)");
}

static void many_files_at_once(void **state) {
    struct fixture *f = *state;
    char on_disk[160];
    fill_five(f);
    catalogue_close(f->catalogue);
    f->catalogue = NULL;
    snprintf(on_disk, sizeof on_disk, "%s/new.wav", f->folder);
    FILE *file = fopen(on_disk, "w");
    assert_non_null(file);
    fclose(file);
    /* what a shell makes of *.wav: nothing is done */
    assert_int_equal(RUN(tag_command, "tag", "b.wav", "c.wav", "many"), CLI_USAGE);
    assert_int_equal(RUN(tag_command, "tag", "b.wav", "/s/../s/c.wav", "many"), CLI_USAGE);
    assert_int_equal(RUN(tag_command, "tag", "b.wav", "a.wav#1", "many"), CLI_USAGE);
    assert_int_equal(RUN(tag_command, "tag", "b.wav", on_disk, "many"), CLI_USAGE);
    assert_int_equal(RUN(untag_command, "untag", "b.wav", "c.wav", "many"), CLI_USAGE);
    assert_int_equal(RUN(tag_command, "tag", "many", "--", "b.wav", "nowhere.wav"), CLI_SOME_FAILED); /* all or none */
    assert_int_equal(RUN(tag_command, "tag", "many", "more", "--", "b.wav", "c.wav", "d.wav"), CLI_OK);
    assert_int_equal(RUN(tag_command, "tag", "c.wav", "--", "d.wav"), CLI_OK); /* he wants it */
    assert_int_equal(RUN(untag_command, "untag", "more", "--", "b.wav", "d.wav"), CLI_OK);
    assert_int_equal(RUN(untag_command, "untag", "more", "--", "b.wav", "c.wav"), CLI_SOME_FAILED);
    assert_int_equal(RUN(set_command, "set", "bpm=99", "key=Am", "--", "a.wav#1", "b.wav"), CLI_OK);
    struct error error;
    f->catalogue = catalogue_open(f->path, CATALOGUE_WRITE, &error);
    assert_string_equal(own_tags(f), "b.wav:many c.wav:many d.wav:c.wav d.wav:many");
    assert_string_equal(fixture_text(f, "SELECT group_concat(bpm) FROM (SELECT bpm FROM sounds ORDER BY name)"),
                        "120.0,99.0,120.0,120.0,120.0");
}

static void dashes(void **state) {
    struct fixture *f = *state;
    fixture_plugin(f, "p", schema);
    struct fixture_file file = fixture_scan(f, "/s/-dash.wav", "a", "a", 1);
    fixture_finish(f, &file);
    catalogue_close(f->catalogue);
    f->catalogue = NULL;
    assert_int_equal(RUN(tag_command, "tag", "-dash.wav", "x"), CLI_USAGE);
    assert_int_equal(RUN(tag_command, "tag", "--foo", "x"), CLI_USAGE);
    assert_int_equal(RUN(tag_command, "tag", "--", "-dash.wav"), CLI_USAGE);
    assert_int_equal(RUN(tag_command, "tag", "x", "--"), CLI_USAGE);
    assert_int_equal(RUN(tag_command, "tag", "--", "-dash.wav", "x", "-y"), CLI_OK);
    assert_int_equal(RUN(tag_command, "tag", "z", "--", "-dash.wav"), CLI_OK);
    struct error error;
    f->catalogue = catalogue_open(f->path, CATALOGUE_WRITE, &error);
    assert_string_equal(own_tags(f), "-dash.wav:-y -dash.wav:x -dash.wav:z");
}

static void words_make_no_catalogue(void **state) {
    struct fixture *f = *state;
    char there[sizeof f->path];
    memcpy(there, f->path, sizeof there);
    snprintf(f->path, sizeof f->path, "%.60s/none.db", f->folder);
    assert_int_equal(RUN(tag_command, "tag", "loop.wav", "x"), CLI_CANNOT_RUN);
    assert_int_equal(RUN(set_command, "set", "loop.wav", "bpm=100"), CLI_CANNOT_RUN);
    assert_int_equal(access(f->path, F_OK), -1);
    memcpy(f->path, there, sizeof there);
}

static void commands(void **state) {
    struct fixture *f = *state;
    fill(f);
    assert_int_equal(RUN(tag_command, "tag", "loop.wav", "x"), CLI_CANNOT_RUN); /* this process holds the lock */
    catalogue_close(f->catalogue);
    f->catalogue = NULL;
    assert_int_equal(RUN(tag_command, "tag", "loop.wav", "dusty", "old"), CLI_OK);
    assert_int_equal(RUN(tag_command, "tag", "loop.wav", "fine", "not,fine"), CLI_USAGE); /* all or none */
    assert_int_equal(RUN(set_command, "set", "loop.wav#1", "bpm=99", "key=Am"), CLI_OK);
    assert_int_equal(RUN(tag_command, "tag", "nowhere.wav", "fine"), CLI_SOME_FAILED);
    const char *const wrong[] = {"tempo=99", "bpm=abc", "key=H", "Key=D", "bpm", "tempo=", "=5"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(RUN(set_command, "set", "loop.wav", "label=x", wrong[i]), CLI_USAGE);
    assert_int_equal(RUN(set_command, "set", "loop.wav"), CLI_USAGE);
    assert_int_equal(RUN(untag_command, "untag", "loop.wav", "old"), CLI_OK);
    assert_int_equal(RUN(untag_command, "untag", "loop.wav", "old"), CLI_SOME_FAILED);
    assert_int_equal(RUN(catalogue_command, "catalogue", "check"), CLI_OK);
    assert_int_equal(RUN(catalogue_command, "catalogue", "prune"), CLI_OK);
    assert_int_equal(RUN(catalogue_command, "catalogue", "vacuum"), CLI_OK);
    assert_int_equal(RUN(catalogue_command, "catalogue", "shred"), CLI_USAGE);
    assert_int_equal(RUN(catalogue_command, "catalogue", "backup"), CLI_USAGE);
    struct error error;
    f->catalogue = catalogue_open(f->path, CATALOGUE_WRITE, &error);
    assert_string_equal(fixture_text(f, "SELECT group_concat(tag) FROM sound_tags WHERE NOT automatic"), "dusty");
    assert_true(fixture_real(f, "SELECT bpm FROM sound_regions WHERE region = 1") == 99);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest all[] = {
        TEST(a_users_word_wins_and_stays),
        TEST(a_word_on_a_region),
        TEST(a_word_on_a_region_counts_in_the_file),
        TEST(none_is_a_word),
        TEST(words_come_along_to_another_decoders_samples),
        TEST(words_go_by_time_where_rates_differ),
        TEST(words_meet),
        TEST(words_that_are_none),
        TEST(tags),
        TEST(checking),
        TEST(pruning),
        TEST(backing_up),
        TEST(recovering),
        TEST(what_is_half_lost_is_looked_at_again),
        TEST(results_without_their_arrays_are_made_anew),
        TEST(many_files_at_once),
        TEST(dashes),
        TEST(words_make_no_catalogue),
        TEST(commands),
    };
    return cmocka_run_group_tests(all, NULL, NULL);
}
