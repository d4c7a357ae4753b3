/* The commands that read the catalogue, as a user runs them. */
#include "tests/unit/command_rig.h"

#include "engine/base/json.h"
#include "engine/catalogue/edit.h"
#include "engine/cli/commands.h"
#include "engine/cli/result_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const schema =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"bpm\":{\"type\":\"number\",\"x-unit\":\"bpm\",\"x-summary\":{\"as\":\"bpm\",\"rule\":\"longest\"}},"
    "\"key\":{\"type\":\"string\",\"x-summary\":{\"as\":\"key\",\"rule\":\"longest\"}},"
    "\"label\":{\"type\":\"string\",\"x-summary\":{\"as\":\"label\",\"rule\":\"longest\"}},"
    "\"timeline\":{\"type\":\"array\",\"x-summary\":{\"as\":\"timeline\",\"rule\":\"concat\"},\"items\":{\"type\":\"object\","
    "\"properties\":{\"start\":{\"type\":\"number\",\"x-unit\":\"s@region\"},\"end\":{\"type\":\"number\",\"x-unit\":\"s@region\"},"
    "\"label\":{\"type\":\"string\"}}}}}}";

static void fill(struct fixture *f) {
    fixture_plugin(f, "p", schema);
    struct fixture_file a = fixture_scan(f, "/s/drum, \"loop\".wav", "a", "a", 2);
    fixture_result(
        f, a.regions[0], "p", "i",
        "{\"bpm\":120,\"key\":\"A minor\",\"label\":\"drums\",\"timeline\":[{\"start\":0,\"end\":1,\"label\":\"music\"}]}");
    fixture_result(f, a.regions[1], "p", "i", "{\"bpm\":60}");
    fixture_result(f, a.regions[1], "q", "i", NULL);
    fixture_finish(f, &a);
    struct fixture_file b = fixture_scan(f, "/s/\xff\n\xe6\x97\xa5\xe6\x9c\xac.wav", "b", "b", 1);
    fixture_result(f, b.regions[0], "p", "i", "{\"bpm\":80,\"key\":\"C major\"}");
    fixture_finish(f, &b);
    struct store_stat stat = {0};
    struct store_file file;
    struct error error;
    assert_true(store_file_seen(f->catalogue, "/s/broken.wav", 13, &stat, &file, &error));
    assert_true(store_file_finish(f->catalogue, file.file, FILE_FAILED, "the file is empty", &stat, NULL, &error));
}

static void find_formats(void **state) {
    struct fixture *f = *state;
    fill(f);
    assert_int_equal(RUN(find_command, "find", "--bpm", "118-122"), CLI_OK);
    assert_non_null(strstr(output, "/s/drum, \"loop\".wav"));
    assert_null(strstr(output, "80.0"));
    assert_int_equal(RUN(find_command, "find", "--bpm=80", "--paths"), CLI_OK);
    assert_string_equal(output, "/s/\xff\n\xe6\x97\xa5\xe6\x9c\xac.wav\n");
    assert_int_equal(RUN(find_command, "find", "-0"), CLI_OK);
    assert_memory_equal(output, "/s/drum, \"loop\".wav\0/s/\xff\n\xe6\x97\xa5\xe6\x9c\xac.wav\0", 36);
    assert_int_equal(output_length, 36);
    assert_int_equal(RUN(find_command, "find", "--csv"), CLI_OK);
    assert_non_null(strstr(output, "\"/s/drum, \"\"loop\"\".wav\",20,120,"));
    assert_int_equal(RUN(find_command, "find", "--json"), CLI_OK);
    cJSON *json = json_parse(output, output_length, sizeof output, 20, NULL);
    assert_int_equal(cJSON_GetArraySize(json), 2);
    assert_string_equal(json_string(cJSON_GetArrayItem(json, 0), "camelot", ""), "8A");
    assert_string_equal(json_string(cJSON_GetArrayItem(json, 1), "path_hex", ""), "2f732fff0ae697a5e69cac2e776176");
    assert_true(json_number(json_member(cJSON_GetArrayItem(json, 1), "summary"), "bpm", 0) == 80);
    cJSON_Delete(json);
    assert_int_equal(RUN(find_command, "find", "--json", "--regions", "--sort", "-bpm"), CLI_OK);
    json = json_parse(output, output_length, sizeof output, 20, NULL);
    assert_int_equal(cJSON_GetArraySize(json), 3);
    assert_true(json_number(cJSON_GetArrayItem(json, 2), "start", 0) == 2);
    cJSON_Delete(json);
    assert_int_equal(RUN(find_command, "find", "--label", "nothing", "--csv"), CLI_SOME_FAILED);
    assert_string_equal(
        output, "path,duration,bpm,bpm_confidence,key,key_confidence,label,label_confidence,content,loudness,tags,"
                "status\r\n");
    assert_int_equal(RUN(find_command, "find", "--label", "nothing", "--json"), CLI_SOME_FAILED);
    assert_string_equal(output, "[]\n");
    assert_int_equal(RUN(find_command, "find", "--regions", "--bpm", "60"), CLI_OK);
    assert_non_null(strstr(output, "    start  length        bpm  key       label"));
    assert_non_null(strstr(output, "    2.0 s  1.0 s        60.0  -"));
    assert_non_null(strstr(output, "/s/drum, \"loop\".wav#1\n"));
}

