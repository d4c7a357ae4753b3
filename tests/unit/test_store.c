/* What the engine stores and reads back. */
#include "tests/unit/catalogue_fixture.h"

#include "engine/catalogue/search.h"
#include "engine/catalogue/summary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *const tempo_schema =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"bpm\":{\"type\":\"number\",\"x-unit\":\"bpm\",\"x-summary\":{\"as\":\"bpm\",\"rule\":\"mode\",\"weight\":"
    "\"confidence\","
    "\"confidence_as\":\"bpm_confidence\",\"tolerance\":0.01}},"
    "\"confidence\":{\"type\":\"number\",\"x-unit\":\"probability\"},"
    "\"beats\":{\"type\":\"array\",\"x-unit\":\"s@region\",\"items\":{\"type\":\"number\",\"x-unit\":\"s@region\"},"
    "\"x-summary\":{\"as\":\"beats\",\"rule\":\"concat\"}},"
    "\"label\":{\"type\":\"string\",\"x-summary\":{\"as\":\"label\",\"rule\":\"longest\"}}}}";

#define OK(call)                                                                                                       \
    do {                                                                                                               \
        struct error error = {0};                                                                                      \
        if (!(call)) fail_msg("%s", error.text);                                                                       \
    } while (0)

static void seen_and_unchanged(void **state) {
    struct fixture *f = *state;
    struct store_stat stat = {10, 20, 3, 4, 0};
    struct store_file file;
    OK(store_file_seen(f->catalogue, "/a/b.wav", 8, &stat, &file, &error));
    assert_true(file.created);
    assert_false(file.unchanged);
    int64_t id = file.file;
    OK(store_file_finish(f->catalogue, id, FILE_FAILED, "it is broken", &stat, "profile-1", &error));
    OK(store_file_seen(f->catalogue, "/a/b.wav", 8, &stat, &file, &error));
    assert_false(file.created);
    assert_true(file.unchanged);
    assert_int_equal(file.file, id);
    assert_int_equal(file.status, FILE_FAILED);
    assert_string_equal(file.profile, "profile-1");
    stat.mtime_ns++;
    OK(store_file_seen(f->catalogue, "/a/b.wav", 8, &stat, &file, &error));
    assert_false(file.unchanged);
    assert_string_equal(fixture_text(f, "SELECT status_reason FROM files"), "it is broken");
    assert_string_equal(fixture_text(f, "SELECT name FROM files"), "b.wav");
}

static void paths_are_bytes(void **state) {
    struct fixture *f = *state;
    struct store_stat stat = {10, 20, 3, 4, 0};
    struct store_file a, b, c;
    OK(store_file_seen(f->catalogue, "/x/\xff\xfe\n.wav", 10, &stat, &a, &error));
    OK(store_file_seen(f->catalogue, "/x/\xff\xfd\n.wav", 10, &stat, &b, &error));
    OK(store_file_seen(f->catalogue, "/x/\xff\xfe\n.wav", 10, &stat, &c, &error));
    assert_int_not_equal(a.file, b.file);
    assert_int_equal(a.file, c.file);
    assert_string_equal(fixture_text(f, "SELECT hex(path) FROM files WHERE file_id = 1"), "2F782FFFFE0A2E776176");
    assert_string_equal(fixture_text(f, "SELECT name FROM files WHERE file_id = 1"),
                        "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd.wav");
    OK(store_queue_add(f->catalogue, a.file, 0, NULL, &error));
    struct store_job job;
    size_t n = 0;
    OK(store_queue_take(f->catalogue, QUEUE_ARRIVAL, &job, 1, &n, &error));
    assert_int_equal(n, 1);
    assert_int_equal(job.length, 10);
    assert_memory_equal(job.path, "/x/\xff\xfe\n.wav", 11);
    store_job_free(&job);
}

