#include "tests/bench/made.h"

#include "engine/base/hash.h"
#include "engine/catalogue/keys.h"
#include "engine/catalogue/similar.h"
#include "engine/catalogue/vectors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIMENSIONS 96

#define MEAN(name)                                                                                                     \
    ",\"" name "\":{\"type\":\"number\",\"x-unit\":\"1\",\"x-summary\":{\"as\":\"" name "\",\"rule\":\"mean\"}}"

const char *const made_plugins[MADE_PLUGINS] = {"tempo_meter", "key", "classifier", "features", "content_timeline"};
const char *const made_schemas[MADE_PLUGINS] = {
    "{\"type\":\"object\",\"properties\":{\"bpm\":{\"type\":\"number\",\"x-unit\":\"bpm\",\"x-summary\":{\"as\":\"bpm\","
    "\"rule\":\"mode\",\"weight\":\"c\",\"confidence_as\":\"bpm_confidence\",\"tolerance\":0.04}},\"c\":{\"type\":\"number\","
    "\"x-unit\":\"probability\"}" MEAN("tempo_stability") MEAN("swing") "}}",
    "{\"type\":\"object\",\"properties\":{\"key\":{\"type\":\"string\",\"x-summary\":{\"as\":\"key\",\"rule\":\"mode\"}}}}",
    "{\"type\":\"object\",\"properties\":{\"label\":{\"type\":\"string\",\"x-summary\":{\"as\":\"label\",\"rule\":\"mode\"}},"
    "\"kind\":{\"type\":\"string\",\"x-summary\":{\"as\":\"kind\",\"rule\":\"mode\"}}}}",
    "{\"type\":\"object\",\"properties\":{\"embedding\":{\"type\":\"object\",\"x-summary\":{\"as\":\"embedding\",\"rule\":"
    "\"longest\"}}" MEAN("lufs") MEAN("centroid") MEAN("rms") MEAN("peak") MEAN("crest") MEAN("attack") MEAN("decay")
        MEAN("sustain") MEAN("flatness") MEAN("flux") MEAN("rolloff") MEAN("harmonic") MEAN("percussive") "}}",
    "{\"type\":\"object\",\"properties\":{\"content\":{\"type\":\"string\",\"x-summary\":{\"as\":\"content\",\"rule\":\"mode\"}}}}",
};
static const char *const labels[] = {"drums", "bass",  "synth",  "piano", "voice",
                                     "rain",  "birds", "guitar", "noise", "choir"};
static const char *const contents[] = {"music", "speech", "environment", "noise"};
static const char *const kinds[] = {"loop", "one-shot", "take", "texture"};

/* A fixed sequence of numbers that look random. */
static uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

struct sound {
    double bpm; /* NaN: none, as of one in four */
    double confidence, loudness, centroid;
    const char *key, *label, *content, *kind;
};

static struct sound sound_of(int64_t r) {
    uint64_t a = mix((uint64_t)r * 7 + 1), b = mix(a + 1);
    return (struct sound){.bpm = b % 4 == 0 ? NAN : 60 + (double)(a % 12000) / 100,
                          .confidence = (double)(b >> 4 & 1023) / 1024,
                          .loudness = -10 - (double)(a >> 32 & 4095) / 100,
                          .centroid = 200 + (double)(b >> 16 & 8191),
                          .key = keys_name((int)((a >> 16) % KEYS_COUNT)),
                          .label = labels[(a >> 24) % 10],
                          .content = contents[(a >> 44) & 3],
                          .kind = kinds[(a >> 46) & 3]};
}

static int64_t first_region(int64_t sound) {
    return (sound - 1) * MADE_REGIONS + 1;
}

void made_path(int64_t n, char out[200]) {
    struct sound sound = sound_of(first_region(n));
    if (n % 500 == 0)
        snprintf(out, 200, "/home/someone/Samples/Pack %lld/%s/loop.wav", (long long)n / 500, sound.label);
    else
        snprintf(out, 200, "/home/someone/Samples/Pack %lld/%s/%s %s %lld.wav", (long long)n / 500, sound.label,
                 sound.label, sound.kind, (long long)n);
}