/* What is gone can be told from what is there. */
static void find_marks_what_is_missing(void **state) {
    struct fixture *f = *state;
    fill(f);
    fixture_run(f, "UPDATE files SET status = 'missing' WHERE path_text LIKE '%drum%'");
    assert_int_equal(RUN(find_command, "find", "--missing"), CLI_OK);
    assert_non_null(strstr(output, "/s/drum, \"loop\".wav  (missing)\n"));
    assert_null(strstr(strstr(output, "(missing)") + 1, "(missing)"));
    assert_int_equal(RUN(find_command, "find", "--missing", "--regions", "--bpm", "60"), CLI_OK);
    assert_non_null(strstr(output, ".wav#1  (missing)\n"));
}

/* No line is wider than the terminal. */
static void find_fits_the_terminal(void **state) {
    struct fixture *f = *state;
    fill(f);
    (void)fixture_scan(f, "/a/very/long/path/that/goes/on/and/on/until/it/has/more/than/eighty/characters/at/last.wav",
                       "l", "l", 0);
    struct fixture_file file = fixture_scan(
        f, "/a/very/long/path/that/goes/on/and/on/until/it/has/more/than/eighty/characters/at/last.wav", "l", "l", 1);
    fixture_finish(f, &file);
    assert_int_equal(ON_TERMINAL(80, find_command, "find"), CLI_OK);
    assert_non_null(strstr(output, "\xe2\x80\xa6"));
    assert_non_null(strstr(output, "at/last.wav"));
    assert_non_null(strstr(output, "3 sounds"));
    int column = 0;
    for (const char *c = output; *c; c++) {
        if (*c == '\n')
            column = 0;
        else if (((unsigned char)*c & 0xc0) != 0x80)
            column++;
        assert_true(column <= 80);
    }
}

static void find_usage(void **state) {
    struct fixture *f = *state;
    assert_int_equal(RUN(find_command, "find", "--key", "H"), CLI_USAGE);
    assert_int_equal(RUN(find_command, "find", "--key", ""), CLI_USAGE);
    assert_int_equal(RUN(find_command, "find", "--key", ",,"), CLI_USAGE);
    assert_int_equal(RUN(find_command, "find", "--key="), CLI_USAGE);
    assert_int_equal(RUN(find_command, "find", "--bpm"), CLI_USAGE);
    assert_int_equal(RUN(find_command, "find", "--bogus"), CLI_USAGE);
    assert_int_equal(RUN(find_command, "find", "--limit", "0"), CLI_USAGE);
    assert_int_equal(RUN(find_command, "find", "--sort", "colour"), CLI_USAGE);
    assert_int_equal(RUN(find_command, "find", "--compatible"), CLI_USAGE);
    assert_int_equal(RUN(find_command, "find", "--octaves"), CLI_USAGE);
    assert_int_equal(RUN(find_command, "find", "--json", "--paths"), CLI_USAGE);
    assert_int_equal(RUN(find_command, "find", ""),
                     CLI_SOME_FAILED); /* no words, no condition; and there is nothing here */
    assert_int_equal(RUN(find_command, "find", "--text", " "), CLI_SOME_FAILED);
    struct fixture nowhere = {.path = "/nowhere/catalogue.db"};
    f = &nowhere;
    assert_int_equal(RUN(find_command, "find"), CLI_CANNOT_RUN);
}

static void find_below_a_folder(void **state) {
    struct fixture *f = *state;
    struct fixture_file file = fixture_scan(f, "/gone/caf\xe9\n/a.wav", "a", "a", 1);
    fixture_finish(f, &file);
    assert_int_equal(RUN(find_command, "find", "--under", "/"), CLI_OK);
    assert_int_equal(RUN(find_command, "find", "--under", "/gone"), CLI_OK);
    assert_int_equal(RUN(find_command, "find", "--under", "/gone/caf\xe9\n/"), CLI_OK); /* as text, "caf??" */
    assert_int_equal(RUN(find_command, "find", "--under", "/gone/caf"), CLI_SOME_FAILED);
    assert_int_equal(RUN(find_command, "find", "--under", ""), CLI_USAGE);
}

