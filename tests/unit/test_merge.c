/* Merging: nothing is lost, the order doesn't matter, and twice is once. Three catalogues with a random mixture of files, results
 * and users' words are merged in every order. */
#include "tests/unit/catalogue_fixture.h"

#include "engine/catalogue/check.h"
#include "engine/catalogue/edit.h"
#include "engine/catalogue/merge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SOURCES = 3, ORDERS = 6 };

static const char *const schema =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"bpm\":{\"type\":\"number\",\"x-unit\":\"bpm\",\"x-summary\":{\"as\":\"bpm\",\"rule\":\"longest\"}},"
    "\"label\":{\"type\":\"string\",\"x-summary\":{\"as\":\"label\",\"rule\":\"longest\"}}}}";

static unsigned next_random(unsigned *seed) {
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 16;
}

static void open_fixture(struct fixture *f, const char *folder, const char *name) {
    struct error error = {0};
    snprintf(f->folder, sizeof f->folder, "%s", folder);
    snprintf(f->path, sizeof f->path, "%s/%s.db", folder, name);
    f->catalogue = catalogue_open(f->path, CATALOGUE_WRITE, &error);
    if (!f->catalogue) fail_msg("%s", error.text);
}

/* Some of twenty files, as this machine might have analysed them. */
static void fill(struct fixture *f, unsigned seed) {
    struct error error = {0};
    fixture_plugin(f, "p", schema);
    for (int i = 0; i < 20; i++) {
        char path[40], bytes[40], sound[40], identity[40], json[80];
        if (next_random(&seed) % 3 == 0) continue;
        snprintf(path, sizeof path, "/s/%d.wav", i);
        snprintf(bytes, sizeof bytes, "bytes %d %u", i, next_random(&seed) % 2);
        snprintf(sound, sizeof sound, "sound %d", i / 2);
        struct fixture_file file = fixture_scan(f, path, bytes, sound, 1 + (size_t)(next_random(&seed) % 3));
        for (size_t r = 0; r < file.n; r++) {
            for (unsigned k = 0; k <= next_random(&seed) % 2; k++) {
                snprintf(identity, sizeof identity, "identity %d %zu/%zu %u", i / 2, r, file.n, next_random(&seed) % 3);
                snprintf(json, sizeof json, "{\"bpm\":%u,\"label\":\"l%u\"}", 60 + next_random(&seed) % 100,
                         next_random(&seed) % 5);
                fixture_result(f, file.regions[r], "p", identity, next_random(&seed) % 9 ? json : NULL);
            }
        }
        fixture_finish(f, &file);
        const struct edit_place place = {file.audio, next_random(&seed) % 2 ? 0 : file.regions[0]};
        if (next_random(&seed) % 4 == 0) assert_true(edit_tag(f->catalogue, &place, i % 2 ? "odd" : "even", &error));
        if (next_random(&seed) % 4 == 0)
            assert_true(edit_set(f->catalogue, &place, "bpm", i % 3 ? "77" : "88", &error));
    }
}

