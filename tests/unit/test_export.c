/* sonde export: columns, members and namespaces as schema/export.md has them; whole files or none; memory that stays the same.
 * Argument: the document. */
#include "tests/unit/catalogue_fixture.h"

#include "engine/base/json.h"
#include "engine/catalogue/edit.h"
#include "engine/cli/commands.h"

#include <dirent.h>
#include <math.h>
#include <regex.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char *document_path;

/* -------------------------------------------------------------------------------------------------------------- rig */

/* Runs the command, its standard output in `to`; NULL: nowhere. */
static int run_to(const struct fixture *f, const char *to, const char *const *words) {
    char *argv[20] = {strdup("export")};
    int argc = 1;
    for (; words[argc - 1]; argc++) assert_non_null(argv[argc] = strdup(words[argc - 1]));
    fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    assert_non_null(freopen(to ? to : "/dev/null", "w", stdout));
    const struct cli cli = {.catalogue = f->path, .width = 100};
    int code = export_command(argc, argv, &cli);
    fflush(stdout);
    assert_true(dup2(saved, STDOUT_FILENO) >= 0);
    close(saved);
    for (int i = 0; i < argc; i++) free(argv[i]);
    return code;
}

static char *text_of(const char *path) {
    FILE *file = fopen(path, "rb");
    char *text = calloc(1, 1 << 22);
    if (!file || !text) fail_msg("can't read %s", path);
    (void)!fread(text, 1, (1 << 22) - 1, file);
    fclose(file);
    return text;
}

static char *output_of(const struct fixture *f, int expected, const char *const *words) {
    char path[160];
    snprintf(path, sizeof path, "%s/out", f->folder);
    assert_int_equal(run_to(f, path, words), expected);
    return text_of(path);
}

#define EXPORT(code, ...)  output_of(f, code, (const char *const[]){__VA_ARGS__, NULL})
#define EXPORT_TO(to, ...) run_to(f, to, (const char *const[]){__VA_ARGS__, NULL})

static cJSON *parsed(const char *text, size_t n) {
    struct error error = {0};
    cJSON *json = json_parse(text, n, 1 << 22, 40, &error);
    if (!json) fail_msg("%s: %.*s", error.text, (int)(n < 2000 ? n : 2000), text);
    return json;
}

static void fill(const struct fixture *f) {
    fixture_plugin(f, "tempo_meter",
                   "{\"type\":\"object\",\"properties\":{\"bpm\":{\"type\":\"number\",\"x-unit\":\"bpm\",\"x-summary\":"
                   "{\"as\":\"bpm\",\"rule\":\"longest\"}}}}");
    fixture_plugin(
        f, "key",
        "{\"type\":\"object\",\"properties\":{\"key\":{\"type\":\"string\",\"x-summary\":{\"as\":\"key\",\"rule\":"
        "\"longest\"}}}}");
    struct fixture_file a = fixture_scan(f, "/s/a, \"b\".wav", "a", "a", 2);
    fixture_provide(f, a.regions[0], "tempo_meter", "tempo_meter/1",
                    "{\"bpm\":120,\"bpm_confidence\":0.5,\"beats\":[0.1,0.2,0.3,0.4,0.5],\"downbeats\":[0.2,0.4]}");
    fixture_provide(f, a.regions[1], "tempo_meter", "tempo_meter/1",
                    "{\"bpm\":60,\"bpm_confidence\":2,\"beats\":[2.5]}");
    fixture_provide(
        f, a.regions[0], "key", "key/1",
        "{\"key\":\"Db major\",\"key_confidence\":0.9,\"keys\":[{\"start\":0,\"end\":1,\"key\":\"Db major\",\"strength\":"
        "0.8}],\"chords\":[\"odd\",7,{\"start\":0,\"end\":0.5,\"chord\":\"N\",\"fit\":0},{\"start\":0.5,\"end\":1,\"chord\":"
        "\"F#:min7\",\"fit\":0.7}]}");
    fixture_provide(f, a.regions[1], "key", "key/1",
                    "{\"key\":\"A minor\",\"key_confidence\":0.4,\"keys\":[],\"chords\":[]}");
    fixture_provide(f, a.regions[0], "content_timeline", "content_timeline/1",
                    "{\"segments\":[{\"start\":0,\"end\":1,\"label\":\"music \\\"x\\\"\",\"confidence\":0.6}]}");
    fixture_finish(f, &a);
    struct fixture_file b = fixture_scan(f, "/s/\xff\xe6\x97\xa5.wav", "b", "b", 1);
    fixture_finish(f, &b);
    struct error error;
    const struct edit_place whole = {a.audio, 0}, stretch = {a.audio, a.regions[1]};
    assert_true(edit_tag(f->catalogue, &whole, "mine \"too\"", &error));
    assert_true(edit_tag(f->catalogue, &stretch, "there", &error));
    assert_true(edit_set(f->catalogue, &stretch, "bpm", "61.5", &error));
}