/* ---------------------------------------------------------------------------------------------------------------- JSON */

static float component(int64_t r, const char *label, uint64_t k) {
    double own = (double)(mix((uint64_t)r * 131 + k) >> 40) / (1 << 24) - 0.5;
    double common =
        (double)(mix((uint64_t)(unsigned char)label[0] * 977 + (unsigned char)label[1] + k) >> 40) / (1 << 24) - 0.5;
    return (float)(0.6 * own + 0.8 * common); /* sounds of one label are more alike than others */
}

static int add_numbers(int64_t r, char *out, size_t size) {
    static const char *const names[] = {"rms",      "peak", "crest",   "attack",   "decay",     "sustain",
                                        "flatness", "flux", "rolloff", "harmonic", "percussive"};
    int n = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        n += snprintf(out + n, size - (size_t)n, ",\"%s\":%.9g", names[i],
                      (double)(mix((uint64_t)r * 17 + i) % 1000000) / 7e5);
    return n;
}

static void features(int64_t r, const struct sound *sound, char out[4096]) {
    int n = snprintf(out, 4096, "{\"lufs\":%.9g,\"centroid\":%.9g", sound->loudness, sound->centroid);
    n += add_numbers(r, out + n, 4096 - (size_t)n);
    n += snprintf(out + n, 4096 - (size_t)n,
                  ",\"embedding\":{\"model\":\"m\",\"version\":1,\"hash\":\"h\",\"catalogue\":[");
    for (uint64_t k = 0; k < DIMENSIONS; k++)
        n += snprintf(out + n, 4096 - (size_t)n, "%s%.6f", k ? "," : "", (double)component(r, sound->label, k));
    snprintf(out + n, 4096 - (size_t)n, "]}}");
}

void made_result(int i, int64_t r, char out[4096]) {
    struct sound sound = sound_of(r);
    if (i == 0 && isnan(sound.bpm))
        snprintf(out, 4096, "{\"tempo_stability\":0,\"swing\":0}");
    else if (i == 0)
        snprintf(out, 4096, "{\"bpm\":%.2f,\"c\":%.4f,\"tempo_stability\":1,\"swing\":0.1}", sound.bpm,
                 sound.confidence);
    else if (i == 1)
        snprintf(out, 4096, "{\"key\":\"%s\"}", sound.key);
    else if (i == 2)
        snprintf(out, 4096,
                 "{\"label\":\"%s\",\"kind\":\"%s\",\"segments\":[{\"start\":0,\"end\":4.5,\"label\":\"%s\",\"group\":"
                 "\"music\",\"content\":\"%s\",\"confidence\":0.8},{\"start\":4.5,\"end\":9,\"label\":\"unknown\","
                 "\"group\":\"unknown\",\"content\":\"%s\",\"confidence\":0.6}]}",
                 sound.label, sound.kind, sound.label, sound.content, sound.content);
    else if (i == 3)
        features(r, &sound, out);
    else
        snprintf(out, 4096, "{\"content\":\"%s\"}", sound.content);
}

/* As long as those of the bundled plugins are. */
static void summary(int64_t r, char out[4096]) {
    struct sound sound = sound_of(r);
    int n = snprintf(
        out, 4096,
        "{\"key\":\"%s\",\"label\":\"%s\",\"kind\":\"%s\",\"content\":\"%s\",\"lufs\":%.9g,\"centroid\":%.9g",
        sound.key, sound.label, sound.kind, sound.content, sound.loudness, sound.centroid);
    if (!isnan(sound.bpm))
        n += snprintf(out + n, 4096 - (size_t)n, ",\"bpm\":%.2f,\"bpm_confidence\":%.4f", sound.bpm, sound.confidence);
    n += add_numbers(r, out + n, 4096 - (size_t)n);
    n += snprintf(out + n, 4096 - (size_t)n, ",\"fingerprint\":[");
    for (uint64_t k = 0; k < 60; k++)
        n += snprintf(out + n, 4096 - (size_t)n, "%s%.8f", k ? "," : "", (double)component(r, sound.label, k));
    snprintf(out + n, 4096 - (size_t)n, "]}");
}

/* ------------------------------------------------------------------------------------------- functions for statements */

