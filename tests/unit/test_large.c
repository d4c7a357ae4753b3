/* Questions to a catalogue of some thousand sounds (tests/bench/made.h): short ways find what long ways find, and examples in
 * schema/catalogue.md do no more work than their answers need. Argument: that document. */
#include "tests/unit/catalogue_fixture.h"

#include "engine/catalogue/check.h"
#include "engine/catalogue/keys.h"
#include "engine/catalogue/query.h"
#include "engine/catalogue/query_sql.h"
#include "engine/catalogue/sql.h"
#include "engine/catalogue/upkeep.h"
#include "tests/bench/made.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SOUNDS 4000

static const char *document_path;

static int made_setup(void **state) {
    struct error error = {0};
    if (fixture_setup(state) != 0) return -1;
    struct fixture *f = *state;
    catalogue_close(f->catalogue);
    if (!made_fill(f->path, SOUNDS, &error)) fail_msg("%s", error.text);
    f->catalogue = catalogue_open(f->path, CATALOGUE_WRITE, &error);
    if (!f->catalogue) fail_msg("%s", error.text);
    return 0;
}

static int64_t differences;

static void complain(void *context, const char *sentence) {
    (void)context;
    if (strstr(sentence, "isn't what its results make") || strstr(sentence, "more like that"))
        return; /* made.h says so */
    differences++;
    fprintf(stderr, "# %s\n", sentence);
}

/* What is measured is a catalogue as any other. */
static void made_is_sound(void **state) {
    struct fixture *f = *state;
    struct error error = {0};
    int64_t wrong = 0;
    assert_true(check_catalogue(f->catalogue, complain, NULL, &wrong, &error));
    assert_int_equal(differences, 0);
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM regions"), SOUNDS * MADE_REGIONS);
    assert_int_equal(
        fixture_number(f, "SELECT count(*) FROM files AS f JOIN audio_summary AS s ON audio_id = file_audio_id"
                          " WHERE (f.bpm, f.key, f.label, f.loudness, f.centroid, f.regions, f.duration)"
                          " IS NOT (s.bpm, s.key, s.label, s.loudness, s.centroid, s.regions, s.duration)"),
        0);
}

/* ---------------------------------------------------------------------------------------------------------- similarity */

/* The question of this number, as find asks it: of sounds and of regions, for few of them and for so many that more are refused
 * on the way than query.c has patience for. */
static void ask(int number, struct query *query) {
    static const char *const texts[] = {"loop", "drums", "drums loop", "title"};
    query_init(query);
    query->regions = number % 2;
    query->limit = number / 2 % 2 ? 1800 : 25;
    number /= 4;
    if (number < 4) query->text = texts[number];
    if (number == 4 || number == 9) query->bpm = (struct query_range){70, 150};
    if (number == 5 || number == 10) query->labels[query->labels_count++] = "drums";
    if (number == 6 || number == 10) query->tags[query->tags_count++] = "favourite";
    if (number == 7) query->loudness = (struct query_range){-30, 0};
    if (number == 8) query->keys = keys_neighbours(keys_parse("Am"));
    if (number == 9) query->text = "loop";
    if (number == 11) query->under = "/home/someone/Samples/Pack 3";
    if (number == 12) query->duration.low = 1;
    if (number == 13) query->added = (struct query_range){0, 1.6e9 + 2500};
}
#define QUESTIONS 56

static int by_id(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* All ids that meet the conditions, each once. */
static size_t all_of(struct fixture *f, struct query query, int64_t *ids, size_t room) {
    struct error error = {0};
    struct query_row row;
    bool more = true;
    size_t n = 0, kept = 0;
    query.limit = -1;
    struct query_result *result = query_open(f->catalogue, &query, &error);
    if (!result) fail_msg("%s", error.text);
    while (query_next(result, &row, &more, &error) && more) {
        assert_true(n < room);
        ids[n++] = query.regions ? row.region : row.audio;
    }
    query_close(result);
    qsort(ids, n, sizeof *ids, by_id);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || ids[i] != ids[i - 1]) ids[kept++] = ids[i];
    return kept;
}

static void assert_found(struct fixture *f, const struct query *query, const struct similar_list *expected) {
    struct error error = {0};
    struct query_row row;
    bool more = true;
    size_t n = 0, rows = 0;
    struct query_result *result = query_open(f->catalogue, query, &error);
    if (!result) fail_msg("%s", error.text);
    for (int64_t last = 0; query_next(result, &row, &more, &error) && more;) {
        int64_t id = query->regions ? row.region : row.audio;
        rows++;
        if (id == last) continue; /* a copy of it */
        last = id;
        assert_true(n < expected->n);
        assert_int_equal(id, expected->items[n].id);
        n++;
    }
    query_close(result);
    assert_true(n > 0);
    if (n < expected->n && rows != (size_t)query->limit) /* copies take the place of the last */
        fail_msg("%zu instead of %zu", n, expected->n);
}