/* -------------------------------------------------------------------------------------------------------------- CSV */

/* The next field of a line of CSV; *text moves behind it. */
static char *field(const char **text) {
    static char out[4096];
    size_t n = 0;
    const char *c = *text;
    if (*c == '"') {
        for (c++; *c && (*c != '"' || c[1] == '"'); c++) {
            c += *c == '"';
            out[n++] = *c;
        }
        c++;
    } else {
        for (; *c && *c != ',' && *c != '\r'; c++) out[n++] = *c;
    }
    out[n] = '\0';
    *text = c + (*c == ',');
    return out;
}

/* The value in the column of this name on line `line` (from 0, the header not counted). */
static const char *cell(const char *csv, int line, const char *name) {
    const char *head = csv, *row = csv;
    for (int i = 0; i <= line; i++) {
        row = strstr(row, "\r\n");
        if (!row) fail_msg("there is no line %d", line);
        row += 2;
    }
    while (*head != '\r') {
        bool found = strcmp(field(&head), name) == 0;
        const char *value = field(&row);
        if (found) return value;
    }
    fail_msg("there is no column %s", name);
    return NULL;
}

static void csv_has_the_documented_columns(void **state) {
    struct fixture *f = *state;
    fill(f);
    char *document = text_of(document_path), *files = EXPORT(CLI_OK, "--csv"),
         *regions = EXPORT(CLI_OK, "--csv", "--regions"), row[100];
    const char *at = regions;
    int columns = 0, described = 0;
    while (*at != '\r') {
        snprintf(row, sizeof row, "\n| `%.80s` |", field(&at));
        if (!strstr(document, row)) fail_msg("%s isn't described", row + 1);
        columns++;
    }
    char *csv = strstr(document, "\n## CSV"), *end = strstr(document, "\n## JSON");
    assert_true(csv && end);
    for (; (csv = strstr(csv, "\n| `")) && csv < end; csv++) described++;
    assert_int_equal(columns, described);
    assert_string_equal(cell(files, 0, "path"), "/s/a, \"b\".wav");
    assert_string_equal(cell(files, 0, "path_hex"), "");
    assert_string_equal(cell(files, 0, "bpm"), "120.0");
    assert_string_equal(cell(files, 0, "camelot"), "3B");
    assert_string_equal(cell(files, 0, "tags"), "mine \"too\",there");
    assert_string_equal(cell(files, 0, "rate"), "1000");
    assert_string_equal(cell(files, 1, "path_hex"), "2f732fffe697a52e776176");
    assert_string_equal(cell(files, 1, "bpm"), "");
    assert_string_equal(cell(regions, 0, "tags"), "mine \"too\"");
    assert_string_equal(cell(regions, 1, "bpm"), "61.5");
    assert_string_equal(cell(regions, 1, "bpm_source"), "user");
    assert_string_equal(cell(regions, 1, "start"), "2.0");
    assert_string_equal(cell(regions, 1, "key"), "A minor");
    free(document);
    free(files);
    free(regions);
    char *few = EXPORT(CLI_OK, "--csv", "--regions", "--key", "Am");
    assert_string_equal(cell(few, 0, "region"), "1");
    assert_non_null(strstr(strstr(few, "\r\n") + 2, "\r\n"));
    free(few);
    few = EXPORT(CLI_SOME_FAILED, "--csv", "--label", "nothing");
    assert_string_equal(strstr(few, "\r\n"), "\r\n");
    free(few);
}