static void missing_and_back(void **state) {
    struct fixture *f = *state;
    struct fixture_file made = fixture_scan(f, "/a.wav", "bytes", "sound", 1);
    fixture_finish(f, &made);
    OK(store_file_missing(f->catalogue, made.file, &error));
    OK(store_file_missing(f->catalogue, made.file, &error));
    assert_string_equal(fixture_text(f, "SELECT status FROM files"), "missing");
    struct store_file file;
    OK(store_file_seen(f->catalogue, "/a.wav", 6, &made.stat, &file, &error));
    assert_true(file.unchanged);
    assert_int_equal(file.status, FILE_DONE);
    assert_int_equal(file.audio, made.audio);
    assert_string_equal(fixture_text(f, "SELECT status FROM files"), "done");
    OK(store_file_missing(f->catalogue, made.file, &error));
    made.stat.size++;
    OK(store_file_seen(f->catalogue, "/a.wav", 6, &made.stat, &file, &error));
    assert_false(file.unchanged);
    assert_int_equal(file.status, FILE_QUEUED);
}

/* Another file of the same size and time in its place, as when two files of a sample pack change places. */
static void replaced(void **state) {
    struct fixture *f = *state;
    struct fixture_file made = fixture_scan(f, "/a.wav", "bytes", "sound", 1);
    fixture_finish(f, &made);
    struct store_file file;
    const int64_t finished = fixture_number(f, "SELECT CAST(finished * 1e9 AS INTEGER) FROM files");
    made.stat.ctime_ns = finished + 1000000000; /* renamed, and back */
    OK(store_file_seen(f->catalogue, "/a.wav", 6, &made.stat, &file, &error));
    assert_true(file.unchanged);
    made.stat.inode++;
    made.stat.ctime_ns = finished - 1000000000; /* a file system that makes up new inodes at each mount */
    OK(store_file_seen(f->catalogue, "/a.wav", 6, &made.stat, &file, &error));
    assert_true(file.unchanged);
    made.stat.inode++;
    made.stat.ctime_ns = finished + 1000000000;
    OK(store_file_seen(f->catalogue, "/a.wav", 6, &made.stat, &file, &error));
    assert_false(file.unchanged);
    OK(store_file_seen(f->catalogue, "/a.wav", 6, &made.stat, &file,
                       &error)); /* the engine died before it was analysed */
    assert_false(file.unchanged);
    OK(store_file_finish(f->catalogue, made.file, FILE_FAILED, "is broken", &made.stat, "p", &error));
    OK(store_file_seen(f->catalogue, "/a.wav", 6, &made.stat, &file, &error));
    assert_true(file.unchanged);
    assert_int_equal(file.content, 0); /* what the other one was */

    OK(store_file_finish(f->catalogue, made.file, FILE_DONE, NULL, &made.stat, "p", &error));
    OK(store_file_missing(f->catalogue, made.file, &error));
    made.stat.inode++;
    OK(store_file_seen(f->catalogue, "/a.wav", 6, &made.stat, &file, &error)); /* another one has come */
    assert_false(file.unchanged);
    assert_int_equal(file.status, FILE_QUEUED);
}

/* A disk that is gone for now, a share that hangs: nothing is learnt of the file, and nothing forgotten. */
static void not_looked_at(void **state) {
    struct fixture *f = *state;
    struct fixture_file made = fixture_scan(f, "/a.wav", "bytes", "sound", 1);
    struct store_file file;
    fixture_finish(f, &made);
    OK(store_file_seen(f->catalogue, "/a.wav", 6, NULL, &file, &error));
    assert_int_equal(file.file, made.file);
    assert_false(file.created);
    assert_false(file.unchanged);
    OK(store_file_finish(f->catalogue, made.file, FILE_FAILED, "does not answer", NULL, "", &error));
    assert_string_equal(fixture_text(f, "SELECT status || ': ' || status_reason FROM files"),
                        "failed: does not answer");
    OK(store_file_seen(f->catalogue, "/a.wav", 6, &made.stat, &file, &error)); /* and back */
    assert_true(file.unchanged);
    assert_int_equal(file.content, made.content);
    assert_int_equal(file.audio, made.audio);
    assert_string_equal(file.profile, "");
    assert_int_equal(fixture_number(f, "SELECT size FROM files"), made.stat.size);
    assert_int_equal(fixture_number(f, "SELECT inode FROM files"), made.stat.inode);
    OK(store_file_missing(f->catalogue, made.file, &error));
    OK(store_file_seen(f->catalogue, "/a.wav", 6, NULL, &file, &error)); /* back, and hanging */
    assert_string_equal(fixture_text(f, "SELECT status FROM files"), "queued");
    assert_int_equal(fixture_number(f, "SELECT size FROM files"), made.stat.size);
    OK(store_file_seen(f->catalogue, "/b.wav", 6, NULL, &file, &error));
    assert_true(file.created);
    assert_int_equal(fixture_number(f, "SELECT size FROM files WHERE name = 'b.wav'"), 0);
    OK(store_file_finish(f->catalogue, file.file, FILE_FAILED, "leads nowhere", NULL, "", &error));
    made.stat.size++; /* one that was looked at and is another now */
    OK(store_file_finish(f->catalogue, made.file, FILE_FAILED, "is broken", &made.stat, "", &error));
    OK(store_file_seen(f->catalogue, "/a.wav", 6, &made.stat, &file, &error));
    assert_int_equal(file.content, 0);
}