static void path_function(sqlite3_context *context, int argc, sqlite3_value **argv) {
    char path[200];
    (void)argc;
    made_path(sqlite3_value_int64(argv[0]), path);
    sqlite3_result_text(context, path, -1, SQLITE_TRANSIENT);
}

static void hash_function(sqlite3_context *context, int argc, sqlite3_value **argv) {
    char hash[HASH_TEXT];
    (void)argc;
    const void *bytes = sqlite3_value_text(argv[0]);
    hash_bytes(bytes, (size_t)sqlite3_value_bytes(argv[0]), hash);
    sqlite3_result_text(context, hash, -1, SQLITE_TRANSIENT);
}

static void mix_function(sqlite3_context *context, int argc, sqlite3_value **argv) {
    (void)argc;
    sqlite3_result_int64(context, (int64_t)(mix((uint64_t)sqlite3_value_int64(argv[0])) >> 1));
}

static void result_function(sqlite3_context *context, int argc, sqlite3_value **argv) {
    char json[4096];
    (void)argc;
    made_result(sqlite3_value_int(argv[0]), sqlite3_value_int64(argv[1]), json);
    sqlite3_result_text(context, json, -1, SQLITE_TRANSIENT);
}

static void summary_function(sqlite3_context *context, int argc, sqlite3_value **argv) {
    char json[4096];
    (void)argc;
    summary(sqlite3_value_int64(argv[0]), json);
    sqlite3_result_text(context, json, -1, SQLITE_TRANSIENT);
}

static void vector_function(sqlite3_context *context, int argc, sqlite3_value **argv) {
    int64_t r = sqlite3_value_int64(argv[0]);
    struct sound sound = sound_of(r);
    float vector[DIMENSIONS];
    double square = 0;
    (void)argc;
    for (uint64_t k = 0; k < DIMENSIONS; k++) {
        vector[k] = component(r, sound.label, k);
        square += (double)vector[k] * (double)vector[k];
    }
    for (int k = 0; k < DIMENSIONS; k++) vector[k] = (float)(vector[k] / sqrt(square));
    sqlite3_result_blob(context, vector, sizeof vector, SQLITE_TRANSIENT);
}

/* sound(region, 'bpm') */
static void sound_function(sqlite3_context *context, int argc, sqlite3_value **argv) {
    struct sound sound = sound_of(sqlite3_value_int64(argv[0]));
    const char *what = (const char *)sqlite3_value_text(argv[1]);
    const struct {
        const char *name, *text;
        double number;
    } values[] = {{"bpm", NULL, sound.bpm},
                  {"confidence", NULL, isnan(sound.bpm) ? NAN : sound.confidence},
                  {"loudness", NULL, sound.loudness},
                  {"centroid", NULL, sound.centroid},
                  {"key", sound.key, 0},
                  {"label", sound.label, 0},
                  {"content", sound.content, 0},
                  {"kind", sound.kind, 0}};
    (void)argc;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        if (strcmp(values[i].name, what) != 0) continue;
        if (values[i].text)
            sqlite3_result_text(context, values[i].text, -1, SQLITE_STATIC);
        else
            sqlite3_result_double(context, values[i].number); /* NaN: NULL */
    }
}

static bool add_functions(sqlite3 *db) {
    static const struct {
        const char *name;
        int argc;
        void (*function)(sqlite3_context *, int, sqlite3_value **);
    } functions[] = {{"made_path", 1, path_function},       {"made_hash", 1, hash_function},
                     {"made_mix", 1, mix_function},         {"made_result", 2, result_function},
                     {"made_summary", 1, summary_function}, {"made_vector", 1, vector_function},
                     {"made_sound", 2, sound_function}};
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (sqlite3_create_function(db, functions[i].name, functions[i].argc, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
                                    functions[i].function, NULL, NULL) != SQLITE_OK)
            return false;
    return true;
}

/* ------------------------------------------------------------------------------------------------------------- filling */

#define UP_TO(n)    "WITH RECURSIVE numbers (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM numbers WHERE n < " n ") "
#define SOUND(what) "made_sound(n * 3 - 2, '" what "')"
#define OF(what)    "made_sound(region_id, '" what "')"

