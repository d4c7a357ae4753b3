/* catalogue_bench FOLDER SOUNDS SONDE DOCUMENT [TIMES]: questions to a catalogue of SOUNDS sounds (three regions each) while the
 * writer writes as fast as it can.
 *
 * FOLDER/made-SOUNDS.db is made when it isn't there (made.h); a copy of it is what is measured. Asked are every example query of
 * DOCUMENT (schema/catalogue.md), as a program asks that has SQLite and nothing else, without waiting for locks; and every kind
 * of `sonde find`, as the program SONDE, from its start to its end. Printed are, for each, the median and the 95th percentile of
 * its time, that of its processor time (all that would be left on a machine where nobody else wants the processors), whether it
 * meets the target (100 ms; 4 s for what has to read every summary); then how fast the writer wrote, with readers and without. Exit
 * code 1 when something misses the target. */
#include "engine/base/hash.h"
#include "engine/catalogue/sql.h"
#include "engine/catalogue/store.h"
#include "engine/catalogue/writer.h"
#include "tests/bench/made.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TARGET         100.0  /* ms */
#define TARGET_READING 4000.0 /* ms, of what reads every summary */
#define TIMES_MOST     1000
#define RATE_S         5 /* the writer's rate is taken over so long */
#define MADE_FORMAT    1 /* of made.c: another one is made anew */

extern char **environ;

/* ------------------------------------------------------------------------------------------------------- the writer */

/* A file as the engine stores it, from first sight to its summary. Numbers go up from those that were made. */
struct writing {
    struct writer *writer;
    uv_loop_t loop;
    int64_t first;
    _Atomic int64_t next;
    _Atomic int64_t failed;
    _Atomic uint64_t gap; /* the longest time between two commits, ns */
    uint64_t committed;   /* when the last came */
    int64_t order[1024];  /* numbers under way */
};

static bool put_results(struct catalogue *catalogue, int64_t sound, const struct store_region *regions,
                        struct error *error) {
    static char json[4096]; /* the writer's thread alone comes here */
    char identity[HASH_TEXT];
    for (int r = 0; r < MADE_REGIONS; r++)
        for (int i = 0; i < MADE_PLUGINS; i++) {
            int64_t number = (sound - 1) * MADE_REGIONS + r + 1, analysis, key[2] = {number, i};
            made_result(i, number, json);
            hash_bytes(key, sizeof key, identity);
            const struct store_result result = {.region = regions[r].region,
                                                .plugin = made_plugins[i],
                                                .version = "1.0.0",
                                                .identity = identity,
                                                .outcome = "ok",
                                                .json = json,
                                                .cpu_us = 1000,
                                                .wall_us = 1000,
                                                .peak_bytes = 1 << 20};
            if (!store_result(catalogue, &result, &analysis, error)) return false;
        }
    return true;
}

static bool put_file(struct catalogue *catalogue, void *argument, struct error *error) {
    static int16_t peaks[100 * 3];
    int64_t number = *(const int64_t *)argument, content, audio;
    char path[200], hash[HASH_TEXT];
    bool known;
    made_path(number, path);
    hash_bytes(path, strlen(path), hash);
    const struct store_stat stat = {1000000 + number, 1600000000000000000 + number * 1000000000, 1, (uint64_t)number,
                                    0};
    struct store_file file;
    struct store_region regions[MADE_REGIONS];
    for (int i = 0; i < MADE_REGIONS; i++) {
        int64_t start = (int64_t)i * 441000;
        regions[i] = (struct store_region){0, start, start + 400000, start + 1000, start + 100000, 0, 1};
    }
    struct store_waveform wave = {"overview", 1, 100, peaks};
    struct store_scan scan = {.bytes_hash = hash,
                              .audio_hash = hash,
                              .size = stat.size,
                              .rate = 44100,
                              .channels = 2,
                              .frames = 441000 * MADE_REGIONS,
                              .decoder = "libsndfile",
                              .decoder_version = "1.2.0",
                              .facts = "{\"container\":\"wav\",\"codec\":\"pcm_s16\",\"title\":\"A title of a sound\"}",
                              .segmenter = "s",
                              .regions = regions,
                              .regions_count = MADE_REGIONS,
                              .waveforms = &wave,
                              .waveforms_count = 1};
    return store_file_seen(catalogue, path, strlen(path), &stat, &file, error) &&
           store_queue_add(catalogue, file.file, 0, NULL, error) &&
           store_scan(catalogue, file.file, &scan, &content, &audio, &known, error) &&
           put_results(catalogue, number, regions, error) &&
           store_file_finish(catalogue, file.file, FILE_DONE, NULL, &stat, "profile", error);
}