/* Deleted while it is under way: neither its end nor its return to the queue make it one that is there. */
static void missing_while_under_way(void **state) {
    struct fixture *f = *state;
    struct fixture_file made = fixture_scan(f, "/a.wav", "bytes", "sound", 1);
    OK(store_queue_add(f->catalogue, made.file, 0, NULL, &error));
    struct store_job job;
    size_t n = 0;
    OK(store_queue_take(f->catalogue, QUEUE_ARRIVAL, &job, 1, &n, &error));
    store_job_free(&job);
    OK(store_file_missing(f->catalogue, made.file, &error));
    OK(store_queue_return(f->catalogue, made.file, 0, &error));
    assert_string_equal(fixture_text(f, "SELECT status FROM files"), "missing");
    OK(store_file_finish(f->catalogue, made.file, FILE_DONE, NULL, &made.stat, "p", &error));
    assert_string_equal(fixture_text(f, "SELECT status || status_before FROM files"), "missingdone");
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM queue"), 0);
    struct store_file file;
    OK(store_file_seen(f->catalogue, "/a.wav", 6, &made.stat, &file, &error)); /* and back, unchanged */
    assert_int_equal(file.status, FILE_DONE);
    assert_string_equal(fixture_text(f, "SELECT status || (status_before IS NULL) FROM files"), "done1");
}

/* Takes one and returns its file, or 0. */
static int64_t take(struct fixture *f, enum queue_order order) {
    struct store_job job;
    size_t n = 0;
    OK(store_queue_take(f->catalogue, order, &job, 1, &n, &error));
    if (n == 0) return 0;
    int64_t file = job.file;
    store_job_free(&job);
    return file;
}

static void queue_orders(void **state) {
    struct fixture *f = *state;
    struct store_file files[5];
    const struct store_stat stats[5] = {{.size = 50, .mtime_ns = 100},
                                        {.size = 10, .mtime_ns = 300},
                                        {.size = 30, .mtime_ns = 200},
                                        {.size = 5, .mtime_ns = 50},
                                        {.size = 1, .mtime_ns = 1}};
    for (int i = 0; i < 5; i++) {
        char path[10];
        snprintf(path, sizeof path, "/%d", i);
        OK(store_file_seen(f->catalogue, path, 2, &stats[i], &files[i], &error));
        OK(store_queue_add(f->catalogue, files[i].file, i == 4 ? 9 : 0, NULL, &error));
    }
    assert_int_equal(take(f, QUEUE_ARRIVAL), files[4].file); /* priority first */
    assert_int_equal(take(f, QUEUE_SMALLEST), files[3].file);
    assert_int_equal(take(f, QUEUE_NEWEST), files[1].file);
    assert_int_equal(take(f, QUEUE_OLDEST), files[0].file);
    assert_int_equal(take(f, QUEUE_ARRIVAL), files[2].file);
    assert_int_equal(take(f, QUEUE_ARRIVAL), 0);
    struct queue_counts counts;
    OK(store_queue_count(f->catalogue, &counts, &error));
    assert_int_equal(counts.working, 5);
    assert_int_equal(counts.waiting, 0);
    fixture_run(f, "UPDATE queue SET state = 'waiting', size = 9223372036854775807"); /* sparse files, in memory */
    OK(store_queue_count(f->catalogue, &counts, &error));
    assert_int_equal(counts.waiting, 5);
    assert_int_equal(counts.bytes, INT64_MAX);
}