/* Any value of a plugin as a column, of files and of regions; what there is none of is empty. */
static void csv_has_columns_that_were_asked_for(void **state) {
    struct fixture *f = *state;
    fill(f);
    fixture_run(
        f,
        "UPDATE plugins SET schema = json_set(schema, '$.properties.swing', json('{\"x-summary\":{\"as\":\"swing\"}}'),"
        " '$.properties.words', json('{\"x-summary\":{\"as\":\"words\"}}')) WHERE plugin = 'tempo_meter'");
    fixture_run(f,
                "UPDATE audio_summary SET summary = json_set(summary, '$.swing', 0.25, '$.words', json('[\"a, b\",1]'))"
                " WHERE audio_id = (SELECT min(audio_id) FROM audio_summary)");
    fixture_run(f, "UPDATE region_summary SET summary = json_set(summary, '$.swing', region_id / 8.0)");
    char *csv = EXPORT(CLI_OK, "--csv", "--columns", "swing,words,crest,swing", "--columns=bpm_confidence");
    assert_non_null(strstr(csv, ",bytes_hash,swing,words\r\n"));
    assert_string_equal(cell(csv, 0, "swing"), "0.25");
    assert_string_equal(cell(csv, 0, "words"), "[\"a, b\",1]");
    assert_string_equal(cell(csv, 1, "swing"), "");
    assert_string_equal(cell(csv, 1, "path_hex"), "2f732fffe697a52e776176");
    free(csv);
    csv = EXPORT(CLI_OK, "--csv", "--regions", "--columns", "swing");
    assert_string_equal(cell(csv, 0, "swing"), "0.125");
    assert_string_equal(cell(csv, 1, "swing"), "0.25");
    assert_string_equal(cell(csv, 1, "bpm"), "61.5");
    free(csv);
    free(EXPORT(CLI_SOME_FAILED, "--csv", "--columns", "swing,never"));
    free(EXPORT(CLI_SOME_FAILED, "--csv", "--columns", "start"));
    free(EXPORT(CLI_USAGE, "--csv", "--columns", "swing,"));
    free(EXPORT(CLI_USAGE, "--csv", "--columns", "$.swing"));
    free(EXPORT(CLI_USAGE, "--csv", "--columns"));
    free(EXPORT(CLI_USAGE, "--json", "--columns", "swing"));
}

/* ------------------------------------------------------------------------------------------------------------- JSON */

static void json_is_one_array(void **state) {
    struct fixture *f = *state;
    fill(f);
    char *text = EXPORT(CLI_OK, "--json");
    cJSON *json = parsed(text, strlen(text) - 1);
    assert_int_equal(cJSON_GetArraySize(json), 2);
    const cJSON *first = cJSON_GetArrayItem(json, 0);
    assert_string_equal(json_string(first, "path", ""), "/s/a, \"b\".wav");
    assert_int_equal(cJSON_GetArraySize(json_member(first, "regions")), 2);
    assert_int_equal(cJSON_GetArraySize(json_member(cJSON_GetArrayItem(json_member(first, "regions"), 0), "results")),
                     3);
    assert_int_equal(cJSON_GetArraySize(json_member(first, "tags")), 2);
    cJSON_Delete(json);
    free(text);
    text = EXPORT(CLI_OK, "--json", "--regions", "--sort", "-bpm");
    json = parsed(text, strlen(text) - 1);
    assert_int_equal(cJSON_GetArraySize(json), 3);
    const cJSON *second = cJSON_GetArrayItem(json_member(cJSON_GetArrayItem(json, 1), "regions"), 0);
    assert_int_equal(json_integer(second, "region", -1), 1);
    cJSON_Delete(json);
    free(text);
    text = EXPORT(CLI_SOME_FAILED, "--json", "nothing");
    assert_string_equal(text, "[]\n");
    free(text);
}