static void show_says_everything(void **state) {
    struct fixture *f = *state;
    fill(f);
    assert_int_equal(ON_TERMINAL(80, show_command, "show", "drum, \"loop\".wav"), CLI_OK);
    const char *const parts[] = {"done",       "120.0 bpm",
                                 "A minor 8A", "pcm_s16",
                                 "1000 Hz",    "title \"Song\"",
                                 "no idea",    "\xe2\x96\x88" /* a block of the waveform */,
                                 "m music",    "region 1, 2.0 s to 3.0 s"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(output, parts[i])) fail_msg("\"%s\" is missing from:\n%s", parts[i], output);
    assert_int_equal(RUN(show_command, "show", "/s/drum, \"loop\".wav#1"), CLI_OK);
    assert_null(strstr(output, "region 0"));
    assert_null(strstr(output, "\xe2\x96\x88"));
    assert_int_equal(RUN(show_command, "show", "broken.wav"), CLI_OK);
    assert_non_null(strstr(output, "failed: the file is empty"));
    assert_int_equal(RUN(show_command, "show", "other.wav"), CLI_SOME_FAILED);
    assert_int_equal(RUN(show_command, "show"), CLI_USAGE);
    assert_int_equal(RUN(show_command, "show", "--"), CLI_USAGE);
    assert_int_equal(RUN(show_command, "show", "--no-draw", "--", "broken.wav"), CLI_OK);
    assert_int_equal(RUN(show_command, "show", "--", "broken.wav", "--"),
                     CLI_SOME_FAILED); /* behind it, all are names */
    assert_int_equal(RUN(show_command, "show", "--json", "drum, \"loop\".wav"), CLI_OK);
    cJSON *json = json_parse(output, strlen(output) - 1, sizeof output, 20, NULL);
    const cJSON *region = cJSON_GetArrayItem(json_member(json, "regions"), 1);
    const cJSON *result = cJSON_GetArrayItem(json_member(region, "results"), 1);
    assert_string_equal(json_string(result, "outcome", ""), "failed");
    assert_string_equal(json_string(result, "reason", ""), "no idea");
    cJSON_Delete(json);
}