static void queue_recovers(void **state) {
    struct fixture *f = *state;
    struct store_stat stat = {1, 1, 1, 1, 0};
    struct store_file file;
    OK(store_file_seen(f->catalogue, "/a", 2, &stat, &file, &error));
    OK(store_queue_add(f->catalogue, file.file, 3, "{\"force\":true}", &error));
    assert_int_equal(take(f, QUEUE_ARRIVAL), file.file);
    assert_string_equal(fixture_text(f, "SELECT status FROM files"), "working");
    int64_t recovered = 0;
    OK(store_queue_recover(f->catalogue, &recovered, &error));
    assert_int_equal(recovered, 1);
    struct store_job job;
    size_t n = 0;
    OK(store_queue_take(f->catalogue, QUEUE_ARRIVAL, &job, 1, &n, &error));
    assert_int_equal(job.interrupted, 1);
    assert_int_equal(job.attempts, 0);
    assert_string_equal(job.options, "{\"force\":true}");
    store_job_free(&job);
    OK(store_queue_return(f->catalogue, file.file, 100, &error));
    assert_int_equal(take(f, QUEUE_ARRIVAL), 0); /* not due */
    OK(store_queue_return(f->catalogue, file.file, 0, &error));
    assert_int_equal(take(f, QUEUE_ARRIVAL), file.file);
    /* seen while under way, and the same: once is enough */
    OK(store_queue_add(f->catalogue, file.file, 3, NULL, &error));
    assert_int_equal(fixture_number(f, "SELECT again FROM queue"), 0);
    /* it changed while under way: it runs again */
    stat.mtime_ns++;
    OK(store_file_seen(f->catalogue, "/a", 2, &stat, &file, &error));
    OK(store_queue_add(f->catalogue, file.file, 3, NULL, &error));
    OK(store_file_finish(f->catalogue, file.file, FILE_FAILED, "why", &stat, NULL, &error));
    assert_string_equal(fixture_text(f, "SELECT status FROM files"), "queued");
    assert_int_equal(take(f, QUEUE_ARRIVAL), file.file);
    OK(store_file_finish(f->catalogue, file.file, FILE_FAILED, "why", &stat, NULL, &error));
    assert_int_equal(take(f, QUEUE_ARRIVAL), 0);
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM queue"), 0);
}

/* Who asks for a file without a word doesn't take back what another one asked for. */
static void wishes_stay(void **state) {
    struct fixture *f = *state;
    struct store_stat stat = {1, 1, 1, 1, 0};
    struct store_file file;
    OK(store_file_seen(f->catalogue, "/a", 2, &stat, &file, &error));
    OK(store_queue_add(f->catalogue, file.file, 0, NULL, &error));
    assert_int_equal(fixture_number(f, "SELECT options IS NULL FROM queue"), 1);
    OK(store_queue_add(f->catalogue, file.file, 0, "{\"force\":true}", &error));
    OK(store_queue_add(f->catalogue, file.file, 0, NULL, &error));
    assert_string_equal(fixture_text(f, "SELECT options FROM queue"), "{\"force\":true}");
}