/* ------------------------------------------------------------------------------------------------------------- JAMS */

static void assert_matches(const char *text, const char *pattern) {
    regex_t regex;
    assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
    if (regexec(&regex, text, 0, NULL, 0) != 0) fail_msg("%s doesn't match %s", text, pattern);
    regfree(&regex);
}

/* What the namespaces of JAMS 0.3 ask of a value and its confidence. */
static void check_observation(const char *namespace, const cJSON *observation) {
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(observation, "value"),
                *confidence = cJSON_GetObjectItemCaseSensitive(observation, "confidence");
    assert_true(json_number(observation, "time", -1) >= 0);
    assert_true(json_number(observation, "duration", -1) >= 0);
    assert_non_null(value);
    assert_non_null(confidence);
    if (strcmp(namespace, "beat") == 0) {
        assert_true(cJSON_IsNumber(value) || cJSON_IsNull(value));
    } else if (strcmp(namespace, "tempo") == 0) {
        assert_true(cJSON_IsNumber(value) && value->valuedouble >= 0);
        assert_true(cJSON_IsNumber(confidence) && confidence->valuedouble >= 0 && confidence->valuedouble <= 1);
    } else {
        assert_true(cJSON_IsString(value));
        if (strcmp(namespace, "key_mode") == 0)
            assert_matches(value->valuestring, "^(N|[A-G][b#]?(:(major|minor))?)$");
        else if (strcmp(namespace, "chord") == 0)
            assert_matches(value->valuestring, "^(N|X|[A-G](b*|#*)(:(maj|min|dim|aug|sus2|sus4|7|maj7|min7))?)$");
        else
            assert_true(strcmp(namespace, "segment_open") == 0 || strcmp(namespace, "tag_open") == 0);
    }
}

/* The members that the schema of JAMS 0.3 asks for, with their types. */
static void check_jams(const cJSON *jams) {
    static const char *const texts[] = {"corpus",           "version",    "annotation_tools",
                                        "annotation_rules", "validation", "data_source"};
    const cJSON *file = json_member(jams, "file_metadata"), *annotation = NULL, *observation = NULL;
    assert_non_null(json_string(file, "title", NULL));
    assert_non_null(json_string(file, "artist", NULL));
    assert_non_null(json_string(file, "release", NULL));
    assert_matches(json_string(file, "jams_version", ""), "^[0-9].[0-9].[0-9]$");
    assert_true(json_number(file, "duration", -1) >= 0);
    assert_true(cJSON_IsObject(json_member(file, "identifiers")) && cJSON_IsObject(json_member(jams, "sandbox")));
    assert_true(cJSON_IsArray(json_member(jams, "annotations")));
    cJSON_ArrayForEach(annotation, json_member(jams, "annotations")) {
        const cJSON *about = json_member(annotation, "annotation_metadata"), *data = json_member(annotation, "data");
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) assert_non_null(json_string(about, texts[i], NULL));
        assert_non_null(json_string(json_member(about, "curator"), "email", NULL));
        assert_non_null(json_string(json_member(about, "curator"), "name", NULL));
        assert_true(cJSON_IsObject(json_member(about, "annotator")) &&
                    cJSON_IsObject(json_member(annotation, "sandbox")));
        assert_true(json_number(annotation, "time", -1) >= 0 && json_number(annotation, "duration", -1) >= 0);
        assert_true(cJSON_GetArraySize(data) > 0);
        cJSON_ArrayForEach(observation, data) check_observation(json_string(annotation, "namespace", ""), observation);
    }
}

