/* Keys and ranges as people type them, and what the questions find. */
#include "tests/unit/catalogue_fixture.h"

#include "engine/catalogue/keys.h"
#include "engine/catalogue/lookup.h"
#include "engine/catalogue/query.h"
#include "engine/catalogue/search.h"
#include "engine/catalogue/summary.h"
#include "engine/cli/ranges.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void keys(void **state) {
    (void)state;
    static const struct {
        const char *text, *name;
    } cases[] = {
        {"Am", "A minor"},      {"A minor", "A minor"}, {"a min", "A minor"}, {"A-moll", "A minor"},
        {"8A", "A minor"},      {"8a", "A minor"},      {"1m", "A minor"},    {"C", "C major"},
        {"c", "C major"},       {"8B", "C major"},      {"1d", "C major"},    {"F#", "F# major"},
        {"Gb maj", "F# major"}, {"Bbm", "Bb minor"},    {"A#m", "Bb minor"},  {"D\u266d dur", "Db major"},
        {"CM", "C major"},      {"Cm", "C minor"},      {"3A", "Bb minor"},   {"12B", "E major"},
        {"b", "B major"},       {"bb", "Bb major"},     {"G:min", "G minor"}, {"2m", "E minor"},
        {"cb", "B major"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int key = keys_parse(cases[i].text);
        if (key < 0) fail_msg("%s isn't understood", cases[i].text);
        assert_string_equal(keys_name(key), cases[i].name);
    }
    const char *const wrong[] = {"", "H", "13A", "0A", "8C", "A phrygian", "minor", "Amx", "8", "C#b"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) assert_int_equal(keys_parse(wrong[i]), -1);
    for (int key = 0; key < KEYS_COUNT; key++) {
        assert_int_equal(keys_parse(keys_name(key)), key);
        assert_int_equal(keys_parse(keys_short(key)), key);
        assert_int_equal(keys_parse(keys_camelot(key)), key);
    }
    /* A minor (8A): C major (8B), E minor (9A), D minor (7A) */
    uint32_t expected = 1u << keys_parse("Am") | 1u << keys_parse("C") | 1u << keys_parse("Em") |
                        1u << keys_parse("Dm");
    assert_int_equal(keys_neighbours(keys_parse("Am")), expected);
    expected = 1u << keys_parse("Eb") | 1u << keys_parse("Cm") | 1u << keys_parse("Bb") | 1u << keys_parse("Ab");
    assert_int_equal(keys_neighbours(keys_parse("Eb")), expected);
}

static void expect_range(const char *text, enum range_kind kind, double low, double high) {
    struct query_range range;
    struct error error = {0};
    if (!range_parse(text, kind, 0.01, &range, &error)) fail_msg("%s", error.text);
    if (isnan(low))
        assert_true(isnan(range.low));
    else
        assert_true(fabs(range.low - low) < 1e-9);
    if (isnan(high))
        assert_true(isnan(range.high));
    else
        assert_true(fabs(range.high - high) < 1e-9);
}