static void copies_and_retags_share(void **state) {
    struct fixture *f = *state;
    struct fixture_file a = fixture_scan(f, "/a.wav", "bytes", "sound", 3);
    struct fixture_file copy = fixture_scan(f, "/copy.wav", "bytes", "sound", 3);
    struct fixture_file retag = fixture_scan(f, "/retag.wav", "other bytes", "sound", 3);
    struct fixture_file other = fixture_scan(f, "/other.wav", "third bytes", "other sound", 3);
    assert_int_equal(a.content, copy.content);
    assert_int_not_equal(a.content, retag.content);
    assert_int_equal(a.audio, retag.audio);
    assert_int_not_equal(a.audio, other.audio);
    assert_memory_equal(a.regions, retag.regions, sizeof a.regions);
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM regions WHERE current AND audio_id = 1"), 3);
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM audio WHERE segmenter = 'seg1' AND rate = 1000"), 2);
    assert_int_equal(fixture_number(f, "SELECT length(peaks) FROM waveforms WHERE audio_id = 1"), 6);
}

static void new_segmentation_keeps_history_and_anchors(void **state) {
    struct fixture *f = *state;
    struct fixture_file a = fixture_scan(f, "/a.wav", "bytes", "sound", 2); /* 0..1000 and 2000..3000 */
    fixture_result(f, a.regions[0], "tempo", "i0", "{}");
    fixture_finish(f, &a);
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM region_summary"), 2);
    char sql[400];
    snprintf(sql, sizeof sql,
             "INSERT INTO edits (audio_id, region_id, start_frame, end_frame, field, value, created) VALUES"
             " (1, %lld, 0, 1000, 'key', 'A minor', 0), (1, %lld, 2000, 3000, 'key', 'C major', 0)",
             (long long)a.regions[0], (long long)a.regions[1]);
    fixture_run(f, sql);
    struct store_region regions[2] = {{0, 0, 300, 0, 300, 0, 1}, {0, 300, 1900, 300, 1900, 0, 1}};
    struct store_scan scan = {.bytes_hash = fixture_hash("bytes"),
                              .audio_hash = fixture_hash("sound"),
                              .size = 1000,
                              .rate = 1000,
                              .channels = 1,
                              .frames = 20000,
                              .facts = "{}",
                              .decoder = "d",
                              .decoder_version = "2",
                              .segmenter = "seg2",
                              .regions = regions,
                              .regions_count = 2};
    int64_t content = 0, audio = 0;
    bool known = true;
    OK(store_scan(f->catalogue, a.file, &scan, &content, &audio, &known, &error));
    assert_false(known);
    assert_int_equal(audio, a.audio);
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM regions WHERE current"), 2);
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM regions"), 4);
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM region_analysis"), 1);
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM region_summary"), 0); /* of current regions alone */
    /* 0..1000 overlaps 300 frames with the first and 700 with the second; 2000..3000 with none */
    assert_int_equal(fixture_number(f, "SELECT region_id FROM edits WHERE start_frame = 0"), regions[1].region);
    assert_int_equal(fixture_number(f, "SELECT region_id IS NULL FROM edits WHERE start_frame = 2000"), 1);
    /* and back: the old regions keep their ids and results */
    struct fixture_file back = fixture_scan(f, "/a.wav", "bytes", "sound", 2);
    assert_memory_equal(back.regions, a.regions, sizeof a.regions);
    assert_int_equal(fixture_number(f, "SELECT region_id FROM edits WHERE start_frame = 2000"), a.regions[1]);
}

static void results_and_history(void **state) {
    struct fixture *f = *state;
    struct fixture_file a = fixture_scan(f, "/a.wav", "bytes", "sound", 1);
    int64_t first = fixture_result(f, a.regions[0], "tempo", "identity-1", "{\"bpm\":120}");
    int64_t second = fixture_result(f, a.regions[0], "tempo", "identity-2", "{\"bpm\":60}");
    int64_t again = fixture_result(f, a.regions[0], "tempo", "identity-2", NULL);
    assert_int_not_equal(first, second);
    assert_int_equal(second, again);
    struct store_known_list list;
    OK(store_known_region(f->catalogue, a.regions[0], true, &list, &error));
    assert_int_equal(list.n, 1);
    assert_string_equal(list.items[0].outcome, "failed");
    assert_string_equal(list.items[0].reason, "no idea");
    assert_null(list.items[0].json);
    store_known_free(&list);
    OK(store_known_audio(f->catalogue, a.audio, true, &list, &error));
    assert_int_equal(list.n, 1);
    assert_string_equal(list.items[0].identity, "identity-2");
    store_known_free(&list);
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM region_analysis"), 2);
    assert_true(fixture_real(f, "SELECT cpu FROM region_analysis WHERE current") == 0.0015);
    assert_int_equal(fixture_number(f, "SELECT peak_bytes IS NULL FROM region_analysis"), 1);
}