/* The data of the only annotation of this namespace by this tool and from this source. */
static const cJSON *data_of(const cJSON *jams, const char *namespace, const char *tool, const char *source) {
    const cJSON *annotation = NULL, *found = NULL;
    cJSON_ArrayForEach(annotation, json_member(jams, "annotations")) {
        const cJSON *about = json_member(annotation, "annotation_metadata");
        if (strcmp(json_string(annotation, "namespace", ""), namespace) == 0 &&
            strcmp(json_string(about, "annotation_tools", ""), tool) == 0 &&
            strcmp(json_string(about, "data_source", ""), source) == 0) {
            assert_null(found);
            found = json_member(annotation, "data");
        }
    }
    if (!found) fail_msg("there is no %s by %s", namespace, tool);
    return found;
}

static double number(const cJSON *data, int index, const char *name) {
    return json_number(cJSON_GetArrayItem(data, index), name, NAN);
}

static void jams_is_valid(void **state) {
    struct fixture *f = *state;
    fill(f);
    char *text = EXPORT(CLI_OK, "--jams"), *second = strchr(text, '\n') + 1;
    cJSON *jams = parsed(text, (size_t)(second - text - 1)), *other = parsed(second, strlen(second) - 1);
    check_jams(jams);
    check_jams(other);
    const cJSON *beats = data_of(jams, "beat", "tempo_meter", "program");
    assert_int_equal(cJSON_GetArraySize(beats), 6);
    static const double places[] = {NAN, 1, 2, 1, 2, NAN};
    for (int i = 0; i < 6; i++)
        assert_true(isnan(places[i]) ? isnan(number(beats, i, "value")) : number(beats, i, "value") == places[i]);
    const cJSON *tempo = data_of(jams, "tempo", "tempo_meter", "program");
    assert_true(number(tempo, 1, "time") == 2 && number(tempo, 1, "duration") == 1 && number(tempo, 1, "value") == 60);
    const cJSON *keys = data_of(jams, "key_mode", "key", "program");
    assert_string_equal(json_string(cJSON_GetArrayItem(keys, 0), "value", ""), "Db:major");
    assert_string_equal(json_string(cJSON_GetArrayItem(keys, 1), "value", ""), "A:minor");
    assert_int_equal(cJSON_GetArraySize(data_of(jams, "chord", "key", "program")), 2);
    const cJSON *segments = data_of(jams, "segment_open", "content_timeline", "program");
    assert_string_equal(json_string(cJSON_GetArrayItem(segments, 0), "value", ""), "music \"x\"");
    assert_true(number(data_of(jams, "tempo", "sonde", "user"), 0, "value") == 61.5);
    const cJSON *tags = data_of(jams, "tag_open", "sonde", "user");
    assert_int_equal(cJSON_GetArraySize(tags), 2);
    assert_true(number(tags, 0, "duration") == 20 && number(tags, 1, "time") == 2);
    cJSON_Delete(jams);
    cJSON_Delete(other);
    free(text);
    text = EXPORT(CLI_OK, "--jams", "--regions", "--key", "Am");
    jams = parsed(text, strlen(text) - 1);
    check_jams(jams);
    assert_int_equal(cJSON_GetArraySize(data_of(jams, "tempo", "tempo_meter", "program")), 1);
    cJSON_Delete(jams);
    free(text);
}