static struct writing writing;

static void put_next(void);

static void on_put(void *argument, const struct error *error) {
    uint64_t now = uv_hrtime();
    if (error && writing.failed++ == 0)
        fprintf(stderr, "file %lld: %s\n", (long long)*(int64_t *)argument, error->text);
    if (writing.committed && now - writing.committed > writing.gap) writing.gap = now - writing.committed;
    writing.committed = now;
    put_next();
}

static atomic_bool ending;

static void put_next(void) {
    if (atomic_load(&ending)) return;
    int64_t number = writing.next++, *place = &writing.order[number % 1024];
    *place = number;
    (void)writer_post(writing.writer, put_file, place, on_put);
}

static void on_stopped(void *context) {
    (void)context;
}

/* The loop's thread, as the engine's. */
static void write_until_told(void *argument) {
    (void)argument;
    for (int i = 0; i < 800; i++) put_next();
    while (!atomic_load(&ending)) (void)uv_run(&writing.loop, UV_RUN_ONCE);
    writer_stop(writing.writer, false, on_stopped, NULL);
    (void)uv_run(&writing.loop, UV_RUN_DEFAULT);
}

/* Files a second, over RATE_S; *gap is the longest time in ms between two commits meanwhile. */
static double rate_for_a_while(double *gap) {
    int64_t before = writing.next;
    uint64_t start = uv_hrtime();
    writing.gap = 0;
    sleep(RATE_S);
    *gap = (double)writing.gap * 1e-6;
    return (double)(writing.next - before) / ((double)(uv_hrtime() - start) * 1e-9);
}

static bool begin_writing(const char *path, int64_t sounds, struct error *error) {
    struct catalogue *catalogue = catalogue_open(path, CATALOGUE_WRITE, error);
    bool fine = catalogue != NULL && uv_loop_init(&writing.loop) == 0;
    for (int i = 0; i < MADE_PLUGINS && fine; i++) {
        const struct store_plugin about = {.plugin = made_plugins[i],
                                           .version = "1.0.0",
                                           .library = "x.so",
                                           .hash = "x",
                                           .descriptor = "{}",
                                           .schema = made_schemas[i],
                                           .bundled = true,
                                           .enabled = true,
                                           .state = "ready"};
        fine = store_plugin(catalogue, &about, error);
    }
    /* far from the paths and hashes that were made */
    writing.next = 10 * sounds + 1;
    writing.first = 10 * sounds + 1;
    writing.writer = fine ? writer_new(catalogue, &writing.loop, NULL, NULL, error) : NULL;
    if (!writing.writer) catalogue_close(catalogue);
    return writing.writer != NULL;
}

/* --------------------------------------------------------------------------------------------------------- questions */

struct timing {
    double wall[TIMES_MOST], cpu[TIMES_MOST]; /* ms */
    int n;
    long long rows; /* of the last */
};

struct bench {
    const char *path, *sonde;
    sqlite3 *db; /* as any program would open it */
    int times, questions, met, locked, failed;
};