static void wrong_outcomes_are_refused(void **state) {
    struct fixture *f = *state;
    struct fixture_file a = fixture_scan(f, "/a.wav", "bytes", "sound", 1);
    struct store_result result = {.region = a.regions[0],
                                  .plugin = "p",
                                  .version = "1",
                                  .identity = "i",
                                  .outcome = "splendid",
                                  .cpu_us = -1,
                                  .wall_us = -1,
                                  .peak_bytes = -1};
    int64_t id;
    struct error error = {0};
    assert_false(store_result(f->catalogue, &result, &id, &error));
    assert_true(strlen(error.text) > 10);
    result.outcome = "ok"; /* without a result */
    assert_false(store_result(f->catalogue, &result, &id, NULL));
    result.json = "{not json";
    assert_false(store_result(f->catalogue, &result, &id, NULL));
    result.json = "{}";
    assert_true(store_result(f->catalogue, &result, &id, NULL));
}

static void arrays_come_back(void **state) {
    struct fixture *f = *state;
    struct fixture_file a = fixture_scan(f, "/a.wav", "bytes", "sound", 1);
    float values[6] = {1, 2, 3, 4, 5, 6};
    unsigned char bytes[3] = {7, 8, 9};
    struct store_array arrays[2] = {
        {"embedding", "f32", "1", 2, {2, 3}, 0.5, 1.25, values, sizeof values},
        {"flags", "u8", "count", 1, {3}, 0, 0, bytes, sizeof bytes},
    };
    struct store_result result = {.region = a.regions[0],
                                  .plugin = "p",
                                  .version = "1",
                                  .identity = "i",
                                  .outcome = "ok",
                                  .json = "{}",
                                  .cpu_us = -1,
                                  .wall_us = -1,
                                  .peak_bytes = -1,
                                  .arrays = arrays,
                                  .arrays_count = 2};
    int64_t id = 0;
    OK(store_result(f->catalogue, &result, &id, &error));
    OK(store_result(f->catalogue, &result, &id, &error)); /* once more: replaced, not doubled */
    struct store_array_list list;
    OK(store_arrays_load(f->catalogue, id, &list, &error));
    assert_int_equal(list.n, 2);
    assert_string_equal(list.items[0].name, "embedding");
    assert_int_equal(list.items[0].dimensions, 2);
    assert_int_equal(list.items[0].shape[1], 3);
    assert_true(list.items[0].hop == 0.5 && list.items[0].start == 1.25);
    assert_memory_equal(list.items[0].data, values, sizeof values);
    assert_int_equal(list.items[1].bytes, 3);
    store_arrays_free(&list);
}