/* A label that a user has set is found as tags are, but no plugin heard it. */
static void what_users_say_is_not_heard(void **state) {
    struct fixture *f = *state;
    struct error error;
    fixture_plugin(f, "classifier",
                   "{\"type\":\"object\",\"properties\":{\"classes\":{\"type\":\"array\",\"x-summary\":{\"as\":"
                   "\"classes\",\"rule\":\"union\"}}}}");
    struct fixture_file a = fixture_scan(f, "/s/a.wav", "a", "a", 1);
    fixture_provide(f, a.regions[0], "classifier", "classifier/1", "{\"classes\":[\"kick\"]}");
    fixture_finish(f, &a);
    const struct edit_place whole = {a.audio, 0};
    assert_true(edit_set(f->catalogue, &whole, "label", "snare", &error));
    assert_true(edit_set(f->catalogue, &whole, "bpm", "none", &error));
    assert_true(edit_set(f->catalogue, &whole, "key", "none", &error));
    char *text = EXPORT(CLI_OK, "--csv", "--label", "snare");
    assert_string_equal(cell(text, 0, "heard"), "kick");
    free(text);
    text = EXPORT(CLI_OK, "--jams");
    cJSON *jams = parsed(text, strlen(text) - 1);
    check_jams(jams);
    const cJSON *heard = data_of(jams, "tag_open", "sonde", "program"),
                *said = data_of(jams, "tag_open", "sonde", "user");
    assert_int_equal(cJSON_GetArraySize(heard), 1);
    assert_string_equal(json_string(cJSON_GetArrayItem(heard, 0), "value", ""), "kick");
    assert_int_equal(cJSON_GetArraySize(said), 1);
    assert_string_equal(json_string(cJSON_GetArrayItem(said, 0), "value", ""), "snare");
    const cJSON *keys = data_of(jams, "key_mode", "sonde", "user");
    assert_string_equal(json_string(cJSON_GetArrayItem(keys, 0), "value", ""), "N");
    assert_null(strstr(text, "\"tempo\""));
    cJSON_Delete(jams);
    free(text);
}

/* The results of another plugin, with other kinds of values under the names that are read: left out, and the rest stands. */
static void jams_of_odd_results(void **state) {
    struct fixture *f = *state;
    struct fixture_file a = fixture_scan(f, "/s/a.wav", "a", "a", 2);
    fixture_provide(
        f, a.regions[0], "odd.tempo", "tempo_meter/1",
        "{\"bpm\":\"fast, or \\\"presto\\\"\",\"bpm_confidence\":\"very\",\"beats\":[\"x\",0.5,null,{\"a\":1},[2]]}");
    fixture_provide(f, a.regions[1], "odd.tempo", "tempo_meter/1",
                    "{\"bpm\":90,\"bpm_confidence\":\"very\",\"beats\":\"none\",\"downbeats\":{\"a\":7}}");
    fixture_provide(
        f, a.regions[0], "odd.key", "key/1",
        "{\"key\":{\"root\":\"A\"},\"keys\":[{\"start\":\"0\",\"end\":1,\"key\":\"A minor\"},{\"start\":0.25,\"end\":\"x\","
        "\"key\":\"D major\",\"strength\":\"so\"},{\"start\":0,\"end\":1,\"key\":7},{\"start\":0,\"end\":1}],"
        "\"chords\":[{\"start\":0,\"end\":1,\"chord\":null},{\"start\":0,\"end\":1,\"chord\":[\"F\"],\"fit\":true}]}");
    fixture_provide(f, a.regions[1], "odd.key", "key/1", "{\"key\":12,\"key_confidence\":[]}");
    fixture_provide(
        f, a.regions[0], "odd.labels", "classifier/1",
        "{\"segments\":{\"a\":{\"start\":0,\"end\":1,\"label\":\"owl\",\"confidence\":{\"b\":1}},\"c\":{\"start\":0,\"label\":1}}}");
    fixture_finish(f, &a);
    char *text = EXPORT(CLI_OK, "--jams");
    cJSON *jams = parsed(text, strlen(text) - 1);
    check_jams(jams);
    const cJSON *beats = data_of(jams, "beat", "odd.tempo", "program"),
                *tempo = data_of(jams, "tempo", "odd.tempo", "program"),
                *keys = data_of(jams, "key_mode", "odd.key", "program"),
                *segments = data_of(jams, "segment_open", "odd.labels", "program");
    assert_int_equal(cJSON_GetArraySize(json_member(jams, "annotations")), 4);
    assert_int_equal(cJSON_GetArraySize(beats), 1);
    assert_true(number(beats, 0, "time") == 0.5);
    assert_int_equal(cJSON_GetArraySize(tempo), 1);
    assert_true(number(tempo, 0, "value") == 90 && number(tempo, 0, "confidence") == 0);
    assert_int_equal(cJSON_GetArraySize(keys), 1);
    assert_string_equal(json_string(cJSON_GetArrayItem(keys, 0), "value", ""), "D:major");
    assert_true(number(keys, 0, "duration") == 0 && isnan(number(keys, 0, "confidence")));
    assert_int_equal(cJSON_GetArraySize(segments), 1);
    assert_true(isnan(number(segments, 0, "confidence")));
    cJSON_Delete(jams);
    free(text);
}