/* ?1: sounds. */
static const char *const steps[] = {
    "INSERT INTO runs (run_id, started, ended, outcome, version, host, pid, command, sandbox)"
    " VALUES (1, 1.6e9, 1.6e9, 'done', '1', 'made', 1, 'analyze', '{}')",
    UP_TO(
        "?1") "INSERT INTO audio (audio_id, audio_hash, rate, channels, frames, decoder, decoder_version, segmenter, scanned)"
              " SELECT n, made_hash('a' || n), 44100, 2, 441000 * 3 + made_mix(n) % 9000000, 'libsndfile', '1.2.0', 's', 1.6e9 + n"
              " FROM numbers",
    /* behind the sounds themselves: copies with other bytes */
    UP_TO(
        "?1 + ?1 / 20") "INSERT INTO contents (content_id, bytes_hash, audio_id, size, facts, created) SELECT n,"
                        " made_hash('b' || n), iif(n <= ?1, n, (n - ?1) * 20), 1000000 + n,"
                        " '{\"container\":\"wav\",\"codec\":\"pcm_s16\",\"bit_depth\":16,\"title\":\"A title of a sound\"}', 1.6e9 + n FROM numbers",
    UP_TO(
        "?1 + ?1 / 20") "INSERT INTO files (file_id, path, path_text, name, status, content_id, size, mtime_ns, device, inode,"
                        " analysed_size, analysed_mtime_ns, profile, added, seen, finished) SELECT n, CAST(p AS BLOB), p,"
                        " substr(p, length(rtrim(p, replace(p, '/', ''))) + 1), iif(n > ?1 AND n % 5 = 0, 'missing', 'done'), n, 1000000 + n,"
                        " 1600000000000000000 + n * 1000000000, 1, n, 1000000 + n, 1600000000000000000 + n * 1000000000, 'profile', 1.6e9 + n,"
                        " 1.6e9 + n, 1.6e9 + n FROM (SELECT n, iif(n <= ?1, made_path(n), '/mnt/backup' || made_path((n - ?1) * 20)) AS p"
                        " FROM numbers)",
    UP_TO(
        "?1 / 100") "INSERT INTO files (path, path_text, name, status, status_reason, size, mtime_ns, device, inode, added,"
                    " seen, finished) SELECT CAST('/home/someone/broken ' || n AS BLOB), '/home/someone/broken ' || n, 'broken ' || n,"
                    " 'failed', 'the file ends in the middle of its sound', 1, 1, 1, n, 1.6e9, 1.6e9, 1.6e9 FROM numbers",
    UP_TO(
        "?1 * 3") "INSERT INTO regions (region_id, audio_id, current, position, part, parts, rate, start_frame, end_frame,"
                  " sound_start_frame, sound_end_frame, segmenter) SELECT n, (n + 2) / 3, 1, (n - 1) % 3, 0, 1, 44100, (n - 1) % 3 * 441000,"
                  " (n - 1) % 3 * 441000 + 400000 - n % 1000 * 100, (n - 1) % 3 * 441000 + 1000, (n - 1) % 3 * 441000 + 100000, 's'"
                  " FROM numbers",
    "INSERT INTO region_analysis (region_id, plugin, plugin_version, identity, current, outcome, reason, result, interfaces, run_id,"
    " created, cpu, wall, peak_bytes) SELECT region_id, plugin, '1.0.0', made_hash(plugin || region_id), 1, iif(bad, 'failed', 'ok'),"
    " iif(bad, 'it says why in a sentence', NULL), iif(bad, NULL, made_result(i, region_id)), json_array(plugin || '/1'), 1, 1.6e9,"
    " 0.001 * (i + 1), 0.002, 1000000 + region_id FROM (SELECT region_id, i, plugin, made_mix(region_id * 5 + i) % 400 = 0 AS bad FROM regions"
    " CROSS JOIN (SELECT column1 AS i, column2 AS plugin FROM (VALUES (0, 'tempo_meter'), (1, 'key'), (2, 'classifier'),"
    " (3, 'features'), (4, 'content_timeline'))))",
    "INSERT INTO region_analysis (region_id, plugin, plugin_version, identity, current, outcome, result, run_id, created,"
    " cpu, wall, peak_bytes) SELECT region_id, 'tempo_meter', '0.9.0', made_hash('old' || region_id), 0, 'ok',"
    " made_result(0, region_id + 1), 1, 1.5e9, 0.001, 0.002, 1000000 FROM regions WHERE region_id % 50 = 0",
    UP_TO("?1") "INSERT INTO waveforms SELECT n, 'overview', 1, 100, zeroblob(600) FROM numbers",
    "INSERT INTO region_summary (region_id, audio_id, start_frame, bpm, bpm_confidence, bpm_source, key, key_confidence, key_source,"
    " label, label_confidence, label_source, duration, content, loudness, summary)"
    " SELECT region_id, audio_id, start_frame, " OF("bpm") ", " OF(
        "confidence") ","
                      " iif(" OF("bpm") " > 0, 'plugin', NULL), " OF(
                          "key") ", 0.7, 'plugin',"
                                 " " OF("label") ", 0.8, 'plugin', duration, " OF("content") ", " OF(
                                     "loudness") ", made_summary(region_id) FROM regions",
    UP_TO(
        "?1") "INSERT INTO audio_summary (audio_id, bpm, bpm_confidence, bpm_source, key, key_confidence, key_source, label,"
              " label_confidence, label_source, duration, regions, content, loudness, centroid, summary, updated)"
              " SELECT n, " SOUND("bpm") ", " SOUND("confidence") ", iif(" SOUND("bpm") " > 0, 'plugin', NULL), " SOUND(
                  "key") ", 0.7,"
                         " 'plugin', " SOUND("label") ", 0.8, 'plugin', 30, 3, " SOUND("content") ", " SOUND(
                             "loudness") ", " SOUND("centroid") ","
                                                                " made_summary(n * 3 - 2), 1.6e9 FROM numbers",
    "UPDATE audio_summary SET duration = (SELECT duration FROM audio AS a WHERE a.audio_id = audio_summary.audio_id)",
    "UPDATE files SET file_audio_id = (SELECT audio_id FROM contents AS c WHERE c.content_id = files.content_id)",
    "UPDATE files SET (duration, regions, bpm, bpm_confidence, key, label, content, loudness, centroid) = (SELECT duration, regions, bpm,"
    " bpm_confidence, key, label, content, loudness, centroid FROM audio_summary WHERE audio_id = file_audio_id)",
    "INSERT INTO region_vectors SELECT region_id, 'features', 'm 1 h', made_vector(region_id) FROM regions",
    UP_TO("?1") "INSERT INTO audio_vectors SELECT n, n * 3 - 2 FROM numbers",
    "INSERT INTO vector_pages (kind, model, number, dimensions, data) SELECT 'region', model, region_id / 256, 96,"
    " sonde_page(region_id % 256, data) FROM region_vectors GROUP BY region_id / 256",
    "INSERT INTO vector_pages (kind, model, number, dimensions, data) SELECT 'audio', model, audio_id / 256, 96,"
    " sonde_page(audio_id % 256, data) FROM audio_vectors JOIN region_vectors USING (region_id) GROUP BY audio_id / 256",
    UP_TO(
        "?1") "INSERT INTO tags (audio_id, name, source, automatic, confidence, created) SELECT n, made_sound(n * 3 - 2, what),"
              " 'classifier', 1, 0.8, 1.6e9 FROM numbers CROSS JOIN (SELECT column1 AS what FROM (VALUES ('label'), ('kind'), ('content')))"
              " WHERE what <> 'content' OR " SOUND("content") " <> " SOUND("label"),
    UP_TO(
        "?1") "INSERT INTO tags (audio_id, name, source, automatic, created) SELECT n, iif(n % 3 = 0, 'favourite', 'to do'),"
              " 'user', 0, 1.6e9 FROM numbers WHERE n % 20 < 2",
    "INSERT INTO tags (audio_id, region_id, start_frame, end_frame, name, source, automatic, created) SELECT audio_id, region_id,"
    " start_frame, end_frame, 'here', 'user', 0, 1.6e9 FROM regions WHERE region_id % 60 = 0",
};