/* All that matters of a catalogue, without its own numbers, as one text. */
static char *portrait(const struct fixture *f) {
    static const char *const parts[] = {
        "SELECT path_text, status, size, profile, finished FROM files ORDER BY path",
        "SELECT bytes_hash, audio_hash, facts FROM contents JOIN audio USING (audio_id) ORDER BY bytes_hash",
        "SELECT audio_hash, scanned, segmenter FROM audio ORDER BY audio_hash",
        "SELECT audio_hash, r.current, position, start_frame, end_frame FROM regions AS r JOIN audio USING (audio_id)"
        " ORDER BY audio_hash, start_frame, end_frame",
        "SELECT audio_hash, start_frame, plugin, identity, x.current, outcome, result, created FROM region_analysis AS x"
        " JOIN regions USING (region_id) JOIN audio USING (audio_id) ORDER BY audio_hash, start_frame, plugin, identity",
        "SELECT audio_hash, e.start_frame, field, value, r.start_frame FROM edits AS e JOIN audio USING (audio_id)"
        " LEFT JOIN regions AS r USING (region_id) ORDER BY 1, 2, 3",
        "SELECT audio_hash, t.start_frame, name, source, automatic FROM tags AS t JOIN audio USING (audio_id) ORDER BY 1, 2, 3, 4",
        "SELECT audio_hash, bpm, bpm_source, label, summary FROM audio_summary JOIN audio USING (audio_id) ORDER BY 1",
        "SELECT path, region, tag, unanchored FROM sound_tags ORDER BY path, tag, region",
        "SELECT path_text, tags, labels FROM search JOIN files ON files.file_id = search.rowid ORDER BY 1",
    };
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        sqlite3_stmt *statement = NULL;
        if (sqlite3_prepare_v2(catalogue_db(f->catalogue), parts[i], -1, &statement, NULL) != SQLITE_OK)
            fail_msg("%s: %s", parts[i], sqlite3_errmsg(catalogue_db(f->catalogue)));
        while (sqlite3_step(statement) == SQLITE_ROW)
            for (int k = 0; k < sqlite3_column_count(statement); k++)
                fprintf(out, "%s%c", (const char *)sqlite3_column_text(statement, k),
                        k + 1 == sqlite3_column_count(statement) ? '\n' : '|');
        sqlite3_finalize(statement);
    }
    fclose(out);
    return text;
}

static void complain(void *context, const char *sentence) {
    (void)context;
    fprintf(stderr, "# %s\n", sentence);
}

static void merge_all(struct fixture *to, const struct fixture *sources, const int *order) {
    struct error error = {0};
    struct merge_counts counts;
    for (int i = 0; i < SOURCES; i++)
        if (!merge_catalogue(to->catalogue, sources[order[i]].path, &counts, &error)) fail_msg("%s", error.text);
}

/* The first line in which two texts differ. */
static void same_text(const char *a, const char *b, const char *what) {
    while (*a && *b) {
        size_t n = strcspn(a, "\n"), m = strcspn(b, "\n");
        if (n != m || strncmp(a, b, n) != 0) fail_msg("%s: %.*s instead of %.*s", what, (int)m, b, (int)n, a);
        a += n + (a[n] != 0);
        b += m + (b[m] != 0);
    }
    assert_true(*a == *b);
}

/* Merges sources that are filled with these seeds in every order, once and once more. */
static void compare_orders(const struct fixture *f, void (*fill_source)(struct fixture *, unsigned),
                           const unsigned seeds[SOURCES], size_t least) {
    static const int orders[ORDERS][SOURCES] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    struct fixture sources[SOURCES] = {0}, merged[ORDERS] = {0};
    char name[40], *first = NULL;
    for (int i = 0; i < SOURCES; i++) {
        snprintf(name, sizeof name, "source-%u-%d", seeds[0], i);
        open_fixture(&sources[i], f->folder, name);
        fill_source(&sources[i], seeds[i]);
    }
    for (int o = 0; o < ORDERS; o++) {
        int64_t wrong = -1;
        struct error error = {0};
        snprintf(name, sizeof name, "merged-%u-%d", seeds[0], o);
        open_fixture(&merged[o], f->folder, name);
        merge_all(&merged[o], sources, orders[o]);
        char *text = portrait(&merged[o]);
        if (!first) first = strdup(text);
        same_text(first, text, "another order");
        free(text);
        merge_all(&merged[o], sources, orders[0]); /* once more */
        text = portrait(&merged[o]);
        same_text(first, text, "once more");
        free(text);
        assert_true(check_catalogue(merged[o].catalogue, complain, NULL, &wrong, &error));
        assert_int_equal(wrong, 0);
        catalogue_close(merged[o].catalogue);
    }
    assert_true(strlen(first) > least);
    free(first);
    for (int i = 0; i < SOURCES; i++) catalogue_close(sources[i].catalogue);
}