static void summaries(void **state) {
    struct fixture *f = *state;
    fixture_plugin(f, "tempo", tempo_schema);
    struct fixture_file a = fixture_scan(f, "/loops/drum.wav", "bytes", "sound", 2);
    fixture_result(f, a.regions[0], "tempo", "i",
                   "{\"bpm\":120,\"confidence\":0.9,\"beats\":[0.5,1],\"label\":\"drums\"}");
    fixture_result(f, a.regions[1], "tempo", "i", "{\"bpm\":80,\"confidence\":0.5,\"beats\":[2.5],\"label\":\"rain\"}");
    fixture_finish(f, &a);
    assert_true(fixture_real(f, "SELECT bpm FROM file_summary") == 120);
    assert_true(fixture_real(f, "SELECT bpm_confidence FROM file_summary") == 0.9);
    assert_string_equal(fixture_text(f, "SELECT bpm_source FROM file_summary"), "plugin");
    assert_string_equal(fixture_text(f, "SELECT key_source FROM file_summary"), "(null)");
    assert_string_equal(fixture_text(f, "SELECT json_extract(summary, '$.beats') FROM file_summary"), "[0.5,1,2.5]");
    assert_true(fixture_real(f, "SELECT bpm FROM region_summary WHERE region_id = 2") == 80);
    assert_string_equal(
        fixture_text(
            f, "SELECT path_text FROM files WHERE file_id IN (SELECT rowid FROM search WHERE search MATCH 'drum')"),
        "/loops/drum.wav");
    bool same = false;
    OK(summary_verify(f->catalogue, a.audio, &same, &error));
    assert_true(same);
    fixture_run(f, "UPDATE region_summary SET bpm = 81 WHERE region_id = 2");
    OK(summary_verify(f->catalogue, a.audio, &same, &error));
    assert_false(same);
    fixture_run(
        f,
        "INSERT INTO edits (audio_id, field, value, created) VALUES (1, 'bpm', '121.5', 0), (1, 'key', 'A minor', 0)");
    OK(summary_update(f->catalogue, a.audio, &error));
    assert_true(fixture_real(f, "SELECT bpm FROM sounds") == 121.5);
    assert_string_equal(fixture_text(f, "SELECT bpm_source || key_source || label_source FROM sounds"),
                        "useruserplugin");
    assert_true(fixture_real(f, "SELECT bpm FROM region_summary WHERE region_id = 1") == 120);
    OK(summary_verify(f->catalogue, a.audio, &same, &error));
    assert_true(same);
}

/* A plugin may put what it likes under names that have a column. */
static void values_of_another_kind(void **state) {
    struct fixture *f = *state;
    fixture_plugin(f, "odd",
                   "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
                   "\"a\":{\"type\":\"string\",\"x-summary\":{\"as\":\"lufs\",\"rule\":\"longest\"}},"
                   "\"b\":{\"type\":\"number\",\"x-unit\":\"1\",\"x-summary\":{\"as\":\"content\",\"rule\":\"mean\"}},"
                   "\"c\":{\"type\":\"string\",\"x-summary\":{\"as\":\"centroid\",\"rule\":\"longest\"}},"
                   "\"d\":{\"type\":\"string\",\"x-summary\":{\"as\":\"bpm\",\"rule\":\"longest\"}},"
                   "\"e\":{\"type\":\"number\",\"x-unit\":\"1\",\"x-summary\":{\"as\":\"label\",\"rule\":\"mean\"}}}}");
    struct fixture_file a = fixture_scan(f, "/a.wav", "bytes", "sound", 1);
    bool same = false;
    fixture_result(f, a.regions[0], "odd", "i", "{\"a\":\"loud\",\"b\":5,\"c\":\"high\",\"d\":\"quick\",\"e\":7}");
    fixture_finish(f, &a);
    assert_string_equal(fixture_text(f, "SELECT status FROM sounds"), "done");
    assert_string_equal(fixture_text(f, "SELECT summary FROM sound_regions"),
                        fixture_text(f, "SELECT summary FROM sounds"));
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM sound_regions WHERE loudness IS NULL AND content IS NULL"
                                       " AND bpm IS NULL AND label IS NULL"),
                     1);
    OK(summary_verify(f->catalogue, a.audio, &same, &error));
    assert_true(same);
}