/* With the indexes there. */
static const char *const last_steps[] = {
    "INSERT INTO search (rowid, path, tags, labels, metadata) SELECT file_id, path_text, (SELECT group_concat(name, ' ') FROM tags"
    " WHERE audio_id = file_audio_id AND NOT automatic), (SELECT group_concat(name, ' ') FROM tags WHERE audio_id ="
    " file_audio_id AND automatic), iif(content_id IS NULL, '', 'A title of a sound') FROM files",
    "INSERT INTO plugin_costs SELECT * FROM plugin_costs_counted",
};

/* Indexes and triggers are made when all rows are there: that is much faster. */
struct later {
    char *sql[200];
    int n;
};

static bool run(sqlite3 *db, const char *sql, int64_t sounds, struct error *error) {
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (code == SQLITE_OK) (void)sqlite3_bind_int64(statement, 1, sounds); /* where there is a ?1 */
    while (code == SQLITE_OK || code == SQLITE_ROW) code = sqlite3_step(statement);
    sqlite3_finalize(statement);
    return code == SQLITE_DONE || error_set(error, "%.300s: %s", sql, sqlite3_errmsg(db));
}

static bool put_off(sqlite3 *db, struct later *later, struct error *error) {
    sqlite3_stmt *from = NULL;
    char *drops[200];
    bool fine = sqlite3_prepare_v2(
                    db,
                    "SELECT sql, 'DROP ' || type || ' \"' || name || '\"' FROM sqlite_schema WHERE type IN"
                    " ('index', 'trigger') AND sql IS NOT NULL",
                    -1, &from, NULL) == SQLITE_OK;
    while (fine && later->n < 200 && sqlite3_step(from) == SQLITE_ROW) {
        later->sql[later->n] = strdup((const char *)sqlite3_column_text(from, 0));
        drops[later->n] = strdup((const char *)sqlite3_column_text(from, 1));
        fine = later->sql[later->n] && drops[later->n];
        later->n++;
    }
    sqlite3_finalize(from);
    for (int i = 0; i < later->n; i++) {
        fine = fine && run(db, drops[i], 0, error);
        free(drops[i]);
    }
    return fine;
}