static void every_order_gives_the_same(void **state) {
    for (unsigned round = 0; round < 3; round++) {
        const unsigned seeds[SOURCES] = {round * 100, round * 100 + 1, round * 100 + 2};
        compare_orders(*state, fill, seeds, 2000);
    }
}

/* A machine that decoded a file at `seed`: one of two decoders, which make two sounds of it (the first where that is
 * even). Its user has said something. From 200 on it has another file of the first sound. */
static void fill_decoded(struct fixture *f, unsigned seed) {
    struct error error = {0};
    char sql[80], tag[20];
    const bool other = seed >= 200;
    fixture_plugin(f, "p", schema);
    struct fixture_file file = fixture_scan(f, other ? "/s/retag.wav" : "/s/x.wav", other ? "retagged" : "bytes",
                                            seed % 2 ? "second sound" : "first sound", 2);
    for (size_t r = 0; r < file.n; r++) fixture_result(f, file.regions[r], "p", seed % 2 ? "i2" : "i1", "{\"bpm\":60}");
    fixture_finish(f, &file);
    const struct edit_place whole = {file.audio, 0}, second = {file.audio, file.regions[1]};
    snprintf(tag, sizeof tag, "tag %u", seed);
    if (!other) assert_true(edit_tag(f->catalogue, seed % 2 ? &whole : &second, tag, &error));
    if (seed % 2 == 0) assert_true(edit_set(f->catalogue, &whole, "bpm", other ? "70" : "80", &error));
    snprintf(sql, sizeof sql, "UPDATE contents SET created = %u", seed);
    fixture_run(f, sql);
    snprintf(sql, sizeof sql, "UPDATE edits SET created = %u", other ? 1u : 2u);
    fixture_run(f, sql);
}

static void two_decoders_of_one_file(void **state) {
    struct fixture *f = *state;
    static const unsigned seeds[][SOURCES] = {{10, 11, 200}, {12, 11, 200}};
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        compare_orders(f, fill_decoded, seeds[i], 500);
        struct fixture merged = {0};
        char name[40], words[60];
        snprintf(name, sizeof name, "merged-%u-0", seeds[i][0]);
        open_fixture(&merged, f->folder, name);
        snprintf(words, sizeof words, "tag 11,tag %u", seeds[i][0]);
        const char *last = seeds[i][0] > 11 ? "first sound" : "second sound";
        assert_string_equal(fixture_text(&merged,
                                         "SELECT group_concat(tag) FROM (SELECT tag FROM sound_tags WHERE path ="
                                         " '/s/x.wav' ORDER BY tag <> 'tag 11')"),
                            words);
        assert_true(fixture_real(&merged, "SELECT bpm FROM sounds WHERE name = 'x.wav'") == 80);
        assert_string_equal(
            fixture_text(&merged, "SELECT audio_hash FROM audio JOIN sounds USING (audio_id) WHERE name = 'x.wav'"),
            fixture_hash(last));
        catalogue_close(merged.catalogue);
    }
}

static void refusals(void **state) {
    struct fixture *f = *state;
    struct error error = {0};
    struct merge_counts counts;
    assert_false(merge_catalogue(f->catalogue, f->path, &counts, &error));
    assert_non_null(strstr(error.text, "itself"));
    assert_false(merge_catalogue(f->catalogue, "/nowhere.db", &counts, &error));
    struct fixture other = {0};
    open_fixture(&other, f->folder, "other");
    fixture_run(&other, "PRAGMA user_version = 9999");
    assert_false(merge_catalogue(f->catalogue, other.path, &counts, &error));
    assert_non_null(strstr(error.text, "newer"));
    catalogue_close(other.catalogue);
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM files"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(two_decoders_of_one_file, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(every_order_gives_the_same, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(refusals, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