static void strikes_and_plugins(void **state) {
    struct fixture *f = *state;
    struct store_run about = {"0.1", "host", "analyze x", NULL};
    int64_t run = 0, id = 0, strikes = 9;
    OK(store_run_begin(f->catalogue, &about, &run, &error));
    OK(store_strikes(f->catalogue, "identity", &strikes, &error));
    assert_int_equal(strikes, 0);
    struct store_incident incident = {.run = run,
                                      .kind = "crashed",
                                      .plugin = "p",
                                      .identity = "identity",
                                      .reason = "signal 11 in process",
                                      .detail = "{\"signal\":11}",
                                      .strike = true};
    OK(store_incident(f->catalogue, &incident, &id, &error));
    OK(store_incident(f->catalogue, &incident, &id, &error));
    incident.strike = false;
    OK(store_incident(f->catalogue, &incident, &id, &error));
    OK(store_strikes(f->catalogue, "identity", &strikes, &error));
    assert_int_equal(strikes, 2);
    assert_string_equal(fixture_text(f, "SELECT plugin FROM quarantine"), "p");
    OK(store_strikes_clear(f->catalogue, "q", &error));
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM strikes"), 2);
    OK(store_strikes_clear(f->catalogue, NULL, &error));
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM strikes"), 0);
    OK(store_run_end(f->catalogue, run, "all done", &error));
    fixture_plugin(f, "a", NULL);
    fixture_plugin(f, "b", NULL);
    incident.strike = true;
    OK(store_incident(f->catalogue, &incident, &id, &error));
    incident.plugin = "a";
    OK(store_incident(f->catalogue, &incident, &id, &error));
    OK(store_plugin_state(f->catalogue, "a", "open", "it has died too often", &error));
    OK(store_plugin_state(f->catalogue, "b", "disabled", "by you", &error));
    OK(store_plugin_reset(f->catalogue, "a", &error));
    OK(store_plugin_reset(f->catalogue, "b", &error)); /* what isn't its dying's doing stays */
    assert_string_equal(fixture_text(f, "SELECT group_concat(plugin) FROM strikes"), "p");
    assert_string_equal(fixture_text(f, "SELECT group_concat(plugin || ' ' || state || ifnull(' ' || reason, ''), '; ')"
                                        " FROM plugins WHERE plugin IN ('a', 'b')"),
                        "a ready; b disabled by you");
    const char *const only[] = {"b"};
    OK(store_plugins_only(f->catalogue, only, 1, &error));
    assert_string_equal(fixture_text(f, "SELECT group_concat(plugin) FROM plugins WHERE enabled"), "b");
    assert_non_null(strstr(fixture_text(f, "SELECT reason FROM plugins WHERE plugin = 'a'"), "not found any more"));
}

/* A worker dies on a file whose row has given way to another one that was moved to its path. */
static void incident_of_a_file_that_is_gone(void **state) {
    struct fixture *f = *state;
    struct fixture_file gone = fixture_scan(f, "/a.wav", "bytes", "sound", 1);
    struct store_stat stat = {10, 20, 3, 4, 0};
    struct store_file other;
    int64_t id = 0, strikes = 0;
    OK(store_file_seen(f->catalogue, "/b.wav", 6, &stat, &other, &error));
    struct store_incident incident = {.kind = "timeout",
                                      .plugin = "p",
                                      .file = gone.file,
                                      .region = gone.regions[0],
                                      .identity = "identity",
                                      .reason = "took too long",
                                      .strike = true};
    OK(store_incident(f->catalogue, &incident, &id, &error));
    assert_int_equal(fixture_number(f, "SELECT file_id FROM incidents"), gone.file);
    assert_int_equal(fixture_number(f, "SELECT region_id FROM incidents"), gone.regions[0]);
    OK(store_path_moved(f->catalogue, "/b.wav", "/a.wav", false, &error));
    incident.region = 999;
    OK(store_incident(f->catalogue, &incident, &id, &error));
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM incidents WHERE file_id IS NULL"), 2);
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM incidents WHERE region_id IS NULL"), 1);
    OK(store_strikes(f->catalogue, "identity", &strikes, &error));
    assert_int_equal(strikes, 2);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(seen_and_unchanged),
        TEST(paths_are_bytes),
        TEST(missing_and_back),
        TEST(replaced),
        TEST(not_looked_at),
        TEST(wishes_stay),
        TEST(missing_while_under_way),
        TEST(queue_orders),
        TEST(queue_recovers),
        TEST(copies_and_retags_share),
        TEST(new_segmentation_keeps_history_and_anchors),
        TEST(results_and_history),
        TEST(wrong_outcomes_are_refused),
        TEST(arrays_come_back),
        TEST(summaries),
        TEST(values_of_another_kind),
        TEST(strikes_and_plugins),
        TEST(incident_of_a_file_that_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