static void jams_into_a_folder(void **state) {
    struct fixture *f = *state;
    fill(f);
    char folder[160], path[600];
    snprintf(folder, sizeof folder, "%s/jams", f->folder);
    snprintf(path, sizeof path, "mkdir '%s'", folder);
    assert_int_equal(system(path), 0);
    assert_int_equal(EXPORT_TO(NULL, "--jams", "-o", folder), CLI_OK);
    assert_int_equal(EXPORT_TO(NULL, "--csv", "-o", folder), CLI_CANNOT_RUN);
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    int files = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        char *text = text_of(path);
        cJSON *jams = parsed(text, strlen(text) - 1);
        check_jams(jams);
        cJSON_Delete(jams);
        free(text);
        files++;
    }
    closedir(dir);
    assert_int_equal(files, 2);
}

/* --------------------------------------------------------------------------------------------------- whole or not at all */

static void a_file_is_whole_or_not_there(void **state) {
    struct fixture *f = *state;
    fill(f);
    char path[160];
    snprintf(path, sizeof path, "%s/export.json", f->folder);
    FILE *old = fopen(path, "w");
    assert_non_null(old);
    fputs("old", old);
    fclose(old);
    pid_t child = fork();
    if (child == 0) { /* as on a full disk */
        const struct rlimit limit = {1000, 1000};
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        _exit(EXPORT_TO(NULL, "--json", "-o", path));
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), CLI_CANNOT_RUN);
    char *text = text_of(path);
    assert_string_equal(text, "old");
    free(text);
    char command[300];
    snprintf(command, sizeof command, "test $(ls '%s' | grep -c export.json) = 1", f->folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(EXPORT_TO(NULL, "--json", "-o", path), CLI_OK);
    text = text_of(path);
    cJSON_Delete(parsed(text, strlen(text) - 1));
    free(text);
    assert_int_equal(EXPORT_TO(NULL, "--json", "-o", f->path), CLI_CANNOT_RUN); /* the catalogue itself */
    assert_int_equal(EXPORT_TO(NULL, "--json", "-o", "/nowhere/x"), CLI_CANNOT_RUN);
    text = EXPORT(CLI_OK, "--json", "-o", "-"); /* as everywhere: standard output */
    cJSON_Delete(parsed(text, strlen(text) - 1));
    free(text);
    assert_int_not_equal(access("-", F_OK), 0);
    assert_int_equal(EXPORT_TO(NULL, "--json", "-o", "/dev/full"), CLI_CANNOT_RUN);
    assert_int_equal(EXPORT_TO("/dev/full", "--json"), CLI_OK); /* main reports what became of standard output */
    assert_int_equal(EXPORT_TO(NULL, "--csv", "--json"), CLI_USAGE);
    assert_int_equal(EXPORT_TO(NULL, "--key", "Am"), CLI_USAGE);
    assert_int_equal(fixture_number(f, "SELECT count(*) FROM files"), 2);
}

/* ------------------------------------------------------------------------------------------------------------ memory */

