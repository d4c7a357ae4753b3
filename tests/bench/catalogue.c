/* catalogue_bench FOLDER FILES [DOCUMENT]: fills a catalogue in FOLDER (bench.db, taken as it is when it has that many already)
 * up to FILES files of three regions and five results each, through the writer as the engine does; prints the rates, and the 50th
 * and 95th percentile of the time of every kind of `sonde find` and of every example query of DOCUMENT (schema/catalogue.md),
 * asked while the writer goes on writing. The last column is processor time: what is left of it when nobody else wants the
 * machine. */
#include "engine/base/hash.h"
#include "engine/catalogue/keys.h"
#include "engine/catalogue/query.h"
#include "engine/catalogue/sql.h"
#include "engine/catalogue/store.h"
#include "engine/catalogue/writer.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define REGIONS     3
#define WAVE_POINTS 100 /* small, so that a hundred thousand files fit on a disk */

static const char *const schemas[] = {
    "{\"type\":\"object\",\"properties\":{\"bpm\":{\"type\":\"number\",\"x-unit\":\"bpm\",\"x-summary\":{\"as\":\"bpm\","
    "\"rule\":\"mode\",\"weight\":\"c\",\"confidence_as\":\"bpm_confidence\",\"tolerance\":0.04}},\"c\":{\"type\":\"number\","
    "\"x-unit\":\"probability\"}}}",
    "{\"type\":\"object\",\"properties\":{\"key\":{\"type\":\"string\",\"x-summary\":{\"as\":\"key\",\"rule\":\"mode\"}}}}",
    "{\"type\":\"object\",\"properties\":{\"label\":{\"type\":\"string\",\"x-summary\":{\"as\":\"label\",\"rule\":\"mode\"}}}}",
    "{\"type\":\"object\",\"properties\":{\"lufs\":{\"type\":\"number\",\"x-unit\":\"LUFS\",\"x-summary\":{\"as\":\"lufs\","
    "\"rule\":\"mean\"}},\"embedding\":{\"type\":\"object\",\"x-summary\":{\"as\":\"embedding\",\"rule\":\"longest\"}}}}",
    "{\"type\":\"object\",\"properties\":{\"content\":{\"type\":\"string\",\"x-summary\":{\"as\":\"content\",\"rule\":\"mode\"}}}}",
};
static const char *const plugins[] = {"tempo_meter", "key", "classifier", "features", "content_timeline"};
static const char *const labels[] = {"drums", "bass",  "synth",  "piano", "voice",
                                     "rain",  "birds", "guitar", "noise", "choir"};
static const char *const contents[] = {"music", "speech", "environment", "noise"};

/* A fixed sequence of numbers that look random. */
static uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

struct work {
    int64_t number;
    bool failed;
};

static bool put_results(struct catalogue *catalogue, int64_t number, const struct store_region *region,
                        struct error *error) {
    static char json[5][2200]; /* the writer's thread alone comes here */
    char identity[HASH_TEXT];
    uint64_t r = mix((uint64_t)number * 7 + (uint64_t)region->start);
    snprintf(json[0], sizeof json[0], "{\"bpm\":%.2f,\"c\":0.%d}", 60 + (double)(r % 12000) / 100,
             (int)(r >> 8 & 7) + 1);
    snprintf(json[1], sizeof json[1], "{\"key\":\"%s\"}", keys_name((int)((r >> 16) % KEYS_COUNT)));
    snprintf(json[2], sizeof json[2], "{\"label\":\"%s\"}", labels[(r >> 24) % 10]);
    int n = snprintf(json[3], sizeof json[3],
                     "{\"lufs\":%.2f,\"embedding\":{\"model\":\"m\",\"version\":1,\"hash\":\"h\","
                     "\"catalogue\":[",
                     -10 - (double)(r >> 32 & 4095) / 100);
    for (uint64_t k = 0; k < 96; k++)
        n += snprintf(json[3] + n, sizeof json[3] - (size_t)n, "%s%.6f", k ? "," : "",
                      (double)(mix(r + k) >> 40) / (1 << 24) - 0.5);
    snprintf(json[3] + n, sizeof json[3] - (size_t)n, "]}}");
    snprintf(json[4], sizeof json[4], "{\"content\":\"%s\"}", contents[(r >> 44) & 3]);
    hash_bytes(&number, sizeof number, identity);
    for (int i = 0; i < 5; i++) {
        struct store_result result = {.region = region->region,
                                      .plugin = plugins[i],
                                      .version = "1.0.0",
                                      .identity = identity,
                                      .outcome = "ok",
                                      .json = json[i],
                                      .cpu_us = 1000,
                                      .wall_us = 1000,
                                      .peak_bytes = 1 << 20};
        int64_t analysis;
        if (!store_result(catalogue, &result, &analysis, error)) return false;
    }
    return true;
}