static void durations(void **state) {
    (void)state;
    static const struct {
        double seconds;
        const char *text;
    } cases[] = {{0, "0.0 s"},      {0.0002, "1 ms"},  {0.005, "5 ms"}, {0.0945, "95 ms"},
                 {0.0951, "0.1 s"}, {59.94, "59.9 s"}, {59.96, "1:00"}, {-1, "0.0 s"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[32];
        assert_string_equal(cli_duration(cases[i].seconds, text, sizeof text), cases[i].text);
    }
}

/* What is short is said, also inside of objects; of what is long, how much there is. */
static void results_in_words(void **state) {
    (void)state;
    static const char text[] =
        "{\"bpm\":96.5,\"grid\":{\"start\":0,\"deep\":{\"deeper\":{\"deepest\":{\"a\":1}}}},\"many\":"
        "[1,2,3,4,5,6,7],\"few\":[1,2],\"outputs\":{\"onsets\":{\"times\":[1,2],\"count\":2},\"none\":{}},\"keys\":"
        "[{\"start\":0,\"end\":62,\"key\":\"C major\"},{\"start\":62,\"end\":90,\"key\":\"D major\"}],\"chords\":[{\"chord\":\"N\"}]}";
    char *said = NULL;
    size_t size = 0;
    cJSON *result = json_parse(text, sizeof text - 1, sizeof text, 20, NULL);
    FILE *out = open_memstream(&said, &size);
    assert_non_null(result);
    assert_non_null(out);
    result_text_print(out, result, NULL, 2, 64);
    fclose(out);
    assert_string_equal(said, "  bpm 96.5 \u00b7 grid (start 0, deep (deeper (deepest 1 member)))\n"
                              "  many 7 entries \u00b7 few 1, 2\n"
                              "  outputs (onsets (times 1, 2, count 2), none 0 members)\n"
                              "  keys 0.0 s C major, 1:02 D major \u00b7 chords 1 entry\n");
    free(said);
    cJSON_Delete(result);
}

/* How alike, and not the sound itself: neither as a file nor as the region that stands for it. */
static void find_similar(void **state) {
    struct fixture *f = *state;
    fixture_plugin(
        f, "e",
        "{\"type\":\"object\",\"properties\":{\"embedding\":{\"type\":\"object\",\"additionalProperties\":true,"
        "\"x-summary\":{\"as\":\"embedding\",\"rule\":\"longest\"}}}}");
    static const char *const vectors[] = {"[1,0]", "[3,4]", "[0,1]"};
    for (int i = 0; i < 3; i++) {
        char path[20], json[100];
        snprintf(path, sizeof path, "/s/%d.wav", i);
        snprintf(json, sizeof json, "{\"embedding\":{\"model\":\"m\",\"version\":1,\"hash\":\"h\",\"catalogue\":%s}}",
                 vectors[i]);
        struct fixture_file file = fixture_scan(f, path, path, path, 1);
        fixture_result(f, file.regions[0], "e", "i", json);
        fixture_finish(f, &file);
    }
    assert_int_equal(RUN(find_command, "find", "--similar", "0.wav"), CLI_OK);
    assert_non_null(strstr(output, " 0.60  /s/1.wav\n"));
    assert_non_null(strstr(output, " 0.00  /s/2.wav\n"));
    assert_null(strstr(output, "/s/0.wav"));
    assert_int_equal(RUN(find_command, "find", "--similar", "0.wav", "--regions", "--csv"), CLI_OK);
    assert_non_null(strstr(output, ",similarity\r\n"));
    assert_non_null(strstr(output, ",done,0.6"));
    assert_null(strstr(output, "/s/0.wav"));
    assert_int_equal(RUN(find_command, "find", "--similar", "0.wav#0", "--regions", "--limit", "1", "--paths"), CLI_OK);
    assert_string_equal(output, "/s/1.wav\n");
    assert_int_equal(RUN(export_command, "export", "--similar", "0.wav", "--csv", "--limit", "1"), CLI_OK);
    assert_non_null(strstr(output, ",bytes_hash,similarity\r\n"));
    assert_non_null(strstr(output, ",0.600000024\r\n"));
    assert_int_equal(RUN_SAYS(find_command, "find", "--similar", "9.wav"), CLI_SOME_FAILED);
    assert_non_null(strstr(complaint, "9.wav: not in the catalogue"));
    assert_int_equal(RUN_SAYS(export_command, "export", "--csv", "--similar", "0.wav#7"), CLI_SOME_FAILED);
    assert_non_null(strstr(complaint, "no region 7"));
    struct fixture_file copy = fixture_scan(f, "/s/copy.wav", "/s/0.wav", "/s/0.wav", 1);
    fixture_finish(f, &copy);
    for (int regions = 0; regions < 2; regions++) {
        assert_int_equal(
            RUN(find_command, "find", "--similar", "0.wav", "--limit", "2", "--paths", regions ? "--regions" : "--"),
            CLI_OK);
        assert_string_equal(output, "/s/copy.wav\n/s/1.wav\n");
    }
}

/* The reason is said, not what would have helped another sound. */
static void nothing_to_compare_by(void **state) {
    struct fixture *f = *state;
    struct error error = {0};
    fill(f);
    assert_int_equal(RUN_SAYS(find_command, "find", "--similar", "broken.wav"), CLI_CANNOT_RUN);
    assert_non_null(strstr(complaint, "could not be analysed"));
    assert_non_null(strstr(complaint, "the file is empty"));
    struct fixture_file silent = fixture_scan(f, "/s/silent.wav", "s", "s", 0);
    assert_true(store_file_finish(f->catalogue, silent.file, FILE_EMPTY, NULL, &silent.stat, NULL, &error));
    assert_int_equal(RUN_SAYS(find_command, "find", "--similar", "silent.wav"), CLI_CANNOT_RUN);
    assert_non_null(strstr(complaint, "it is silent"));
    assert_int_equal(RUN_SAYS(find_command, "find", "--similar", "drum, \"loop\".wav"), CLI_CANNOT_RUN);
    assert_non_null(strstr(complaint, "features plugin"));
}

/* Whoever finds nothing is told which labels there are, and that some files failed. */
static void nothing_found_says_why(void **state) {
    struct fixture *f = *state;
    fill(f);
    assert_int_equal(RUN_SAYS(find_command, "find", "--label", "drum,bass"), CLI_SOME_FAILED);
    assert_non_null(strstr(complaint, "no sound has the label \"drum,bass\" (several: "));
    assert_non_null(strstr(complaint, "have been heard: drums, music\n"));
    assert_int_equal(RUN_SAYS(find_command, "find", "--value", "crest=18-"), CLI_SOME_FAILED);
    assert_non_null(
        strstr(complaint, "\n  no plugin makes a value \"crest\"\n  there are: bpm, key, label, timeline\n"));
    assert_int_equal(RUN_SAYS(find_command, "find", "broken"), CLI_SOME_FAILED);
    assert_string_equal(complaint, "nothing found\n  1 file failed: `sonde status --problems` says why\n");
    fixture_run(f, "UPDATE files SET status = 'missing' WHERE status = 'failed'");
    assert_int_equal(RUN_SAYS(find_command, "find", "--label", "Music", "--bpm", "7"), CLI_SOME_FAILED);
    assert_string_equal(complaint, "nothing found\n");
}

/* Words on a stretch say where they are, also when the region under them is gone. */
static void show_says_what_is_unanchored(void **state) {
    struct fixture *f = *state;
    struct error error = {0};
    struct fixture_file file = fixture_scan(f, "/s/a.wav", "a", "a", 2);
    fixture_finish(f, &file);
    const struct edit_place second = {file.audio, file.regions[1]};
    assert_true(edit_tag(f->catalogue, &second, "owl", &error));
    assert_true(edit_set(f->catalogue, &second, "bpm", "99", &error));
    assert_int_equal(RUN(show_command, "show", "a.wav"), CLI_OK);
    assert_non_null(strstr(output, "yours: bpm 99, 2.0 s to 3.0 s, on region 1"));
    assert_null(strstr(output, "unanchored"));
    (void)fixture_scan(f, "/s/a.wav", "a", "a", 1); /* another segmentation: only the first stretch is there */
    assert_int_equal(RUN(show_command, "show", "a.wav"), CLI_OK);
    assert_non_null(strstr(output, "yours: tag owl, 2.0 s to 3.0 s, unanchored"));
    assert_int_equal(RUN(show_command, "show", "--json", "a.wav"), CLI_OK);
    cJSON *json = json_parse(output, strlen(output) - 1, sizeof output, 20, NULL);
    assert_int_equal(json_integer(cJSON_GetArrayItem(json_member(json, "edits"), 0), "unanchored", 0), 1);
    assert_int_equal(json_integer(cJSON_GetArrayItem(json_member(json, "tags"), 0), "unanchored", 0), 1);
    cJSON_Delete(json);
}

/* A title in a file, a label and a reason: none of them may command the terminal. */
static void escapes_do_not_reach_the_terminal(void **state) {
    struct fixture *f = *state;
    fill(f);
    fixture_run(f, "UPDATE contents SET facts = json_set(facts, '$.title', char(27) || ']0;owned' || char(7))");
    fixture_run(
        f,
        "UPDATE region_analysis SET reason = 'a' || char(27) || '[2J', result = json_set(result, '$.x', char(155) || 'x')"
        " WHERE outcome = 'ok'");
    fixture_run(f, "UPDATE audio_summary SET label = char(27) || '[31m'");
    fixture_run(f, "UPDATE region_summary SET label = char(27) || '[31m'");
    fixture_run(f, "UPDATE files SET path_text = path_text || char(8238) || 'gpj' WHERE path_text LIKE '%drum%'");
    const char *const names[] = {"drum, \"loop\".wav"};
    assert_int_equal(ON_TERMINAL(80, show_command, "show", "--all", names[0]), CLI_OK);
    assert_non_null(strstr(output, "owned"));
    assert_null(strchr(output, 27));
    assert_null(strstr(output, "\xc2\x9b"));
    assert_int_equal(ON_TERMINAL(80, find_command, "find"), CLI_OK);
    assert_null(strchr(output, 27));
    assert_null(strstr(output, "\u202e"));
    assert_non_null(strstr(output, "\ufffdgpj\n"));
}

static void kind_of_content_where_no_label_is_sure(void **state) {
    struct fixture *f = *state;
    fill(f);
    fixture_run(f, "UPDATE audio_summary SET label = 'unknown', content = 'music'");
    assert_int_equal(RUN(find_command, "find"), CLI_OK);
    assert_non_null(strstr(output, "(music) "));
    assert_null(strstr(output, "unknown"));
    fixture_run(f, "UPDATE audio_summary SET content = NULL");
    assert_int_equal(RUN(find_command, "find"), CLI_OK);
    assert_non_null(strstr(output, "unknown "));
    fixture_run(f, "UPDATE audio_summary SET label = 'drums', content = 'music'");
    assert_int_equal(RUN(find_command, "find"), CLI_OK);
    assert_non_null(strstr(output, "drums "));
}

/* A sound of two regions: the classifier has heard the first, only the timeline the second. */
static void fill_segments(const struct fixture *f) {
    fixture_plugin(f, "classifier",
                   "{\"type\":\"object\",\"properties\":{\"classes\":{\"type\":\"array\",\"x-summary\":{\"as\":"
                   "\"classes\",\"rule\":\"union\"}},\"groups\":{\"type\":\"array\",\"x-summary\":{\"as\":\"groups\","
                   "\"rule\":\"union\"}}}}");
    fixture_plugin(
        f, "content_timeline",
        "{\"type\":\"object\",\"properties\":{\"label\":{\"type\":\"string\",\"x-summary\":{\"as\":"
        "\"content\",\"rule\":\"mode\"}},\"segments\":{\"type\":\"array\",\"x-summary\":{\"as\":\"timeline\",\"rule\":"
        "\"concat\"},\"items\":{\"type\":\"object\",\"properties\":{\"label\":{\"type\":\"string\"}}}}}}");
    struct fixture_file a = fixture_scan(f, "/s/walk.wav", "a", "a", 2);
    fixture_provide(
        f, a.regions[0], "content_timeline", "content_timeline/1",
        "{\"label\":\"environment\",\"segments\":[{\"start\":0,\"end\":1,\"label\":\"environment\",\"confidence\":1}]}");
    fixture_provide(
        f, a.regions[0], "classifier", "classifier/1",
        "{\"classes\":[\"dog bark\",\"unknown\"],\"groups\":[\"animals\",\"weather, water and fire\"],\"segments\":["
        "{\"start\":0,\"end\":0.25,\"label\":\"dog bark\",\"group\":\"animals\",\"content\":\"environment\","
        "\"confidence\":0.5},{\"start\":0.25,\"end\":1,\"label\":\"unknown\",\"group\":\"weather, water and fire\","
        "\"content\":\"environment\",\"confidence\":0.75},{\"start\":\"soon\",\"end\":1,\"label\":\"dog bark\"},\"odd\",7,null]}");
    fixture_provide(
        f, a.regions[1], "content_timeline", "content_timeline/1",
        "{\"label\":\"speech\",\"segments\":[{\"start\":2,\"end\":2.5,\"label\":\"speech over music\",\"confidence\":0.9},"
        "{\"start\":2.5,\"end\":3,\"label\":\"music\"}]}");
    fixture_finish(f, &a);
    struct fixture_file b = fixture_scan(f, "/s/silent.wav", "b", "b", 1);
    fixture_finish(f, &b);
}

static void find_segments(void **state) {
    struct fixture *f = *state;
    fill_segments(f);
    assert_int_equal(RUN(find_command, "find", "--segments", "--csv"), CLI_OK);
    assert_string_equal(output, "path,region,start,end,label,group,content,confidence\r\n"
                                "/s/walk.wav,0,0,0.25,dog bark,animals,environment,0.5\r\n"
                                "/s/walk.wav,0,0.25,1,unknown,\"weather, water and fire\",environment,0.75\r\n"
                                "/s/walk.wav,1,2,2.5,,,speech over music,0.9\r\n"
                                "/s/walk.wav,1,2.5,3,,,music,\r\n");
    static const struct {
        const char *label;
        int n;
        double start;
    } wanted[] = {
        {"Dog Bark", 1, 0},    {"animals", 1, 0}, {"weather", 1, .25},         {"weather, water and fire", 0, 0},
        {"environment", 2, 0}, {"speech", 1, 2},  {"Speech over music", 1, 2}, {"music", 2, 2},
        {"rain", 0, 0}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        assert_int_equal(RUN(find_command, "find", "--segments", "--json", "--label", wanted[i].label),
                         wanted[i].n ? CLI_OK : CLI_SOME_FAILED);
        cJSON *json = json_parse(output, output_length, sizeof output, 20, NULL);
        assert_int_equal(cJSON_GetArraySize(json), wanted[i].n);
        if (wanted[i].n) assert_true(json_number(cJSON_GetArrayItem(json, 0), "start", -1) == wanted[i].start);
        cJSON_Delete(json);
    }
    assert_string_equal(
        fixture_text(f, "SELECT group_concat(name || ': ' || source, ', ') FROM (SELECT name, source FROM tags"
                        " ORDER BY name LIMIT -1)"),
        "animals: classifier, dog bark: classifier, environment: content_timeline, music: content_timeline,"
        " speech: content_timeline, speech over music: content_timeline, unknown: classifier,"
        " weather: classifier");
    assert_int_equal(RUN(find_command, "find", "--segments", "--paths", "--limit", "3"), CLI_OK);
    assert_string_equal(output, "/s/walk.wav\n/s/walk.wav\n/s/walk.wav\n");
    assert_int_equal(ON_TERMINAL(100, find_command, "find", "--segments", "--limit", "3"), CLI_OK);
    assert_non_null(strstr(output, "dog bark          environment             0.50  /s/walk.wav#0\n"));
    assert_non_null(strstr(output, "(weather)         environment             0.75  /s/walk.wav#0\n"));
    assert_non_null(strstr(output, "-                 speech over music       0.90  /s/walk.wav#1\n3 segments\n"));
    assert_int_equal(RUN(find_command, "find", "--segments", "--label", "nothing", "--json"), CLI_SOME_FAILED);
    assert_string_equal(output, "[]\n");
    assert_int_equal(RUN(find_command, "find", "--segments", "--regions"), CLI_USAGE);
    fixture_run(f, "PRAGMA ignore_check_constraints = ON");
    fixture_run(f, "UPDATE region_analysis SET result = '{'");
    assert_int_equal(RUN(find_command, "find", "--segments"), CLI_CANNOT_RUN);
}

/* A user's word on a region is what its segments are called, whatever plugins heard there. */
static void find_segments_by_a_users_label(void **state) {
    struct fixture *f = *state;
    struct error error;
    fill_segments(f);
    const struct edit_place second = {fixture_number(f, "SELECT audio_id FROM sound_regions WHERE region = 1"),
                                      fixture_number(f, "SELECT region_id FROM sound_regions WHERE region = 1")},
                            first = {second.audio,
                                     fixture_number(f, "SELECT region_id FROM sound_regions WHERE region = 0"
                                                       " AND path = '/s/walk.wav'")};
    assert_true(edit_set(f->catalogue, &second, "label", "owl", &error));
    assert_int_equal(RUN(find_command, "find", "--segments", "--csv", "--label", "owl"), CLI_OK);
    assert_string_equal(output, "path,region,start,end,label,group,content,confidence\r\n"
                                "/s/walk.wav,1,2,2.5,owl,,speech over music,1\r\n"
                                "/s/walk.wav,1,2.5,3,owl,,music,1\r\n");
    assert_true(edit_set(f->catalogue, &first, "label", "fox", &error));
    assert_int_equal(RUN(find_command, "find", "--segments", "--label", "dog bark"), CLI_SOME_FAILED);
    assert_int_equal(RUN(find_command, "find", "--segments", "--label", "fox"), CLI_OK);
    assert_int_equal(RUN(find_command, "find", "--label", "fox"), CLI_OK);
    assert_int_equal(RUN(show_command, "show", "walk.wav"), CLI_OK);
    char *heard = strstr(output, "  heard: ");
    assert_non_null(heard);
    heard[strcspn(heard, "\n")] = '\0';
    assert_non_null(strstr(heard, "dog bark"));
    assert_null(strstr(heard, "fox")); /* nobody did */
}

static void status_counts(void **state) {
    struct fixture *f = *state;
    fill(f);
    assert_int_equal(RUN(status_command, "status", "--json"), CLI_OK);
    cJSON *json = json_parse(output, strlen(output) - 1, sizeof output, 20, NULL);
    assert_int_equal(json_integer(json, "files", 0), 3);
    assert_int_equal(json_integer(json_member(json, "by_status"), "failed", 0), 1);
    assert_int_equal(json_integer(json_member(json, "problems"), "failed", 0), 2); /* a file, and a result */
    assert_true(json_bool(json, "writing", false));
    assert_int_equal(json_integer(json, "writer_pid", 0), getpid());
    cJSON_Delete(json);
    assert_int_equal(RUN(status_command, "status"), CLI_OK);
    assert_non_null(strstr(output, "3: 2 done, 1 failed"));
    assert_non_null(strstr(output, "\nproblems   2 failed (`sonde status --problems` says which, and why)\n"));
    /* sizes that have no sum */
    fixture_run(f, "INSERT OR REPLACE INTO queue (file_id, state, priority, arrival, due, size, mtime_ns)"
                   " SELECT file_id, 'waiting', 0, file_id, 0, 9223372036854775807, 0 FROM files");
    assert_int_equal(RUN(status_command, "status", "--json"), CLI_OK);
    json = json_parse(output, strlen(output) - 1, sizeof output, 20, NULL);
    assert_int_equal(json_integer(json_member(json, "queue"), "waiting", 0), 3);
    cJSON_Delete(json);
}

/* What isn't as the last run would have it; what failed, or waits, is no matter of that. */
static void status_counts_what_is_stale(void **state) {
    struct fixture *f = *state;
    struct error error = {0};
    fill(f);
    fixture_run(f, "UPDATE files SET profile = 'old'");
    assert_int_equal(RUN(status_command, "status"), CLI_OK);
    assert_null(strstr(output, "stale"));
    assert_true(store_profile(f->catalogue, "old", &error) && store_profile(f->catalogue, "new", &error));
    fixture_run(f, "UPDATE files SET profile = 'new' WHERE path_text LIKE '%drum%'");
    assert_int_equal(RUN(status_command, "status"), CLI_OK);
    assert_non_null(strstr(
        output, "\nstale      1 file, for the last run had other plugins or parameters (`sonde analyze --stale`"));
    assert_true(store_profile(f->catalogue, "old", &error) && store_profile(f->catalogue, "even newer", &error));
    assert_int_equal(RUN(status_command, "status", "--json"), CLI_OK);
    cJSON *json = json_parse(output, strlen(output) - 1, sizeof output, 20, NULL);
    assert_int_equal(json_integer(json, "stale", 0), 2);
    assert_int_equal(json_integer(json, "again", -1), 0);
    assert_false(json_bool(json, "paused", false));
    cJSON_Delete(json);
    fixture_run(f,
                "UPDATE files SET profile = '' WHERE path_text LIKE '%drum%'"); /* a result of it failed in passing */
    assert_int_equal(RUN(status_command, "status"), CLI_OK);
    assert_non_null(strstr(output, "\nstale      1 file, "));
    assert_non_null(strstr(output, "\nagain      1 file, "));
}

/* What the decoder had to say of a file is in all that is said of it, and no reason to try again. */
static void warnings_are_said_everywhere(void **state) {
    struct fixture *f = *state;
    struct fixture_file file = fixture_scan(f, "/s/cut.wav", "c", "c", 1);
    fixture_finish(f, &file);
    fixture_run(f, "UPDATE audio SET warnings = '[\"it ends early\"]'");
    assert_int_equal(RUN(status_command, "status", "--problems"), CLI_OK);
    assert_string_equal(output, "/s/cut.wav: warning: it ends early\n");
    assert_int_equal(RUN(status_command, "status", "--problems", "-0"), CLI_SOME_FAILED);
    assert_int_equal(RUN(status_command, "status"), CLI_OK);
    assert_non_null(strstr(output, "\nproblems   1 warning (`sonde"));
    assert_int_equal(RUN(show_command, "show", "--json", "cut.wav"), CLI_OK);
    assert_non_null(strstr(output, "\"warnings\":[\"it ends early\"]"));
    assert_int_equal(RUN(export_command, "export", "--csv"), CLI_OK);
    assert_non_null(strstr(output, ",done,it ends early,"));
}

static void status_lists_problems(void **state) {
    struct fixture *f = *state;
    assert_int_equal(RUN(status_command, "status", "--problems"), CLI_SOME_FAILED);
    assert_string_equal(output, "");
    fill(f);
    assert_int_equal(RUN(status_command, "status", "--problems"), CLI_OK);
    assert_string_equal(
        output, "/s/broken.wav: failed: the file is empty\n/s/drum, \"loop\".wav, region 1, q: failed: no idea\n");
    assert_int_equal(RUN(status_command, "status"), CLI_OK);
    assert_non_null(strstr(output, "`sonde status --problems` says which, and why"));
    fixture_run(f, "UPDATE files SET status = 'missing' WHERE status = 'failed'");
    fixture_run(f, "UPDATE files SET status = 'failed' WHERE path_text LIKE '%\xe6\x97\xa5%'");
    assert_int_equal(RUN(status_command, "status", "--problems", "-0"), CLI_OK);
    assert_int_equal(output_length, 36);
    assert_memory_equal(output, "/s/drum, \"loop\".wav\0/s/\xff\n\xe6\x97\xa5\xe6\x9c\xac.wav\0", 36);
    assert_int_equal(RUN(status_command, "status", "--problems", "--json"), CLI_OK);
    char *end = strrchr(output, '\n'), *last = NULL;
    *end = '\0';
    last = strrchr(output, '\n') + 1;
    cJSON *json = json_parse(last, strlen(last), sizeof output, 20, NULL);
    assert_string_equal(json_string(json, "outcome", ""), "failed");
    assert_string_equal(json_string(json, "path_hex", ""), "2f732fff0ae697a5e69cac2e776176");
    assert_true(cJSON_IsNull(json_member(json, "plugin")));
    cJSON_Delete(json);
    assert_int_equal(RUN(status_command, "status", "-0"), CLI_USAGE);
    assert_int_equal(RUN(status_command, "status", "--problems", "--json", "-0"), CLI_USAGE);
    assert_int_equal(RUN(status_command, "status", "--issues"), CLI_USAGE);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(find_formats),
        TEST(find_marks_what_is_missing),
        TEST(find_fits_the_terminal),
        TEST(find_usage),
        TEST(find_below_a_folder),
        TEST(show_says_everything),
        TEST(kind_of_content_where_no_label_is_sure),
        TEST(find_segments),
        TEST(find_segments_by_a_users_label),
        TEST(status_counts),
        TEST(status_counts_what_is_stale),
        TEST(warnings_are_said_everywhere),
        TEST(status_lists_problems),
        TEST(escapes_do_not_reach_the_terminal),
        TEST(show_says_what_is_unanchored),
        cmocka_unit_test(results_in_words),
        cmocka_unit_test(durations),
        TEST(find_similar),
        TEST(nothing_to_compare_by),
        TEST(nothing_found_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