static void ranges(void **state) {
    (void)state;
    expect_range("118-122", RANGE_NUMBER, 118, 122);
    expect_range("118.5..122", RANGE_NUMBER, 118.5, 122);
    expect_range("120", RANGE_NUMBER, 118.8, 121.2);
    expect_range("90-", RANGE_NUMBER, 90, NAN);
    expect_range("-100", RANGE_NUMBER, NAN, 100);
    expect_range("..100", RANGE_NUMBER, NAN, 100);
    expect_range("-20..-10", RANGE_NUMBER, -20, -10);
    expect_range("-20..-10", RANGE_LEVEL, -20, -10);
    expect_range("-20--10", RANGE_LEVEL, -20, -10);
    expect_range("-14", RANGE_LEVEL, -14.14, -13.86);
    expect_range("-14-", RANGE_LEVEL, -14, NAN);
    expect_range("..-30", RANGE_LEVEL, NAN, -30);
    expect_range("-3-3", RANGE_LEVEL, -3, 3);
    expect_range("1:30-2:00", RANGE_DURATION, 90, 120);
    expect_range("1:00:05..", RANGE_DURATION, 3605, NAN);
    expect_range("10m-1h", RANGE_DURATION, 600, 3600);
    expect_range("90s-", RANGE_DURATION, 90, NAN);
    struct query_range range;
    const char *const wrong[] = {"", "-", "..", "x", "10-5", "1-2-3", "12bpm", "nan", "1..inf"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(range_parse(wrong[i], RANGE_NUMBER, 0, &range, NULL));
    const char *const no_levels[] = {"", "-", "--", "..", "x", "-10--20", "-1--2--3"};
    struct error error = {0};
    for (size_t i = 0; i < sizeof no_levels / sizeof *no_levels; i++)
        assert_false(range_parse(no_levels[i], RANGE_LEVEL, 0, &range, &error));
    assert_false(range_parse("loud", RANGE_LEVEL, 0, &range, &error));
    assert_non_null(strstr(error.text, "-20..-10"));
    assert_true(range_parse("2024-05-01", RANGE_DATE, 0, &range, NULL));
    assert_true(fabs(range.high - range.low - 86399.999) < 3601);
    assert_true(range_parse("2024-01..2024-02", RANGE_DATE, 0, &range, NULL));
    assert_true(fabs(range.high - range.low - 60 * 86400) < 3601);
    assert_true(range_parse("7d..", RANGE_DATE, 0, &range, NULL));
    assert_false(range_parse("2024-13", RANGE_DATE, 0, &range, NULL));
    assert_true(range_parse("2024-5-1..2024", RANGE_DATE, 0, &range, NULL));
    assert_true(range_parse("2024-02-29", RANGE_DATE, 0, &range, NULL));
    assert_true(range_parse("today", RANGE_DATE, 0, &range, NULL));
    const char *const undated[] = {
        "",           "2026x",       "2026-",       "20240501", "2024/05/01", "2024-05x", "2024-05-", "2024-05-01T",
        "2024-02-30", "2023-02-29",  "2024-05-1-1", " 2024",    "+2024",      "2024- 5",  "2024--5",  "7days",
        "1969",       "2024..2025x", "2024-0501",   "0"};
    for (size_t i = 0; i < sizeof undated / sizeof *undated; i++)
        if (range_parse(undated[i], RANGE_DATE, 0, &range, NULL)) fail_msg("%s is taken for a date", undated[i]);
}

static const char *const schema =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"bpm\":{\"type\":\"number\",\"x-unit\":\"bpm\",\"x-summary\":{\"as\":\"bpm\",\"rule\":\"longest\"}},"
    "\"key\":{\"type\":\"string\",\"x-summary\":{\"as\":\"key\",\"rule\":\"longest\"}},"
    "\"label\":{\"type\":\"string\",\"x-summary\":{\"as\":\"label\",\"rule\":\"longest\"}},"
    "\"lufs\":{\"type\":\"number\",\"x-unit\":\"LUFS\",\"x-summary\":{\"as\":\"lufs\",\"rule\":\"longest\"}},"
    "\"classes\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"x-summary\":{\"as\":\"classes\",\"rule\":\"union\"}},"
    "\"groups\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"x-summary\":{\"as\":\"groups\",\"rule\":\"union\"}}}}";

static const struct {
    const char *path, *json;
} sounds[] = {
    {"/s/drum loop.wav",
     "{\"bpm\":120,\"key\":\"A minor\",\"label\":\"drums\",\"lufs\":-12,\"classes\":[\"drums\",\"loop\"]}"},
    {"/s/bass_line.wav", "{\"bpm\":60.2,\"key\":\"C major\",\"label\":\"bass\",\"lufs\":-20}"},
    {"/s/pad.flac", "{\"bpm\":90,\"key\":\"Bb minor\",\"label\":\"synth\",\"lufs\":-30}"},
    {"/t/rain.wav", "{\"label\":\"rain\",\"lufs\":-40,\"groups\":[\"weather, water and fire\",\"people\"]}"},
    {"/t/\xc3\xa9t\xc3\xa9.wav", "{\"bpm\":121.9,\"key\":\"Gb major\",\"label\":\"Drums\"}"},
};

static void fill(struct fixture *f) {
    fixture_plugin(f, "p", schema);
    for (size_t i = 0; i < sizeof sounds / sizeof *sounds; i++) {
        struct fixture_file file = fixture_scan(f, sounds[i].path, sounds[i].path, sounds[i].path, 1 + i % 2);
        for (size_t r = 0; r < file.n; r++) fixture_result(f, file.regions[r], "p", "i", sounds[i].json);
        fixture_finish(f, &file);
    }
}

/* The names that a query finds, with commas between. */
static const char *found(struct fixture *f, const struct query *query) {
    static char names[2000];
    struct error error = {0};
    struct query_result *result = query_open(f->catalogue, query, &error);
    if (!result) fail_msg("%s", error.text);
    struct query_row row;
    bool more = true;
    names[0] = '\0';
    while (true) {
        if (!query_next(result, &row, &more, &error)) fail_msg("%s", error.text);
        if (!more) break;
        if (names[0]) strcat(names, ",");
        strcat(names, strrchr(row.display, '/') + 1);
    }
    query_close(result);
    return names;
}

static void conditions(void **state) {
    struct fixture *f = *state;
    fill(f);
    struct query query;
    query_init(&query);
    assert_string_equal(found(f, &query), "bass_line.wav,drum loop.wav,pad.flac,rain.wav,\xc3\xa9t\xc3\xa9.wav");
    query.bpm = (struct query_range){118, 122};
    assert_string_equal(found(f, &query), "drum loop.wav,\xc3\xa9t\xc3\xa9.wav");
    query.octaves = true;
    assert_string_equal(found(f, &query), "bass_line.wav,drum loop.wav,\xc3\xa9t\xc3\xa9.wav");
    query.keys = keys_neighbours(keys_parse("Am"));
    assert_string_equal(found(f, &query), "bass_line.wav,drum loop.wav");
    query_init(&query);
    query.keys = 1u << keys_parse("A#m"); /* stored as Bb */
    assert_string_equal(found(f, &query), "pad.flac");
    query.keys = 1u << keys_parse("F#"); /* stored as Gb */
    assert_string_equal(found(f, &query), "\xc3\xa9t\xc3\xa9.wav");
    query_init(&query);
    query.labels[query.labels_count++] = "DRUMS";
    assert_string_equal(found(f, &query), "drum loop.wav,\xc3\xa9t\xc3\xa9.wav");
    query.labels[query.labels_count++] = "rain";
    assert_string_equal(found(f, &query), "drum loop.wav,rain.wav,\xc3\xa9t\xc3\xa9.wav");
    query_init(&query);
    query.labels[query.labels_count++] = "loop"; /* of its classes */
    assert_string_equal(found(f, &query), "drum loop.wav");
    query.labels[0] = "weather"; /* of its groups */
    assert_string_equal(found(f, &query), "rain.wav");
    query.labels[0] = "people";
    assert_string_equal(found(f, &query), "rain.wav");
    query.labels[0] = "fire"; /* which nobody has heard */
    assert_string_equal(found(f, &query), "");
    query_init(&query);
    query.loudness = (struct query_range){-35, -15};
    query.sort = QUERY_BY_LOUDNESS;
    query.descending = true;
    assert_string_equal(found(f, &query), "bass_line.wav,pad.flac");
    query_init(&query);
    query.under = "/t/";
    assert_string_equal(found(f, &query), "rain.wav,\xc3\xa9t\xc3\xa9.wav");
    query.under = "/";
    assert_string_equal(found(f, &query), "bass_line.wav,drum loop.wav,pad.flac,rain.wav,\xc3\xa9t\xc3\xa9.wav");
    query.under = "/s/drum";
    assert_string_equal(found(f, &query), "");
    query_init(&query);
    query.duration = (struct query_range){19, 21};
    query.tags[query.tags_count++] = "LOOP";
    assert_string_equal(found(f, &query), "drum loop.wav");
    query.duration = (struct query_range){1, 19};
    assert_string_equal(found(f, &query), "");
    fixture_run(f, "UPDATE files SET added = 1000 * file_id, mtime_ns = 5000000000 * file_id");
    query_init(&query);
    query.added = (struct query_range){2000, 3500};
    assert_string_equal(found(f, &query), "bass_line.wav,pad.flac");
    query_init(&query);
    query.modified = (struct query_range){NAN, 10};
    query.sort = QUERY_BY_ADDED;
    assert_string_equal(found(f, &query), "drum loop.wav,bass_line.wav");
    query_init(&query);
    query.streaming = true;
    query.loudness = (struct query_range){-35, -15};
    assert_string_equal(found(f, &query), "bass_line.wav,pad.flac");
    query.regions = true;
    query.limit = 2;
    assert_string_equal(found(f, &query), "bass_line.wav,bass_line.wav");
    query_init(&query);
    query.sort = QUERY_BY_BPM;
    query.descending = true;
    query.limit = 2;
    assert_string_equal(found(f, &query), "\xc3\xa9t\xc3\xa9.wav,drum loop.wav");
}

/* Values by their names in the summary, of whatever plugin: numbers, texts, entries of lists. */
static void measures(void **state) {
    struct fixture *f = *state;
    fill(f);
    struct query query;
    query_init(&query);
    query.measures[query.measures_count++] = (struct query_measure){"lufs", {-35, -15}, NULL};
    assert_string_equal(found(f, &query), "bass_line.wav,pad.flac");
    query.sort = QUERY_BY_MEASURE;
    assert_string_equal(found(f, &query), "pad.flac,bass_line.wav");
    query.descending = true;
    assert_string_equal(found(f, &query), "bass_line.wav,pad.flac");
    query.measures[query.measures_count++] = (struct query_measure){"label", {NAN, NAN}, "BASS"};
    assert_string_equal(found(f, &query), "bass_line.wav");
    query.regions = true;
    assert_string_equal(found(f, &query), "bass_line.wav,bass_line.wav");
    query.sort = QUERY_BY_PATH;
    query.tags[query.tags_count++] = "bass"; /* files alone are asked first, but not for fewer than there are */
    query.limit = 2;
    assert_string_equal(found(f, &query), "bass_line.wav,bass_line.wav");
    query_init(&query);
    query.measures[query.measures_count++] = (struct query_measure){"classes", {NAN, NAN}, "loop"};
    assert_string_equal(found(f, &query), "drum loop.wav");
    query.measures[0] = (struct query_measure){"classes", {NAN, NAN}, NULL}; /* any */
    assert_string_equal(found(f, &query), "drum loop.wav");
    query.measures[0] = (struct query_measure){"lufs", {NAN, NAN}, "-20"}; /* no text */
    assert_string_equal(found(f, &query), "");
    query.measures[0] = (struct query_measure){"label", {1, NAN}, NULL}; /* no number */
    assert_string_equal(found(f, &query), "");
    query.measures[0] = (struct query_measure){"none", {NAN, NAN}, NULL};
    assert_string_equal(found(f, &query), "");
    query_init(&query);
    query.under = "/s";
    query.regions = true;
    query.bpm = (struct query_range){60, 121};
    query.limit = 1;
    query.measures[query.measures_count++] = (struct query_measure){"lufs", {-15, NAN}, NULL};
    assert_string_equal(found(f, &query), "drum loop.wav");
    query.bpm = (struct query_range){NAN, NAN};
    query.modified = (struct query_range){0, NAN};
    assert_string_equal(found(f, &query), "drum loop.wav");
    struct fixture_file file = fixture_scan(f, "/s/two.wav", "two", "two", 2);
    fixture_result(f, file.regions[0], "p", "i", "{\"lufs\":-5}");
    fixture_result(f, file.regions[1], "p", "i", "{\"lufs\":-6}");
    fixture_finish(f, &file);
    query_init(&query);
    query.measures[query.measures_count++] = (struct query_measure){"lufs", {-8, NAN}, NULL};
    query.regions = true;
    query.sort = QUERY_BY_MEASURE;
    assert_string_equal(found(f, &query), "two.wav,two.wav");
    query.measures[0].range.low = -5.5; /* of the region, whatever the file has */
    assert_string_equal(found(f, &query), "two.wav");
}

/* Rows that come as they are found are those that come sorted. */
static void streams_are_the_same(void **state) {
    struct fixture *f = *state;
    fill(f);
    for (int i = 0; i < 128; i++) {
        struct query query;
        char sorted[2000];
        query_init(&query);
        query.regions = i & 1;
        query.descending = i & 2;
        if (i & 4) query.bpm = (struct query_range){60, 121};
        if (i & 8) query.loudness.high = -12;
        if (i & 16) query.text = "s";
        if (i & 32) query.tags[query.tags_count++] = "drums";
        if (i & 64) query.measures[query.measures_count++] = (struct query_measure){"lufs", {-30, NAN}, NULL};
        snprintf(sorted, sizeof sorted, "%s", found(f, &query));
        query.streaming = true;
        assert_string_equal(found(f, &query), sorted);
    }
}

static void text_search(void **state) {
    struct fixture *f = *state;
    fill(f);
    struct query query;
    query_init(&query);
    query.text = "ete"; /* without the accents */
    assert_string_equal(found(f, &query), "\xc3\xa9t\xc3\xa9.wav");
    query.text = "lo dr";
    assert_string_equal(found(f, &query), "drum loop.wav");
    query.text = "line";
    assert_string_equal(found(f, &query), "bass_line.wav");
    query.text = "drums"; /* a label */
    assert_string_equal(found(f, &query), "drum loop.wav,\xc3\xa9t\xc3\xa9.wav");
    query_init(&query);
    char *everything = strdup(found(f, &query));
    assert_non_null(everything);
    const char *const wordless[] = {"", " ", " \t\r\n "};
    for (size_t i = 0; i < sizeof wordless / sizeof *wordless; i++) {
        query.text = wordless[i];
        assert_string_equal(found(f, &query), everything);
    }
    free(everything);
    query.text = "song wav rain"; /* the embedded title */
    assert_string_equal(found(f, &query), "rain.wav");
    const char *const odd[] = {"\"", "AND", "a\" OR \"b", "*", "^x", "NEAR(", "- :", "(((", "'", "%"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        query.text = odd[i];
        (void)found(f, &query); /* never an error */
    }
}

static void regions_and_missing(void **state) {
    struct fixture *f = *state;
    fill(f);
    struct query query;
    query_init(&query);
    query.regions = true;
    assert_string_equal(found(f, &query),
                        "bass_line.wav,bass_line.wav,drum loop.wav,pad.flac,rain.wav,rain.wav,\xc3\xa9t\xc3\xa9.wav");
    query.labels[query.labels_count++] = "bass";
    assert_string_equal(found(f, &query), "bass_line.wav,bass_line.wav");
    struct error error;
    query_init(&query);
    assert_true(store_file_missing(f->catalogue, 1, &error));
    assert_string_equal(found(f, &query), "bass_line.wav,pad.flac,rain.wav,\xc3\xa9t\xc3\xa9.wav");
    query.missing = true;
    assert_string_equal(found(f, &query), "bass_line.wav,drum loop.wav,pad.flac,rain.wav,\xc3\xa9t\xc3\xa9.wav");
}

static void lookups(void **state) {
    struct fixture *f = *state;
    fill(f);
    struct lookup found_file;
    struct error error = {0};
    assert_true(lookup_find(f->catalogue, "/s/pad.flac", &found_file, &error));
    assert_int_equal(found_file.file, 3);
    assert_true(lookup_find(f->catalogue, "pad.flac", &found_file, &error));
    assert_true(lookup_find(f->catalogue, "/s/../s/./pad.flac#0", &found_file, &error));
    assert_int_equal(found_file.position, 0);
    assert_true(found_file.region > 0);
    assert_false(lookup_find(f->catalogue, "/s/pad.flac#7", &found_file, &error));
    assert_non_null(strstr(error.text, "it has 1"));
    assert_false(lookup_find(f->catalogue, "nothing.wav", &found_file, &error));
    (void)fixture_scan(f, "/u/pad.flac", "x", "x", 1);
    assert_false(lookup_find(f->catalogue, "pad.flac", &found_file, &error));
    assert_non_null(strstr(error.text, "/u/pad.flac"));
    /* rows of files that are gone are in nobody's way */
    assert_true(store_file_missing(f->catalogue, 3, &error));
    assert_true(lookup_find(f->catalogue, "pad.flac", &found_file, &error));
    assert_int_not_equal(found_file.file, 3);
    const int64_t moved = found_file.file;
    assert_true(lookup_find(f->catalogue, "/s/pad.flac", &found_file, &error));
    assert_int_equal(found_file.file, 3);
    assert_true(store_file_missing(f->catalogue, moved, &error)); /* but found, too, when there is nothing else */
    assert_false(lookup_find(f->catalogue, "pad.flac", &found_file, &error));
    assert_non_null(strstr(error.text, "2 files are called"));
    fixture_run(f, "DELETE FROM files WHERE file_id <> 3 AND name = 'pad.flac'");
    assert_true(lookup_find(f->catalogue, "pad.flac", &found_file, &error));
    assert_int_equal(found_file.file, 3);
    (void)fixture_scan(f, "/u/odd#1", "y", "y", 1);
    assert_true(lookup_find(f->catalogue, "/u/odd#1", &found_file, &error));
    assert_int_equal(found_file.position, -1);
}

/* A fixed direction in 24 dimensions, for sound i. */
static void vector_of(int i, double out[24]) {
    unsigned seed = (unsigned)i * 2654435761u + 1;
    double square = 0;
    for (int k = 0; k < 24; k++) {
        seed = seed * 1664525u + 1013904223u;
        out[k] = (double)(seed >> 8) / (1 << 24) - 0.5;
        square += out[k] * out[k];
    }
    for (int k = 0; k < 24; k++) out[k] /= sqrt(square);
}

static double cosine_of(int a, int b) {
    double x[24], y[24], sum = 0;
    vector_of(a, x);
    vector_of(b, y);
    for (int k = 0; k < 24; k++) sum += x[k] * y[k];
    return sum;
}

/* A sound of number `number` with the direction of sound i. */
static void put_vector(struct fixture *f, int i, int number, const char *hash, struct fixture_file *file) {
    char path[40], json[1200];
    double vector[24];
    vector_of(i, vector);
    snprintf(path, sizeof path, "/v/%d", number);
    int n = snprintf(json, sizeof json, "{\"embedding\":{\"model\":\"m\",\"version\":1,\"hash\":\"%s\",\"catalogue\":[",
                     hash);
    for (int k = 0; k < 24; k++) n += snprintf(json + n, sizeof json - (size_t)n, "%s%.9g", k ? "," : "", vector[k]);
    snprintf(json + n, sizeof json - (size_t)n, "]}}");
    *file = fixture_scan(f, path, path, path, 1);
    fixture_result(f, file->regions[0], "e", "i", json);
    fixture_finish(f, file);
}

/* Against all of them compared one by one. */
static void similarity(void **state) {
    struct fixture *f = *state;
    enum { N = 400 };
    struct fixture_file files[N];
    fixture_plugin(
        f, "e",
        "{\"type\":\"object\",\"properties\":{\"embedding\":{\"type\":\"object\",\"additionalProperties\":true,"
        "\"x-summary\":{\"as\":\"embedding\",\"rule\":\"longest\"}}}}");
    for (int i = 0; i < N; i++) put_vector(f, i, i, i < N - 50 ? "aa" : "bb", &files[i]);
    for (int regions = 0; regions < 2; regions++) {
        struct similar target;
        struct query query;
        struct query_row row;
        struct error error = {0};
        bool more = true;
        query_init(&query);
        if (!similar_load(f->catalogue, files[7].audio, regions ? files[7].regions[0] : 0, &target, &error))
            fail_msg("%s", error.text);
        query.similar_to = &target;
        query.similar_audio = files[7].audio;
        query.similar_region = files[7].regions[0];
        query.regions = regions;
        query.limit = 10;
        struct query_result *result = query_open(f->catalogue, &query, &error);
        if (!result) fail_msg("%s", error.text);
        double last = 1;
        int found_rows = 0;
        while (query_next(result, &row, &more, &error) && more) {
            int i = (int)strtol(strrchr(row.display, '/') + 1, NULL, 10), better = 0;
            assert_true(i != 7 && i < N - 50); /* not itself, and none of another model */
            assert_true(fabs(row.similarity - cosine_of(7, i)) < 1e-5);
            assert_true(row.similarity <= last);
            last = row.similarity;
            for (int k = 0; k < N - 50; k++) better += k != 7 && cosine_of(7, k) > cosine_of(7, i) + 1e-6;
            assert_int_equal(better, found_rows++);
        }
        query_close(result);
        assert_int_equal(found_rows, 10);
        query.measures[query.measures_count++] = (struct query_measure){"none", {NAN, NAN}, NULL};
        assert_string_equal(found(f, &query), "");
    }
    struct fixture_file without = fixture_scan(f, "/without", "w", "w", 1);
    fixture_finish(f, &without);
    struct similar target;
    struct error error = {0};
    assert_false(similar_load(f->catalogue, without.audio, 0, &target, &error));
    assert_non_null(strstr(error.text, "no embedding"));
}

/* Sounds whose numbers divide by this. */
static bool may_be_some(const void *context, int64_t id) {
    return id % *(const int64_t *)context == 0;
}

static bool accept_some(void *context, int64_t id, bool *accepted, struct error *error) {
    (void)error;
    *accepted = id % *(const int64_t *)context == 0;
    return true;
}

/* The search by bounds finds what comparing all of them finds: for one, some and all, also among equals. */
static void bounds_are_bounds(void **state) {
    struct fixture *f = *state;
    enum { N = 600 };
    struct fixture_file file;
    fixture_plugin(
        f, "e",
        "{\"type\":\"object\",\"properties\":{\"embedding\":{\"type\":\"object\",\"additionalProperties\":true,"
        "\"x-summary\":{\"as\":\"embedding\",\"rule\":\"longest\"}}}}");
    for (int i = 0; i < N; i++) put_vector(f, i % 450, i, "aa", &file);
    struct error error = {0};
    int64_t wrong = -1;
    for (int kind = VECTORS_AUDIO; kind <= VECTORS_REGION; kind++) {
        assert_true(vectors_check(f->catalogue, (enum vectors_kind)kind, &wrong, &error));
        assert_int_equal(wrong, 0);
    }
    fixture_run(
        f,
        "UPDATE region_vectors SET data = (SELECT data FROM region_vectors WHERE region_id = 9) WHERE region_id = 8");
    assert_true(vectors_check(f->catalogue, VECTORS_REGION, &wrong, &error));
    assert_int_equal(wrong, 1);
    fixture_run(f, "DELETE FROM region_vectors WHERE region_id = 8");
    fixture_run(f, "DELETE FROM region_vectors WHERE region_id IN (5, 17, 300)"); /* their short ones are still there */
    for (int64_t step = 1; step < 40; step += 6) {
        static const size_t mosts[] = {0, 1, 7, 100, SIZE_MAX};
        for (size_t m = 0; m < sizeof mosts / sizeof *mosts; m++) {
            struct similar_list by_bounds = {.kind = VECTORS_REGION, .most = mosts[m], .but = 7 * step},
                                by_all = by_bounds;
            struct similar target;
            int64_t ids[N];
            size_t n = 0;
            const struct similar_filter filter = {step % 12 == 1 ? may_be_some : NULL, accept_some, &step};
            for (int64_t id = step; id <= N; id += step) ids[n++] = id;
            assert_true(similar_load(f->catalogue, 0, 20 + step, &target, &error));
            assert_true(similar_nearest(f->catalogue, &target, &filter, &by_bounds, &error));
            assert_true(similar_among(f->catalogue, &target, ids, n, &by_all, &error));
            assert_int_equal(by_bounds.n, by_all.n);
            if (by_all.n > 0) assert_memory_equal(by_bounds.items, by_all.items, by_all.n * sizeof *by_all.items);
            free(by_bounds.items);
            free(by_all.items);
        }
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys),  cmocka_unit_test(ranges),   TEST(conditions), TEST(measures),
        TEST(text_search),       TEST(regions_and_missing),  TEST(lookups),    TEST(similarity),
        TEST(bounds_are_bounds), TEST(streams_are_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