/* One file, from first sight to its summary. */
static bool put_file(struct catalogue *catalogue, void *argument, struct error *error) {
    int64_t number = ((struct work *)argument)->number, content, audio;
    static int16_t peaks[WAVE_POINTS * 3];
    char path[200], hash[HASH_TEXT];
    bool known;
    snprintf(path, sizeof path, "/home/someone/Samples/Pack %lld/%s/%s loop %lld.wav", (long long)number / 500,
             labels[number / 50 % 10], labels[mix((uint64_t)number) % 10], (long long)number);
    hash_bytes(path, strlen(path), hash);
    struct store_stat stat = {1000000 + number, 1600000000000000000 + number * 1000000000, 1, (uint64_t)number};
    struct store_file file;
    struct store_region regions[REGIONS];
    for (int i = 0; i < REGIONS; i++) {
        int64_t start = i * 441000;
        regions[i] = (struct store_region){0, start, start + 400000 - number % 1000 * 100, start + 1000, start + 100000,
                                           0, 1};
    }
    struct store_waveform wave = {"overview", 1, WAVE_POINTS, peaks};
    struct store_scan scan = {.bytes_hash = hash,
                              .audio_hash = hash,
                              .size = stat.size,
                              .rate = 44100,
                              .channels = 2,
                              .frames = 441000 * REGIONS,
                              .decoder = "libsndfile",
                              .decoder_version = "1.2.0",
                              .facts = "{\"container\":\"wav\",\"codec\":\"pcm\",\"title\":\"A title of a sound\"}",
                              .segmenter = "s",
                              .regions = regions,
                              .regions_count = REGIONS,
                              .waveforms = &wave,
                              .waveforms_count = 1};
    if (!store_file_seen(catalogue, path, strlen(path), &stat, &file, error) ||
        !store_queue_add(catalogue, file.file, 0, NULL, error) ||
        !store_scan(catalogue, file.file, &scan, &content, &audio, &known, error))
        return false;
    for (int i = 0; i < REGIONS; i++)
        if (!put_results(catalogue, number, &regions[i], error)) return false;
    return store_file_finish(catalogue, file.file, FILE_DONE, NULL, &stat, "profile", error);
}

static void put_done(void *argument, const struct error *error) {
    struct work *work = argument;
    if (error) fprintf(stderr, "file %lld: %s\n", (long long)work->number, error->text);
    work->failed = error != NULL;
}

/* --------------------------------------------------------------------------------------------------------- questions */

static const char *const names[] = {"bpm 118-122",
                                    "bpm 118-122 octaves",
                                    "key Am compatible",
                                    "label drums",
                                    "text bass loop",
                                    "duration 20-21",
                                    "loudness -20..-19",
                                    "bpm + key + label",
                                    "regions, bpm + key",
                                    "regions, label",
                                    "all, by path",
                                    "all, by bpm",
                                    "similar",
                                    "similar regions",
                                    "similar, label",
                                    "similar, bpm",
                                    "similar, loud",
                                    "similar, text",
                                    "regions, all by confidence",
                                    "tag",
                                    "regions, tag",
                                    "regions, text",
                                    "added, by path",
                                    "regions, long",
                                    "regions, loud"};
enum { QUESTIONS = sizeof names / sizeof *names };