/* Whichever way is gone, few or many that meet the conditions: what comparing all of them one by one finds. */
static void alike_under_conditions(void **state) {
    struct fixture *f = *state;
    size_t room = (size_t)SOUNDS * 5, fewest = SIZE_MAX, most = 0;
    int64_t *ids = calloc(room, sizeof *ids);
    assert_non_null(ids);
    for (int number = 0; number < QUESTIONS; number++) {
        struct query query;
        struct similar target;
        struct error error = {0};
        ask(number, &query);
        size_t n = all_of(f, query, ids, room);
        assert_true(similar_load(f->catalogue, 77, query.regions ? 230 : 0, &target, &error));
        struct similar_list all = {.kind = query.regions ? VECTORS_REGION : VECTORS_AUDIO,
                                   .most = (size_t)query.limit,
                                   .but = query.regions ? 230 : 77};
        assert_true(similar_among(f->catalogue, &target, ids, n, &all, &error));
        query.similar_to = &target;
        query.similar_audio = 77;
        query.similar_region = 230;
        assert_found(f, &query, &all);
        free(all.items);
        if (n < fewest) fewest = n;
        if (n > most) most = n;
    }
    free(ids);
    assert_true(fewest < 2000 && most > 4000); /* both ways were gone (query.c: FEW) */
}

/* ------------------------------------------------------------------------------------------------------------- examples */

/* Steps of SQLite's machine, which are the same on every computer. A walk over all regions and their results would take
 * several hundred for each sound. */
#define STEPS_A_SOUND 40

static void examples_need_few_steps(void **state) {
    struct fixture *f = *state;
    char *text = calloc(1, 1 << 20);
    FILE *file = fopen(document_path, "rb");
    assert_non_null(text);
    if (!file) fail_msg("can't open %s", document_path);
    assert_true(fread(text, 1, (1 << 20) - 1, file) > 1000);
    fclose(file);
    int examples = 0;
    for (char *at = strstr(text, "```sql\n"), *end; at && (end = strstr(at + 7, "```"));
         at = strstr(end + 1, "```sql\n")) {
        sqlite3_stmt *statement = NULL;
        *end = '\0';
        assert_int_equal(sqlite3_prepare_v2(catalogue_db(f->catalogue), at + 7, -1, &statement, NULL), SQLITE_OK);
        int rows = 0;
        while (sqlite3_step(statement) == SQLITE_ROW) rows++;
        int steps = sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_VM_STEP, 0);
        sqlite3_finalize(statement);
        if (steps > STEPS_A_SOUND * SOUNDS) fail_msg("%d steps for %d rows: %s", steps, rows, at + 7);
        examples++;
    }
    free(text);
    assert_true(examples >= 10);
}

/* Steps for all rows of `sql`, which it frees. */
static int steps_of(const struct fixture *f, char *sql) {
    sqlite3_stmt *statement = NULL;
    assert_non_null(sql);
    assert_int_equal(sqlite3_prepare_v2(catalogue_db(f->catalogue), sql, -1, &statement, NULL), SQLITE_OK);
    while (sqlite3_step(statement) == SQLITE_ROW) continue;
    int steps = sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_VM_STEP, 0);
    sqlite3_finalize(statement);
    sqlite3_free(sql);
    return steps;
}

/* The first hundred in any order: nothing is walked from end to end (five steps a sound, beside 120 a row). Plugins' own values
 * alone have no index. */
static void a_hundred_in_any_order_need_few_steps(void **state) {
    const struct fixture *f = *state;
    for (int sort = QUERY_BY_PATH; sort < QUERY_BY_MEASURE; sort++)
        for (int k = 0; k < 4; k++) {
            struct query query;
            query_init(&query);
            query.limit = 100;
            query.sort = (enum query_sort)sort;
            query.regions = k & 1;
            query.descending = k & 2;
            int steps = steps_of(f, query_sql(&query));
            if (steps > 5 * SOUNDS)
                fail_msg("%d steps by %s%s%s", steps, query_sort_name(query.sort), k & 1 ? ", regions" : "",
                         k & 2 ? ", descending" : "");
        }
}

/* Many rows by a value, sorted by another: each page is read once, however the rows are strewn over them. */
static void pages_are_read_once(void **state) {
    const struct fixture *f = *state;
    sqlite3 *db = catalogue_db(f->catalogue);
    int misses = 0, ignored = 0;
    int64_t matches = fixture_number(
        f, "SELECT count(*) FROM files WHERE bpm BETWEEN 100 AND 140 AND status <> 'missing'");
    fixture_run(f, "PRAGMA cache_size = -100");
    for (int regions = 0; regions < 2; regions++) {
        struct query query;
        query_init(&query);
        query.bpm = (struct query_range){100, 140};
        query.limit = 10;
        query.sort = regions ? QUERY_BY_NAME : QUERY_BY_LOUDNESS;
        query.regions = regions;
        assert_int_equal(sqlite3_db_status(db, SQLITE_DBSTATUS_CACHE_MISS, &misses, &ignored, 1), SQLITE_OK);
        (void)steps_of(f, query_sql(&query));
        assert_int_equal(sqlite3_db_status(db, SQLITE_DBSTATUS_CACHE_MISS, &misses, &ignored, 1), SQLITE_OK);
        if (3 * misses > 2 * matches)
            fail_msg("%d pages were read for %lld sounds%s", misses, (long long)matches, regions ? ", regions" : "");
    }
    fixture_run(f, "PRAGMA cache_size = -8000");
}

