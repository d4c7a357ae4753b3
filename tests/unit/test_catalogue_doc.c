/* schema/catalogue.md against the schema: every table, view and column is described, nothing else is, and its example queries
 * run; so does the extension for other programs. Arguments: the document, the extension. */
#include "tests/unit/catalogue_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *document_path;

static char *document(void) {
    FILE *file = fopen(document_path, "rb");
    if (!file) fail_msg("can't open %s", document_path);
    char *text = calloc(1, 1 << 20);
    assert_non_null(text);
    assert_true(fread(text, 1, (1 << 20) - 1, file) > 1000);
    fclose(file);
    return text;
}

/* The text between "### `name`" and the next heading, as a copy; NULL when there is none. */
static char *section(const char *text, const char *name) {
    char heading[100];
    snprintf(heading, sizeof heading, "\n### `%s`\n", name);
    const char *start = strstr(text, heading);
    if (!start) return NULL;
    start += strlen(heading);
    const char *end = strstr(start, "\n##");
    return end ? strndup(start, (size_t)(end - start)) : strdup(start);
}

static sqlite3_stmt *prepare(const struct fixture *f, const char *sql) {
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(catalogue_db(f->catalogue), sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(catalogue_db(f->catalogue)));
    return statement;
}

#define OBJECTS                                                                                                        \
    "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'"                      \
    " AND name NOT LIKE 'search\\_%' ESCAPE '\\'"
/* FTS5's hidden columns: the table's own name, and rank. */
#define COLUMNS "SELECT name FROM pragma_table_xinfo(?) WHERE name NOT IN ('search', 'rank')"

static void everything_is_described(void **state) {
    struct fixture *f = *state;
    char *text = document();
    sqlite3_stmt *objects = prepare(f, OBJECTS), *columns = prepare(f, COLUMNS);
    int described = 0;
    while (sqlite3_step(objects) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(objects, 0);
        char *part = section(text, name);
        if (!part) fail_msg("%s has no section", name);
        sqlite3_reset(columns);
        sqlite3_bind_text(columns, 1, name, -1, SQLITE_TRANSIENT);
        while (sqlite3_step(columns) == SQLITE_ROW) {
            char row[100];
            snprintf(row, sizeof row, "\n| `%s` |", (const char *)sqlite3_column_text(columns, 0));
            if (!strstr(part, row))
                fail_msg("%s.%s isn't described", name, (const char *)sqlite3_column_text(columns, 0));
            described++;
        }
        free(part);
    }
    assert_true(described > 200);
    sqlite3_finalize(objects);
    sqlite3_finalize(columns);
    free(text);
}

static int64_t count_of(const struct fixture *f, const char *sql, const char *object, const char *column) {
    sqlite3_stmt *statement = prepare(f, sql);
    sqlite3_bind_text(statement, 1, object, -1, SQLITE_TRANSIENT);
    if (column) sqlite3_bind_text(statement, 2, column, -1, SQLITE_TRANSIENT);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return n;
}

static void nothing_else_is_described(void **state) {
    struct fixture *f = *state;
    char *text = document(), *rest = NULL, object[100] = "", column[100];
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (strncmp(line, "## ", 3) == 0) object[0] = '\0';
        if (sscanf(line, "### `%90[^`]`", object) == 1 &&
            count_of(f, "SELECT count(*) FROM sqlite_schema WHERE name = ?", object, NULL) != 1)
            fail_msg("there is no table or view %s", object);
        if (object[0] && sscanf(line, "| `%90[^`]` |", column) == 1 &&
            count_of(f, "SELECT count(*) FROM pragma_table_xinfo(?) WHERE name = ?", object, column) != 1)
            fail_msg("there is no column %s.%s", object, column);
    }
    free(text);
}