/* `n` files of two regions each. */
static void fill_many(const struct fixture *f, int n) {
    char sql[2000];
    snprintf(
        sql, sizeof sql,
        "BEGIN; CREATE TEMP TABLE n AS WITH RECURSIVE c(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM c WHERE i < %d)"
        " SELECT i, printf('%%032x', i) AS hash, printf('/somewhere/%%06d/%%0900d.wav', i, i) AS"
        " path FROM c;"
        "INSERT INTO audio (audio_id, audio_hash, rate, channels, frames, decoder, decoder_version, segmenter, scanned)"
        " SELECT i, hash, 1000, 1, 20000, 'd', '1', 's', 0 FROM n;"
        "INSERT INTO contents (content_id, bytes_hash, audio_id, size, facts, created) SELECT i, hash, i, 1, '{}', 0 FROM n;"
        "INSERT INTO files (file_id, path, path_text, name, status, content_id, size, mtime_ns, device, inode, added, seen)"
        " SELECT i, CAST(path AS BLOB), path, 'x', 'done', i, 1, 1, 1, i, 0, 0 FROM n;",
        n);
    fixture_run(f, sql);
    fixture_run(
        f,
        "INSERT INTO regions (region_id, audio_id, current, position, part, parts, rate, start_frame, end_frame,"
        " sound_start_frame, sound_end_frame, segmenter) SELECT 2 * i + k.value, i, 1, k.value, 0, 1, 1000,"
        " 3000 * k.value, 3000 * k.value + 1000, 0, 1, 's' FROM n, json_each('[0,1]') AS k;"
        "INSERT INTO region_summary (region_id, audio_id, start_frame, bpm, duration, summary)"
        " SELECT region_id, audio_id, start_frame, 120, 1, '{}' FROM regions;"
        "INSERT INTO audio_summary (audio_id, bpm, duration, regions, summary, updated) SELECT i, 120, 20, 2, '{}', 0"
        " FROM n; COMMIT; DROP TABLE n; ANALYZE");
}

static int64_t highest_memory(const struct fixture *f, const char *const *words) {
    (void)sqlite3_memory_highwater(1);
    int64_t before = sqlite3_memory_used();
    assert_int_equal(run_to(f, NULL, words), CLI_OK);
    return sqlite3_memory_highwater(0) - before;
}

/* Ten times the rows, the same memory: all that is allocated for rows comes from SQLite. The page cache is left out of the
 * comparison by filling it in both. */
static void memory_does_not_grow(void **state) {
    struct fixture *f = *state;
    static const char *const files[] = {"--csv", NULL}, *const regions[] = {"--csv", "--regions", NULL},
                             *const bpm[] = {"--csv", "--regions", "--bpm", "100-", NULL};
    static const char *const *const exports[] = {files, regions, bpm};
    struct fixture small = *f;
    char path[140];
    snprintf(path, sizeof path, "%s/small.db", f->folder);
    memcpy(small.path, path, strlen(path) + 1);
    struct error error = {0};
    small.catalogue = catalogue_open(small.path, CATALOGUE_WRITE, &error);
    assert_non_null(small.catalogue);
    fill_many(&small, 600);
    fill_many(f, 6000);
    int64_t cache = 16000 * 1024; /* of a reader */
    for (size_t i = 0; i < sizeof exports / sizeof *exports; i++) {
        int64_t few = highest_memory(&small, exports[i]), many = highest_memory(f, exports[i]);
        if (many > cache + 2 * 1024 * 1024 + few / 4)
            fail_msg("export %zu: %lld bytes for 6000 files, %lld for 600", i, (long long)many, (long long)few);
    }
    catalogue_close(small.catalogue);
}

int main(int argc, char **argv) {
    document_path = argc > 1 ? argv[1] : "schema/export.md";
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(csv_has_the_documented_columns),
        TEST(csv_has_columns_that_were_asked_for),
        TEST(json_is_one_array),
        TEST(jams_is_valid),
        TEST(what_users_say_is_not_heard),
        TEST(jams_of_odd_results),
        TEST(jams_into_a_folder),
        TEST(a_file_is_whole_or_not_there),
        TEST(memory_does_not_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