static double ms_of(struct timespec t) {
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* Between two questions, for a tenth of the time that the last took: whoever asks thinks too, and a scheduler that is told to
 * let this program go first stops one that never rests. */
static void rest(double ms) {
    (void)usleep((useconds_t)(1000 + 100 * ms));
}

static double now_ms(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return ms_of(now);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_timing(struct bench *bench, const char *name, struct timing *timing, double target) {
    int last = timing->n * 95 / 100;
    qsort(timing->wall, (size_t)timing->n, sizeof *timing->wall, by_value);
    qsort(timing->cpu, (size_t)timing->n, sizeof *timing->cpu, by_value);
    bool met = timing->wall[last] < target;
    bench->questions++;
    bench->met += met;
    printf("%-58.58s %4d %7lld %8.1f %8.1f %8.1f  %s\n", name, timing->n, timing->rows, timing->wall[timing->n / 2],
           timing->wall[last], timing->cpu[last], met ? "met" : "MISSED");
    fflush(stdout);
}

static void ask_once(struct bench *bench, const char *sql, struct timing *timing) {
    double wall = now_ms(CLOCK_MONOTONIC), cpu = now_ms(CLOCK_THREAD_CPUTIME_ID);
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(bench->db, sql, -1, &statement, NULL);
    for (timing->rows = 0; code == SQLITE_OK || code == SQLITE_ROW; timing->rows += code == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_data_count(statement); i++) (void)sqlite3_column_text(statement, i);
        code = sqlite3_step(statement);
    }
    bench->locked += code == SQLITE_BUSY || code == SQLITE_LOCKED;
    if (code != SQLITE_DONE) {
        bench->failed++;
        fprintf(stderr, "%s: %s\n", sql, sqlite3_errmsg(bench->db));
    }
    sqlite3_finalize(statement);
    timing->wall[timing->n] = now_ms(CLOCK_MONOTONIC) - wall;
    timing->cpu[timing->n++] = now_ms(CLOCK_THREAD_CPUTIME_ID) - cpu;
    rest(timing->wall[timing->n - 1]);
}

/* The first line of the paragraph before the query at `at`. */
static void question_of(const char *text, const char *at, char out[80]) {
    const char *end = at - strlen("```sql\n");
    while (end > text && end[-1] == '\n') end--;
    const char *start = end;
    while (start > text && !(start[-1] == '\n' && (start - 1 == text || start[-2] == '\n'))) start--;
    int n = end - start < 79 ? (int)(end - start) : 79;
    snprintf(out, 80, "%.*s", n, start);
    for (char *c = out; *c; c++)
        if (*c == '\n') *c = ' ';
}

static void ask_examples(struct bench *bench, const char *document) {
    static char text[1 << 18];
    FILE *file = fopen(document, "r");
    if (!file) {
        fprintf(stderr, "can't open %s\n", document);
        bench->failed++;
        return;
    }
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    for (char *at = strstr(text, "```sql\n"), *end; at && (end = strstr(at + 7, "```"));
         at = strstr(end + 1, "```sql\n")) {
        static struct timing timing;
        char name[80];
        at += 7;
        question_of(text, at, name);
        *end = '\0';
        timing.n = 0;
        for (int k = 0; k < bench->times; k++) ask_once(bench, at, &timing);
        print_timing(bench, name, &timing, TARGET);
    }
}

/* Every condition and every order there is, alone and together. Without --limit where the answer is one that somebody reads or
 * feeds to a program; a list of all hundred thousand sounds takes as long as it takes to print, so of those the first page. */
static const char *const finds[] = {
    "--bpm 118-122",
    "--bpm 118-122 --octaves",
    "--key Am",
    "--key Am --compatible --limit 1000",
    "--bpm 118-122 --key Am --compatible",
    "--label drums --limit 1000",
    "--label drums --bpm 90-100 --key Am",
    "--tag favourite --limit 1000",
    "--tag favourite --label drums",
    "--text bass --limit 1000",
    "bass loop",
    "--text ba --limit 1000",
    "--duration 30-31 --limit 1000",
    "--duration 20- --limit 100",
    "--loudness -20..-19 --limit 1000",
    "--loudness -40..-10 --limit 100",
    "--modified 2020-09-13..2020-10-01 --limit 1000",
    "--added 2020-09-13.. --limit 100",
    "--under /home/someone/Samples/Pack_7",
    "--missing --text backup --limit 1000",
    "--duplicates --limit 1000",
    "--value crest=1- --bpm 118-122 --key Am",
    "--limit 100",
    "--sort name --limit 100",
    "--sort bpm --limit 100",
    "--sort key --limit 100",
    "--sort label --limit 100",
    "--sort duration --limit 100",
    "--sort -duration --limit 100",
    "--sort loudness --limit 100",
    "--sort added --limit 100",
    "--sort -modified --limit 100",
    "--sort -confidence --limit 100",
    "--label rain --sort -confidence --limit 100",
    "--bpm 100-140 --sort loudness --limit 100",
    "--regions --bpm 118-122 --limit 1000",
    "--regions --bpm 118-122 --key Am",
    "--regions --bpm 118-122 --octaves --limit 1000",
    "--regions --key Am --limit 1000",
    "--regions --key Am --compatible --limit 1000",
    "--regions --label drums --limit 1000",
    "--regions --tag here --limit 1000",
    "--regions --tag favourite --limit 1000",
    "--regions --text bass --limit 1000",
    "--regions --duration 8- --limit 1000",
    "--regions --loudness -40..-10 --limit 1000",
    "--regions --limit 100",
    "--regions --sort name --limit 100",
    "--regions --sort bpm --limit 100",
    "--regions --sort key --limit 100",
    "--regions --sort label --limit 100",
    "--regions --sort duration --limit 100",
    "--regions --sort loudness --limit 100",
    "--regions --sort added --limit 100",
    "--regions --sort modified --limit 100",
    "--regions --sort -confidence --limit 100",
    "--segments --label drums --limit 1000",
    "--segments --label bass --bpm 118-122",
    "--segments --under /home/someone/Samples/Pack_7",
    "--segments --limit 100",
    "--similar @",
    "--similar @ --limit 200",
    "--similar @ --label drums",
    "--similar @ --bpm 118-122",
    "--similar @ --key Am --compatible",
    "--similar @ --tag favourite",
    "--similar @ --text loop",
    "--similar @ --text title",
    "--similar @ --text bass",
    "--similar @ --loudness -30..0",
    "--similar @ --duration 20-",
    "--similar @#1 --regions",
    "--similar @#1 --regions --label drums",
    "--similar @#1 --regions --bpm 118-122",
    "--similar @#1 --regions --tag favourite",
    "--similar @#1 --regions --text loop",
    "--similar @#1 --regions --text title",
    "--similar @#1 --regions --text bass",
    "--similar @#1 --regions --loudness -30..0",
};

/* The words of a question as an argument list; "@" stands for a sound, "_" in a word for a space. */
static int split(const char *question, char storage[1024], const char *words[40]) {
    char file[200], *out = storage;
    int n = 0;
    made_path(77, file);
    for (const char *c = question; *c && n < 39; n++) {
        words[n] = out;
        for (; *c && *c != ' '; c++) {
            if (*c == '@')
                out += snprintf(out, 200, "%s", file);
            else
                *out++ = *c == '_' ? ' ' : *c;
        }
        *out++ = '\0';
        while (*c == ' ') c++;
    }
    words[n] = NULL;
    return n;
}

static double cpu_of(const struct rusage *usage) {
    return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1e3 +
           (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) * 1e-3;
}

/* Counts the lines that come out of the pipe. */
static long long count_lines(int from) {
    static char buffer[1 << 16];
    long long lines = 0;
    for (ssize_t n; (n = read(from, buffer, sizeof buffer)) > 0;)
        for (ssize_t i = 0; i < n; i++) lines += buffer[i] == '\n';
    return lines;
}

static void find_once(struct bench *bench, const char *question, struct timing *timing) {
    char storage[1024];
    const char *words[48] = {bench->sonde, "--catalogue", bench->path, "find", "--csv"};
    int ends[2], status = -1;
    struct rusage usage = {0};
    pid_t child;
    posix_spawn_file_actions_t actions;
    (void)split(question, storage, words + 5);
    if (pipe2(ends, O_CLOEXEC) != 0) abort();
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    double wall = now_ms(CLOCK_MONOTONIC);
    int code = posix_spawn(&child, bench->sonde, &actions, NULL, (char *const *)(uintptr_t)words, environ);
    close(ends[1]);
    timing->rows = count_lines(ends[0]) - 1; /* without the header */
    if (code == 0) (void)wait4(child, &status, 0, &usage);
    timing->wall[timing->n] = now_ms(CLOCK_MONOTONIC) - wall;
    timing->cpu[timing->n++] = cpu_of(&usage);
    close(ends[0]);
    (void)posix_spawn_file_actions_destroy(&actions);
    rest(timing->wall[timing->n - 1]);
    if (code == 0 && WIFEXITED(status) && WEXITSTATUS(status) <= 1) return; /* 1: nothing was found */
    fprintf(stderr, "sonde find %s: exit status %d\n", question, status);   /* what it said stands above */
    bench->failed++;
}

/* What nothing but a plugin's own value narrows reads every summary. */
static const char *const value_finds[] = {
    "--value crest=1- --limit 1000",
    "--value crest=1- --sort -value --limit 100",
    "--regions --value crest=1- --limit 1000",
};

static void ask_finds(struct bench *bench, const char *const *questions, size_t n, double target) {
    for (size_t i = 0; i < n; i++) {
        static struct timing timing;
        char name[80];
        timing.n = 0;
        for (int k = 0; k < bench->times; k++) find_once(bench, questions[i], &timing);
        snprintf(name, sizeof name, "find %s", questions[i]);
        print_timing(bench, name, &timing, target);
    }
}

/* -------------------------------------------------------------------------------------------------------------- main */

/* Somebody who asks without pause, for the writer's rate beside readers. */
static void ask_without_pause(const struct bench *bench) {
    static const char *const sql[] = {
        "SELECT path, start, \"end\" FROM sound_regions WHERE label = 'drums' ORDER BY path",
        "SELECT label, count(*) FROM sounds GROUP BY label",
        "SELECT path, tags FROM sounds WHERE loudness > -12",
    };
    for (int i = 0; sqlite3_exec(bench->db, sql[i % 3], NULL, NULL, NULL) == SQLITE_OK;) i++;
}

/* Who asks is another process than who writes, as in life (two threads of one would wait for each other's allocations). */
static void ask_all(struct bench *bench, const char *document, const int to_us[2], const int from_us[2]) {
    char go = 0;
    if (read(to_us[0], &go, 1) != 1 ||
        sqlite3_open_v2(bench->path, &bench->db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
        _exit(1);
    printf("%-58s %4s %7s %8s %8s %8s  target %.0f ms\n", "question", "n", "rows", "p50 ms", "p95 ms", "p95 cpu",
           TARGET);
    ask_examples(bench, document);
    ask_finds(bench, finds, sizeof finds / sizeof *finds, TARGET);
    ask_finds(bench, value_finds, sizeof value_finds / sizeof *value_finds, TARGET_READING);
    if (write(from_us[1], bench, sizeof *bench) != sizeof *bench) _exit(1);
    ask_without_pause(bench); /* until we are killed */
    _exit(0);
}

static bool measure(struct bench *bench, int64_t sounds, const char *document, struct error *error) {
    int to_asker[2], from_asker[2];
    double alone_gap = 0, beside_gap = 0, alone = 0, beside = 0;
    uv_thread_t thread;
    if (pipe2(to_asker, O_CLOEXEC) != 0 || pipe2(from_asker, O_CLOEXEC) != 0)
        return error_system(error, errno, "no pipe");
    (void)fflush(stdout);
    pid_t asker = fork(); /* before there are threads */
    if (asker == 0) ask_all(bench, document, to_asker, from_asker);
    close(from_asker[1]);
    bool fine = asker > 0 && begin_writing(bench->path, sounds, error);
    if (fine) {
        (void)uv_thread_create(&thread, write_until_told, NULL);
        sleep(1);
        alone = rate_for_a_while(&alone_gap);
        fine = write(to_asker[1], "", 1) == 1 && read(from_asker[0], bench, sizeof *bench) == sizeof *bench;
        if (!fine) error_set(error, "the process that asks has failed");
        beside = rate_for_a_while(&beside_gap);
        atomic_store(&ending, true);
        (void)uv_thread_join(&thread);
    }
    if (asker > 0 && kill(asker, SIGKILL) == 0) (void)waitpid(asker, NULL, 0);
    if (!fine) return false;
    printf(
        "%d of %d under %.0f ms (what reads every summary: %.0f ms; p95 of the time that passes), beside a writer that stored %lld files meanwhile\n",
        bench->met, bench->questions, TARGET, TARGET_READING, (long long)(writing.next - writing.first));
    printf("locked: %d of %d questions were told so; failed: %d\n", bench->locked, bench->questions * bench->times,
           bench->failed);
    printf(
        "writer: %.0f files/s alone, %.0f files/s beside a reader that never pauses (%.0f %%); longest time between two\n"
        "commits %.0f ms alone, %.0f ms beside it; %lld files failed\n",
        alone, beside, 100 * beside / alone, alone_gap, beside_gap, (long long)writing.failed);
    return true;
}

static bool copy_file(const char *from, const char *to) {
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    ssize_t n = -1;
    while (in >= 0 && out >= 0 && (n = copy_file_range(in, NULL, out, NULL, 1 << 30, 0)) > 0) continue;
    /* On the disk before anything is measured: what is still to be written would take its share of every question. */
    bool fine = n == 0 && fsync(out) == 0;
    if (out >= 0) fine = close(out) == 0 && fine;
    if (in >= 0) close(in);
    return fine;
}

static void remove_with_log(const char *path) {
    char beside[4200];
    static const char *const ends[] = {"", "-wal", "-shm", ".lock"};
    for (int i = 0; i < 4; i++) {
        snprintf(beside, sizeof beside, "%s%s", path, ends[i]);
        (void)unlink(beside);
    }
}

/* Makes what isn't there yet: under another name until it is whole. */
static bool make(const char *path, int64_t sounds, struct error *error) {
    char part[4200];
    if (access(path, F_OK) == 0) return true;
    snprintf(part, sizeof part, "%s.part", path);
    remove_with_log(part);
    double start = now_ms(CLOCK_MONOTONIC);
    bool fine = made_fill(part, sounds, error) &&
                (rename(part, path) == 0 || error_system(error, errno, "can't name %s", path));
    remove_with_log(part);
    if (fine) printf("made in %.0f s: %s\n", (now_ms(CLOCK_MONOTONIC) - start) / 1000, path);
    return fine;
}

int main(int argc, char **argv) {
    if (argc < 5) {
        fprintf(stderr, "usage: catalogue_bench FOLDER SOUNDS SONDE DOCUMENT [TIMES]\n");
        return 2;
    }
    char made[4096], path[4096];
    int64_t sounds = atoll(argv[2]);
    struct error error = {0};
    struct bench bench = {.path = path, .sonde = argv[3], .times = argc > 5 ? atoi(argv[5]) : 40};
    if (bench.times < 1 || bench.times > TIMES_MOST || sounds < 1000) {
        fprintf(stderr, "at least 1000 sounds, and 1 to %d times\n", TIMES_MOST);
        return 2;
    }
    snprintf(made, sizeof made, "%s/made-%lld-v%d.%d.db", argv[1], (long long)sounds, catalogue_version(), MADE_FORMAT);
    snprintf(path, sizeof path, "%s/measured.db", argv[1]);
    remove_with_log(path);
    bool fine = make(made, sounds, &error);
    if (fine && !copy_file(made, path)) fine = error_system(&error, errno, "can't copy %s to %s", made, path);
    if (fine) printf("%lld sounds, %lld regions\n", (long long)sounds, (long long)sounds * MADE_REGIONS);
    fine = fine && measure(&bench, sounds, argv[4], &error);
    remove_with_log(path);
    if (!fine) fprintf(stderr, "%s\n", error.text);
    return fine && bench.met == bench.questions && bench.locked == 0 && bench.failed == 0 && writing.failed == 0 ? 0
                                                                                                                 : 1;
}