static void fill(const struct fixture *f) {
    fixture_plugin(
        f, "tempo_meter",
        "{\"type\":\"object\",\"properties\":{"
        "\"bpm\":{\"type\":\"number\",\"x-unit\":\"bpm\",\"x-summary\":{\"as\":\"bpm\",\"rule\":\"longest\"}},"
        "\"centroid\":{\"type\":\"number\",\"x-unit\":\"Hz\",\"x-summary\":{\"as\":\"centroid\",\"rule\":\"mean\"}},"
        "\"percussive\":{\"type\":\"number\",\"x-unit\":\"ratio\",\"x-summary\":{\"as\":\"percussive\",\"rule\":\"mean\"}},"
        "\"lufs\":{\"type\":\"number\",\"x-unit\":\"LUFS\",\"x-summary\":{\"as\":\"lufs\",\"rule\":\"mean\"}},"
        "\"key\":{\"type\":\"string\",\"x-summary\":{\"as\":\"key\",\"rule\":\"longest\"}},"
        "\"label\":{\"type\":\"string\",\"x-summary\":{\"as\":\"label\",\"rule\":\"longest\"}},"
        "\"groups\":{\"type\":\"array\",\"x-summary\":{\"as\":\"groups\",\"rule\":\"union\"}}}}");
    /* as the bundled plugins have it: drums are a group, never a label */
    const char *json =
        "{\"bpm\":120,\"key\":\"A minor\",\"label\":\"drum loop\",\"groups\":[\"drums\"],\"centroid\":3000,"
        "\"percussive\":0.5,\"lufs\":-9}";
    struct fixture_file a = fixture_scan(f, "/s/drum/loop.wav", "a", "a", 2),
                        b = fixture_scan(f, "/s/copy.wav", "a", "a", 2);
    fixture_result(f, a.regions[0], "tempo_meter", "old", json);
    fixture_result(f, a.regions[0], "tempo_meter", "new", json);
    fixture_result(f, a.regions[1], "tempo_meter", "new", json);
    fixture_result(f, a.regions[1], "key", "new", "{}");
    fixture_result(f, a.regions[0], "key", "new", NULL);
    fixture_finish(f, &a);
    fixture_finish(f, &b);
}

static void examples_run(void **state) {
    struct fixture *f = *state;
    fill(f);
    char *text = document();
    int examples = 0;
    for (char *at = strstr(text, "```sql\n"); at; at = strstr(at, "```sql\n")) {
        at += 7;
        char *end = strstr(at, "```");
        assert_non_null(end);
        *end = '\0';
        sqlite3_stmt *statement = prepare(f, at);
        int code = sqlite3_step(statement);
        if (code != SQLITE_ROW) fail_msg("%s finds nothing: %s", at, sqlite3_errmsg(catalogue_db(f->catalogue)));
        while (code == SQLITE_ROW) code = sqlite3_step(statement);
        assert_int_equal(code, SQLITE_DONE);
        sqlite3_finalize(statement);
        examples++;
        at = end + 1;
    }
    assert_true(examples >= 10);
    free(text);
}

static const char *extension_path;

/* sonde_sqlite's functions, in a connection as the sqlite3 shell makes one. */
static void extension_loads(void **state) {
    struct fixture *f = *state;
    char *message = NULL;
    if (!extension_path) skip();
    sqlite3 *db = catalogue_db(f->catalogue);
    assert_int_equal(sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL), SQLITE_OK);
    if (sqlite3_load_extension(db, extension_path, NULL, &message) != SQLITE_OK) fail_msg("%s", message);
    assert_string_equal(fixture_text(f, "SELECT sonde_camelot('Bbm') || sonde_camelot('C major')"), "3A8B");
    assert_string_equal(fixture_text(f, "SELECT sonde_camelot('H')"), "(null)");
    assert_string_equal(fixture_text(f, "SELECT sonde_bpm_near(60.5, 120, 0.02) || sonde_bpm_near(90, 120, 0.02) ||"
                                        " sonde_bpm_near(121, 120, 0.02) || sonde_bpm_near(241, 120, 0.02)"),
                        "1011");
    assert_string_equal(fixture_text(f, "SELECT sonde_bpm_near(NULL, 120, 0.02)"), "(null)");
    assert_true(fixture_real(f, "SELECT abs(sonde_similarity('{\"model\":\"m\",\"catalogue\":[3,4]}',"
                                "'{\"model\":\"m\",\"catalogue\":[4,3]}') - 0.96)") < 1e-6);
    assert_string_equal(fixture_text(f, "SELECT sonde_similarity('{\"model\":\"m\",\"catalogue\":[3,4]}',"
                                        "'{\"model\":\"n\",\"catalogue\":[4,3]}')"),
                        "(null)");
    assert_string_equal(fixture_text(f, "SELECT sonde_similarity('nonsense', NULL)"), "(null)");
    assert_true(fixture_real(f, "SELECT sonde_similarity(x'0000803f00000000', x'0000003f00000000')") == 0.5);
    assert_string_equal(fixture_text(f, "SELECT sonde_similarity(x'0000803f00000000', x'0000003f')"), "(null)");
    assert_string_equal(fixture_text(f, "SELECT sonde_similarity(x'00', x'00')"), "(null)");
}

int main(int argc, char **argv) {
    document_path = argc > 1 ? argv[1] : "schema/catalogue.md";
    extension_path = argc > 2 ? argv[2] : NULL;
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {TEST(everything_is_described), TEST(nothing_else_is_described),
                                       TEST(examples_run), TEST(extension_loads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