static void ask(int i, struct query *q) {
    query_init(q);
    q->limit = 100;
    q->regions = i == 8 || i == 9 || i == 13 || i == 15 || i == 16 || i == 18 || i == 20 || i == 21 || i >= 23;
    if (i == 0 || i == 1 || i == 7 || i == 8) q->bpm = (struct query_range){118, 122};
    q->octaves = i == 1;
    if (i == 2) q->keys = keys_neighbours(keys_parse("Am"));
    if (i == 7 || i == 8) q->keys = 1u << keys_parse("Am");
    if (i == 3 || i == 7 || i == 9) q->labels[q->labels_count++] = "drums";
    if (i == 4) q->text = "bass loop";
    if (i == 5) q->duration = (struct query_range){20, 21};
    if (i == 6) q->loudness = (struct query_range){-20, -19};
    if (i == 11) q->sort = QUERY_BY_BPM;
    if (i >= 12 && i < 18) q->limit = 20;
    if (i == 14) q->labels[q->labels_count++] = "drums";
    if (i == 15) q->bpm = (struct query_range){118, 122};
    if (i == 16) q->loudness = (struct query_range){-30, 0};
    if (i == 17) q->text = "bass loop";
    if (i == 18) q->sort = QUERY_BY_CONFIDENCE;
    q->descending = i == 18;
    if (i == 19 || i == 20) q->tags[q->tags_count++] = "rain";
    if (i == 21) q->text = "bass loop";
    if (i == 22) q->added.low = 1;
    if (i == 23) q->duration.low = 1;
    if (i == 24) q->loudness.low = -40;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* ms of processor time of this thread: what a question costs when nobody else wants the machine. */
static double cpu_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

static double run_question(struct catalogue *catalogue, int i, int64_t *rows, double *cpu) {
    struct query query;
    struct query_row row;
    struct error error = {0};
    struct similar like;
    ask(i, &query);
    uint64_t start = uv_hrtime();
    double cpu_start = cpu_ms();
    if (i >= 12 && i < 18 && similar_load(catalogue, 77, query.regions ? 77 : 0, &like, &error))
        query.similar_to = &like;
    struct query_result *result = query_open(catalogue, &query, &error);
    bool more = result != NULL;
    for (*rows = 0; more && query_next(result, &row, &more, &error) && more;) (*rows)++;
    query_close(result);
    if (error.text[0]) fprintf(stderr, "%s: %s\n", names[i], error.text);
    *cpu = cpu_ms() - cpu_start;
    return (double)(uv_hrtime() - start) * 1e-6;
}

#define TIMES 40

static void print_times(const char *name, int64_t rows, double *times, double *cpu) {
    qsort(times, TIMES, sizeof *times, by_value);
    qsort(cpu, TIMES, sizeof *cpu, by_value);
    printf("%-40.40s %6lld  %8.2f  %8.2f  %8.2f\n", name, (long long)rows, times[TIMES / 2], times[TIMES * 95 / 100],
           cpu[TIMES * 95 / 100]);
    fflush(stdout);
}

static void ask_finds(struct catalogue *catalogue) {
    double times[TIMES], cpu[TIMES];
    for (int i = 0; i < QUESTIONS; i++) {
        int64_t rows = 0;
        for (int k = 0; k < TIMES; k++) times[k] = run_question(catalogue, i, &rows, &cpu[k]);
        print_times(names[i], rows, times, cpu);
    }
}

/* A query as a user's program asks it. */
static void ask_example(struct catalogue *catalogue, const char *sql) {
    double times[TIMES], cpu[TIMES];
    int64_t rows = 0;
    char name[41];
    for (int k = 0; k < TIMES; k++) {
        uint64_t start = uv_hrtime();
        double cpu_start = cpu_ms();
        sqlite3_stmt *statement = NULL;
        int code = sqlite3_prepare_v2(catalogue_db(catalogue), sql, -1, &statement, NULL);
        for (rows = 0; code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW; code = SQLITE_OK) rows++;
        if (code != SQLITE_DONE) fprintf(stderr, "%s: %s\n", sql, sqlite3_errmsg(catalogue_db(catalogue)));
        sqlite3_finalize(statement);
        cpu[k] = cpu_ms() - cpu_start;
        times[k] = (double)(uv_hrtime() - start) * 1e-6;
    }
    snprintf(name, sizeof name, "%s", sql);
    for (char *c = name; *c; c++)
        if (*c == '\n') *c = ' ';
    print_times(name, rows, times, cpu);
}

static void ask_examples(struct catalogue *catalogue, const char *document) {
    static char text[1 << 18];
    FILE *file = fopen(document, "r");
    if (!file) return;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    for (char *at = strstr(text, "```sql\n"), *end; at && (end = strstr(at + 7, "```"));
         at = strstr(end + 1, "```sql\n")) {
        *end = '\0';
        ask_example(catalogue, at + 7);
    }
}

static atomic_bool asking;

struct asker {
    const char *catalogue, *document;
};

static void ask_all(void *argument) {
    const struct asker *asker = argument;
    struct error error = {0};
    struct catalogue *catalogue = catalogue_open(asker->catalogue, CATALOGUE_READ, &error);
    if (catalogue) {
        printf("%-40s %6s  %8s  %8s  %8s\n", "question", "rows", "p50 ms", "p95 ms", "p95 cpu");
        ask_finds(catalogue);
        if (asker->document) ask_examples(catalogue, asker->document);
    } else {
        fprintf(stderr, "%s\n", error.text);
    }
    catalogue_close(catalogue);
    atomic_store(&asking, false);
}

static void stopped(void *context) {
    *(bool *)context = true;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: catalogue_bench FOLDER FILES [DOCUMENT]\n");
        return 2;
    }
    int64_t files = atoll(argv[2]), done = 0, extra;
    char path[4096];
    snprintf(path, sizeof path, "%s/bench.db", argv[1]);
    struct error error = {0};
    struct catalogue *catalogue = catalogue_open(path, CATALOGUE_WRITE, &error);
    if (catalogue) (void)sql_number(catalogue, &error, &done, "SELECT max(file_id) FROM files", "");
    extra = done > files ? done : files;
    struct work *work = calloc((size_t)(extra + 2000000), sizeof *work);
    uv_loop_t loop;
    if (!catalogue || !work || uv_loop_init(&loop) != 0) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    for (int i = 0; i < 5; i++) {
        struct store_plugin about = {.plugin = plugins[i],
                                     .version = "1.0.0",
                                     .library = "x.so",
                                     .hash = "x",
                                     .descriptor = "{}",
                                     .schema = schemas[i],
                                     .bundled = true,
                                     .enabled = true,
                                     .state = "ready"};
        if (!store_plugin(catalogue, &about, &error)) fprintf(stderr, "%s\n", error.text);
    }
    struct writer *writer = writer_new(catalogue, &loop, NULL, NULL, &error);
    uint64_t start = uv_hrtime();
    for (int64_t i = done; i < files; i++) {
        work[i].number = i;
        (void)writer_post(writer, put_file, &work[i], put_done);
        while (writer_pending(writer) > 1000) (void)uv_run(&loop, UV_RUN_ONCE);
    }
    while (writer_pending(writer) > 0) (void)uv_run(&loop, UV_RUN_ONCE);
    double seconds = (double)(uv_hrtime() - start) * 1e-9;
    if (done < files)
        printf("%lld files written: %.1f s, %.0f files/s, %.0f us a file\n", (long long)(files - done), seconds,
               (double)(files - done) / seconds, seconds * 1e6 / (double)(files - done));
    printf("%lld files, %lld regions, %lld results\n", (long long)extra, (long long)extra * REGIONS,
           (long long)extra * REGIONS * 5);
    int64_t first = extra;
    uv_thread_t reader;
    atomic_store(&asking, true);
    struct asker asker = {path, argc > 3 ? argv[3] : NULL};
    (void)uv_thread_create(&reader, ask_all, &asker);
    while (atomic_load(&asking) && extra < first + 1999000) {
        work[extra].number = extra;
        (void)writer_post(writer, put_file, &work[extra], put_done);
        extra++;
        while (writer_pending(writer) > 500) (void)uv_run(&loop, UV_RUN_ONCE);
    }
    (void)uv_thread_join(&reader);
    bool ended = false;
    writer_stop(writer, false, stopped, &ended);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    printf("%lld files were written meanwhile\n", (long long)(extra - first));
    free(work);
    return ended ? 0 : 1;
}
