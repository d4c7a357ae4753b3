#include "tests/unit/catalogue_fixture.h"

#include "engine/base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

int fixture_setup(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    const char *tmp = getenv("TMPDIR");
    snprintf(fixture->folder, sizeof fixture->folder, "%.40s/sonde-test-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(fixture->folder));
    snprintf(fixture->path, sizeof fixture->path, "%s/catalogue.db", fixture->folder);
    struct error error = {0};
    fixture->catalogue = catalogue_open(fixture->path, CATALOGUE_WRITE, &error);
    if (!fixture->catalogue) fail_msg("%s", error.text);
    *state = fixture;
    return 0;
}

int fixture_teardown(void **state) {
    struct fixture *fixture = *state;
    catalogue_close(fixture->catalogue);
    char command[200];
    snprintf(command, sizeof command, "chmod -R u+rwX '%s' && rm -rf '%s'", fixture->folder, fixture->folder);
    if (system(command) != 0) fprintf(stderr, "can't remove %s\n", fixture->folder);
    free(fixture);
    return 0;
}

static sqlite3_stmt *first_row(const struct fixture *fixture, const char *sql) {
    sqlite3_stmt *statement = NULL;
    sqlite3 *db = catalogue_db(fixture->catalogue);
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK) fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    if (sqlite3_step(statement) != SQLITE_ROW) fail_msg("%s: no row (%s)", sql, sqlite3_errmsg(db));
    return statement;
}

int64_t fixture_number(const struct fixture *fixture, const char *sql) {
    sqlite3_stmt *statement = first_row(fixture, sql);
    int64_t value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

double fixture_real(const struct fixture *fixture, const char *sql) {
    sqlite3_stmt *statement = first_row(fixture, sql);
    double value = sqlite3_column_double(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

const char *fixture_text(const struct fixture *fixture, const char *sql) {
    static char text[2000];
    sqlite3_stmt *statement = first_row(fixture, sql);
    const char *value = (const char *)sqlite3_column_text(statement, 0);
    snprintf(text, sizeof text, "%s", value ? value : "(null)");
    sqlite3_finalize(statement);
    return text;
}

void fixture_run(const struct fixture *fixture, const char *sql) {
    struct error error = {0};
    if (!catalogue_execute(fixture->catalogue, sql, &error)) fail_msg("%s: %s", sql, error.text);
}

const char *fixture_hash(const char *name) {
    static char hashes[8][HASH_TEXT];
    static unsigned next;
    char *hash = hashes[next++ % 8];
    hash_bytes(name, strlen(name), hash);
    return hash;
}

void fixture_plugin(const struct fixture *fixture, const char *plugin, const char *schema) {
    struct store_plugin about = {.plugin = plugin,
                                 .version = "1.0.0",
                                 .library = "/usr/lib/sonde/x.so",
                                 .hash = fixture_hash(plugin),
                                 .descriptor = "{}",
                                 .schema = schema,
                                 .bundled = true,
                                 .enabled = true,
                                 .state = "ready"};
    struct error error = {0};
    if (!store_plugin(fixture->catalogue, &about, &error)) fail_msg("%s", error.text);
}

struct fixture_file fixture_scan(const struct fixture *fixture, const char *path, const char *bytes, const char *sound,
                                 size_t n) {
    struct fixture_file made = {.n = n, .stat = {1000, 1700000000000000000, 1, 7, 0}};
    struct store_file file;
    struct error error = {0};
    if (!store_file_seen(fixture->catalogue, path, strlen(path), &made.stat, &file, &error)) fail_msg("%s", error.text);
    made.file = file.file;
    struct store_region regions[8] = {{0}};
    for (size_t i = 0; i < n; i++)
        regions[i] = (struct store_region){
            0, (int64_t)i * 2000, (int64_t)i * 2000 + 1000, (int64_t)i * 2000 + 50, (int64_t)i * 2000 + 950, 0, 1};
    int16_t peaks[3] = {-100, 100, 50};
    struct store_waveform wave = {"overview", 1, 1, peaks};
    struct store_scan scan = {.bytes_hash = fixture_hash(bytes),
                              .audio_hash = fixture_hash(sound),
                              .size = 1000,
                              .rate = 1000,
                              .channels = 1,
                              .frames = 20000,
                              .facts = "{\"container\":\"wav\",\"codec\":\"pcm_s16\",\"title\":\"Song\"}",
                              .decoder = "libsndfile",
                              .decoder_version = "1.2.0",
                              .segmenter = "seg1",
                              .regions = regions,
                              .regions_count = n,
                              .waveforms = &wave,
                              .waveforms_count = 1};
    bool known = false;
    if (!store_scan(fixture->catalogue, made.file, &scan, &made.content, &made.audio, &known, &error))
        fail_msg("%s", error.text);
    for (size_t i = 0; i < n; i++) made.regions[i] = regions[i].region;
    return made;
}

int64_t fixture_result(const struct fixture *fixture, int64_t region, const char *plugin, const char *identity,
                       const char *json) {
    struct store_result result = {.region = region,
                                  .plugin = plugin,
                                  .version = "1.0.0",
                                  .identity = identity,
                                  .outcome = json ? "ok" : "failed",
                                  .reason = json ? NULL : "no idea",
                                  .json = json,
                                  .cpu_us = 1500,
                                  .wall_us = 2000,
                                  .peak_bytes = -1};
    struct error error = {0};
    int64_t analysis = 0;
    if (!store_result(fixture->catalogue, &result, &analysis, &error)) fail_msg("%s", error.text);
    return analysis;
}

void fixture_provide(const struct fixture *fixture, int64_t region, const char *plugin, const char *interface,
                     const char *json) {
    char sql[200];
    snprintf(sql, sizeof sql, "UPDATE region_analysis SET interfaces = '[\"%s\"]' WHERE analysis_id = %lld", interface,
             (long long)fixture_result(fixture, region, plugin, "i", json));
    fixture_run(fixture, sql);
}

void fixture_finish(const struct fixture *fixture, const struct fixture_file *file) {
    struct error error = {0};
    if (!store_file_finish(fixture->catalogue, file->file, FILE_DONE, NULL, &file->stat, "p", &error))
        fail_msg("%s", error.text);
}