/* The ids of the rows, in their order. */
static size_t ids_of(struct fixture *f, const struct query *query, int64_t *ids, size_t room) {
    struct error error = {0};
    struct query_row row;
    bool more = true;
    size_t n = 0;
    struct query_result *result = query_open(f->catalogue, query, &error);
    if (!result) fail_msg("%s", error.text);
    while (query_next(result, &row, &more, &error) && more) {
        assert_true(n < room);
        ids[n++] = query->regions ? row.region : row.file;
    }
    query_close(result);
    return n;
}

/* Fewer rows are the first of all, in whatever order: SQL that stops early finds what SQL without a limit finds. */
static void fewer_are_the_first(void **state) {
    struct fixture *f = *state;
    static int64_t all[SOUNDS * 5], few[100];
    for (int sort = QUERY_BY_PATH; sort < QUERY_BY_SIMILARITY; sort++)
        for (int k = 0; k < 8; k++) {
            struct query query;
            query_init(&query);
            query.regions = k & 1;
            query.descending = k & 2;
            query.sort = (enum query_sort)sort;
            query.text = "loop";
            if (sort == QUERY_BY_MEASURE) {
                query.measures[0] = (struct query_measure){.name = "crest", .range = {NAN, NAN}};
                query.measures_count = 1;
            }
            if (k & 4) query.added = (struct query_range){0, 1.6e9 + 2500};
            size_t n = ids_of(f, &query, all, SOUNDS * 5);
            query.limit = 100;
            assert_int_equal(ids_of(f, &query, few, 100), 100);
            assert_true(n > 400);
            if (memcmp(all, few, sizeof few) != 0) fail_msg("by %s, %d", query_sort_name(query.sort), k);
        }
}

static void assert_costs(const struct fixture *f) {
    assert_int_equal(
        fixture_number(f, "SELECT count(*) FROM plugin_costs AS a LEFT JOIN plugin_costs_counted AS b USING (plugin)"
                          " WHERE a.results IS NOT b.results OR NOT"
                          " abs(a.cpu - b.cpu) + abs(a.wall - b.wall) + abs(a.audio - b.audio) < 1e-3"),
        0);
}

/* The costs that triggers sum are those that counting finds, also after results were replaced and history was deleted. */
static void costs_are_counted(void **state) {
    struct fixture *f = *state;
    struct error error = {0};
    int64_t analysis = 0;
    struct store_result result = {.region = 7,
                                  .plugin = "key",
                                  .version = "2",
                                  .identity = "another",
                                  .outcome = "ok",
                                  .json = "{}",
                                  .cpu_us = 5000000,
                                  .wall_us = 6000000,
                                  .peak_bytes = 1 << 30};
    double before = fixture_real(f, "SELECT cpu FROM plugin_costs WHERE plugin = 'key'");
    if (!store_result(f->catalogue, &result, &analysis, &error)) fail_msg("%s", error.text);
    assert_costs(f);
    result.cpu_us = 1000000; /* the same identity: it replaces the other */
    if (!store_result(f->catalogue, &result, &analysis, &error)) fail_msg("%s", error.text);
    assert_costs(f);
    double added = fixture_real(f, "SELECT cpu FROM plugin_costs WHERE plugin = 'key'") - before;
    assert_true(added > 0.999 && added < 1.001);
    assert_int_equal(fixture_number(f, "SELECT peak_bytes FROM plugin_costs WHERE plugin = 'key'"), 1 << 30);
    struct upkeep_pruned pruned;
    assert_true(upkeep_prune(f->catalogue, true, &pruned, &error));
    assert_true(pruned.results > 0);
    assert_costs(f);
}

int main(int argc, char **argv) {
    document_path = argc > 1 ? argv[1] : "schema/catalogue.md";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_is_sound),           cmocka_unit_test(alike_under_conditions),
        cmocka_unit_test(examples_need_few_steps), cmocka_unit_test(a_hundred_in_any_order_need_few_steps),
        cmocka_unit_test(pages_are_read_once),     cmocka_unit_test(fewer_are_the_first),
        cmocka_unit_test(costs_are_counted)};
    return cmocka_run_group_tests(tests, made_setup, fixture_teardown);
}