static bool fill(sqlite3 *db, int64_t sounds, struct error *error) {
    struct later later = {.n = 0};
    bool fine = add_functions(db) && vectors_register(db, error) && run(db, "PRAGMA journal_mode = OFF", 0, error) &&
                run(db, "PRAGMA synchronous = OFF", 0, error) && run(db, "PRAGMA cache_size = -400000", 0, error) &&
                run(db, "PRAGMA temp_store = MEMORY", 0, error) && run(db, "BEGIN", 0, error) &&
                run(db, "CREATE TEMP TABLE stat AS SELECT * FROM sqlite_stat1", 0, error) && put_off(db, &later, error);
    for (size_t i = 0; i < sizeof steps / sizeof *steps && fine; i++) fine = run(db, steps[i], sounds, error);
    for (int i = 0; i < later.n; i++) {
        fine = fine && run(db, later.sql[i], 0, error);
        free(later.sql[i]);
    }
    for (size_t i = 0; i < sizeof last_steps / sizeof *last_steps && fine; i++)
        fine = run(db, last_steps[i], sounds, error);
    return fine && run(db, "DELETE FROM sqlite_stat1", 0, error) && /* dropping an index took its row */
           run(db, "INSERT INTO sqlite_stat1 SELECT * FROM temp.stat", 0, error) && run(db, "COMMIT", 0, error) &&
           run(db, "PRAGMA journal_mode = WAL", 0, error);
}

bool made_fill(const char *path, int64_t sounds, struct error *error) {
    struct catalogue *catalogue = catalogue_open(path, CATALOGUE_WRITE, error);
    sqlite3 *db = NULL;
    bool fine = catalogue != NULL;
    catalogue_close(catalogue); /* empty, of the newest version */
    fine = fine && (sqlite3_open(path, &db) == SQLITE_OK || error_set(error, "can't open %s", path)) &&
           fill(db, sounds, error);
    (void)sqlite3_close(db);
    return fine;
}
