#include "engine/cli/selection.h"

#include "engine/base/text.h"
#include "engine/catalogue/keys.h"
#include "engine/catalogue/lookup.h"
#include "engine/catalogue/sql.h"
#include "engine/cli/cells.h"
#include "engine/cli/ranges.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void selection_init(struct selection *selection) {
    *selection = (struct selection){0};
    query_init(&selection->query);
}

#define SOME_KEYS "Am, \"A minor\", F#, Bb or 8A"

static bool add_keys(struct selection *selection, const char *value, struct error *error) {
    char *copy = strdup(value), *rest = NULL;
    if (!copy) return error_memory(error);
    bool fine = value[strspn(value, ",")] != '\0' || error_set(error, "--key: name one; say " SOME_KEYS);
    for (char *word = strtok_r(copy, ",", &rest); word && fine; word = strtok_r(NULL, ",", &rest)) {
        int key = keys_parse(word);
        if (key >= 0)
            selection->query.keys |= 1u << key;
        else
            fine = error_set(error, "--key %s: no key that I know; say " SOME_KEYS, word);
    }
    free(copy);
    return fine;
}

static bool add_word(const char *words[QUERY_WORDS], size_t *count, const char *value, struct error *error) {
    if (*count == QUERY_WORDS) return error_set(error, "at most %d labels or tags", QUERY_WORDS);
    words[(*count)++] = value;
    return true;
}

bool selection_add_text(struct selection *selection, const char *word, struct error *error) {
    size_t used = strlen(selection->text), n = strlen(word);
    if (used + n + 2 > sizeof selection->text) return error_set(error, "too many words");
    if (used > 0) strcpy(selection->text + used, " ");
    strcat(selection->text, word);
    selection->query.text = selection->text;
    return true;
}

static bool set_sort(struct selection *selection, const char *value, struct error *error) {
    bool down = value[0] == '-';
    int sort = query_sort_parse(value + down);
    if (sort < 0)
        return error_set(error,
                         "--sort %s: there are path, name, bpm, key, label, duration, loudness, added, "
                         "modified, confidence and value",
                         value);
    selection->query.sort = (enum query_sort)sort;
    selection->query.descending = down;
    return true;
}

static bool set_limit(struct selection *selection, const char *value, struct error *error) {
    char *end = NULL;
    long long limit = strtoll(value, &end, 10);
    if (end == value || *end || limit < 1) return error_set(error, "--limit %s: should be a number from 1 up", value);
    selection->query.limit = limit;
    return true;
}

/* "crest=18-", "meter=3/4", "crest". What looks like a number is a range, and all else text. */
static bool add_measure(struct selection *selection, const char *value, struct error *error) {
    struct query *query = &selection->query;
    const char *equals = strchr(value, '=');
    size_t n = strspn(value, QUERY_NAME_LETTERS), i = query->measures_count;
    if (i == QUERY_WORDS) return error_set(error, "at most %d values", QUERY_WORDS);
    if (n == 0 || n >= sizeof selection->measures[i] || value[n] != (equals ? '=' : '\0') || (equals && !equals[1]))
        return error_set(error, "--value %s: should be like crest=18-, meter=3/4 or crest", value);
    struct query_measure *measure = &query->measures[i];
    *measure = (struct query_measure){.name = selection->measures[i], .range = {NAN, NAN}};
    bool is_range = equals && equals[1 + strspn(equals + 1, "0123456789.+-")] == '\0';
    if (is_range && !range_parse(equals + 1, RANGE_LEVEL, 0.05, &measure->range, error)) return false;
    if (equals && !is_range) measure->text = equals + 1;
    memcpy(selection->measures[i], value, n);
    query->measures_count++;
    return true;
}

/* As text, for that is what the paths of the catalogue are compared as. */
static bool set_folder(struct selection *selection, const char *value, struct error *error) {
    char real[PATH_MAX];
    if (!value[0]) return error_set(error, "--under: name a folder");
    const char *path = realpath(value, real) ? real : value; /* a folder that is gone may still be in the catalogue */
    char *text = text_display(path, strlen(path));
    if (!text) return error_memory(error);
    bool fits = strlen(text) < sizeof selection->folder;
    if (fits) strcpy(selection->folder, text);
    free(text);
    selection->query.under = selection->folder;
    return fits || error_set(error, "--under: the path is too long");
}

/* An option that takes a value. */
static bool take_value(struct selection *selection, const char *name, const char *value, struct error *error) {
    struct query *query = &selection->query;
    if (strcmp(name, "--bpm") == 0) return range_parse(value, RANGE_NUMBER, 0.01, &query->bpm, error);
    if (strcmp(name, "--key") == 0) return add_keys(selection, value, error);
    if (strcmp(name, "--label") == 0) return add_word(query->labels, &query->labels_count, value, error);
    if (strcmp(name, "--tag") == 0) return add_word(query->tags, &query->tags_count, value, error);
    if (strcmp(name, "--text") == 0) return selection_add_text(selection, value, error);
    if (strcmp(name, "--duration") == 0) return range_parse(value, RANGE_DURATION, 0.05, &query->duration, error);
    if (strcmp(name, "--loudness") == 0) return range_parse(value, RANGE_LEVEL, 0.05, &query->loudness, error);
    if (strcmp(name, "--value") == 0) return add_measure(selection, value, error);
    if (strcmp(name, "--modified") == 0) return range_parse(value, RANGE_DATE, 0, &query->modified, error);
    if (strcmp(name, "--added") == 0) return range_parse(value, RANGE_DATE, 0, &query->added, error);
    if (strcmp(name, "--under") == 0) return set_folder(selection, value, error);
    if (strcmp(name, "--similar") == 0) return (selection->similar = value) != NULL;
    if (strcmp(name, "--sort") == 0) return set_sort(selection, value, error);
    return set_limit(selection, value, error);
}

static bool wants_value(const char *name) {
    static const char *const names[] = {"--bpm",      "--key",      "--label",    "--tag",   "--text",
                                        "--duration", "--loudness", "--modified", "--under", "--sort",
                                        "--limit",    "--similar",  "--added",    "--value"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

static bool take_flag(struct selection *selection, const char *name, bool *taken) {
    struct query *query = &selection->query;
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {{"--octaves", &query->octaves},
                 {"--compatible", &selection->compatible},
                 {"--missing", &query->missing},
                 {"--duplicates", &query->duplicates},
                 {"--regions", &query->regions}};
    *taken = false;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (strcmp(name, flags[i].name) != 0) continue;
        *flags[i].flag = *taken = true;
    }
    return true;
}

bool selection_take(struct selection *selection, int argc, char **argv, int *i, bool *taken, struct error *error) {
    char name[32];
    const char *argument = argv[*i], *equals = strchr(argument, '=');
    size_t n = equals ? (size_t)(equals - argument) : strlen(argument);
    *taken = true;
    if (argument[0] != '-' || argument[1] == '\0') return selection_add_text(selection, argument, error);
    if (n >= sizeof name) return error_set(error, "%s: no such option", argument);
    memcpy(name, argument, n);
    name[n] = '\0';
    if (!wants_value(name)) return take_flag(selection, argument, taken);
    if (equals) return take_value(selection, name, equals + 1, error);
    if (*i + 1 >= argc) return error_set(error, "%s lacks its value", name);
    return take_value(selection, name, argv[++*i], error);
}

bool selection_finish(struct selection *selection, struct error *error) {
    uint32_t keys = selection->query.keys;
    for (int key = 0; selection->compatible && key < KEYS_COUNT; key++)
        if (keys & 1u << key) selection->query.keys |= keys_neighbours(key);
    const struct query_range *bpm = &selection->query.bpm;
    if (selection->query.duplicates && !selection->similar) {
        if (selection->query.sort != QUERY_BY_PATH || selection->query.descending)
            return error_set(error, "--duplicates come sound by sound: without --sort");
        selection->query.sort = QUERY_BY_SOUND;
    }
    if (selection->query.octaves && isnan(bpm->low) && isnan(bpm->high))
        return error_set(error, "--octaves needs --bpm");
    if (selection->query.sort == QUERY_BY_MEASURE && selection->query.measures_count == 0)
        return error_set(error, "--sort value needs --value");
    return !selection->compatible || keys != 0 || error_set(error, "--compatible needs --key");
}

/* Why there is nothing to compare a sound by: what has failed or is silent, no plugin has heard. */
static bool explain(struct catalogue *catalogue, const char *name, int64_t file, struct error *error) {
    sqlite3_stmt *from = sql_bind(catalogue, error, "SELECT status, status_reason FROM files WHERE file_id = ?", "i",
                                  file);
    bool row = false;
    if (!from || !sql_step(catalogue, from, &row, error) || !row) return false;
    const char *status = sql_text(from, 0), *reason = sql_text(from, 1);
    if (status && strcmp(status, "failed") == 0)
        error_set(error, "%s: it could not be analysed, so there is nothing to compare by: %s", name,
                  reason ? reason : "no reason was given");
    else if (status && strcmp(status, "empty") == 0)
        error_set(error, "%s: it is silent, so there is nothing to compare by", name);
    (void)sqlite3_reset(from);
    return false;
}

bool selection_resolve(struct selection *selection, struct catalogue *catalogue, struct error *error) {
    struct lookup file;
    struct query *query = &selection->query;
    if (!selection->similar) return true;
    selection->unknown = !lookup_find(catalogue, selection->similar, &file, error);
    if (selection->unknown) return false;
    if (!similar_load(catalogue, file.audio, file.region, &selection->vector, error))
        return explain(catalogue, selection->similar, file.file, error);
    query->similar_to = &selection->vector;
    query->similar_file = file.file;
    query->similar_audio = file.audio;
    query->similar_region = file.region;
    if (file.region == 0 && !sql_number(catalogue, error, &query->similar_region,
                                        "SELECT region_id FROM audio_vectors WHERE audio_id = ?", "i", file.audio))
        return false;
    if (query->limit < 0) query->limit = 20;
    return true;
}

/* ----------------------------------------------------------------------------------------------------- nothing found */

#define HEARD                                                                                                          \
    "SELECT name, count(*) AS n FROM tags WHERE automatic AND name <> 'unknown' GROUP BY name ORDER BY n DESC, name"

/* What `sql` makes one text of, after an introduction. */
static void list_names(struct catalogue *catalogue, const char *introduction, const char *sql) {
    sqlite3_stmt *from = sql_bind(catalogue, NULL, sql, "");
    bool row = false;
    if (!from || !sql_step(catalogue, from, &row, NULL) || !row) return;
    if (sql_text(from, 0)) {
        fprintf(stderr, "  %s", introduction);
        cells_put(stderr, sql_text(from, 0));
        fputc('\n', stderr);
    }
    (void)sqlite3_reset(from);
}

/* All names of values: those of the rules in the plugins' schemas. */
#define MEASURES                                                                                                       \
    "(SELECT json_extract(p.value, '$.x-summary.as') AS name FROM plugins, json_each(schema, '$.properties') AS p"     \
    " UNION SELECT json_extract(p.value, '$.x-summary.confidence_as') FROM plugins, json_each(schema, '$.properties')" \
    " AS p ORDER BY 1)"

bool selection_knows_values(struct catalogue *catalogue, const char *const *names, size_t count) {
    bool known = true;
    for (size_t i = 0; i < count; i++) {
        int64_t there = 1;
        if (!sql_number(catalogue, NULL, &there, "SELECT EXISTS (SELECT 1 FROM " MEASURES " WHERE name = ?)", "t",
                        names[i]) ||
            there)
            continue;
        fprintf(stderr, "  no plugin makes a value \"%s\"\n", names[i]);
        known = false;
    }
    if (!known) list_names(catalogue, "there are: ", "SELECT group_concat(name, ', ') FROM " MEASURES);
    return known;
}

void selection_found_nothing(const struct selection *selection, struct catalogue *catalogue) {
    const struct query *query = &selection->query;
    const char *names[QUERY_WORDS];
    int64_t failed = 0, there = 1;
    bool strange = false;
    fputs("nothing found\n", stderr);
    for (size_t i = 0; i < query->labels_count; i++) {
        if (!sql_number(catalogue, NULL, &there, "SELECT EXISTS (SELECT 1 FROM tags WHERE name = ? AND automatic)", "t",
                        query->labels[i]) ||
            there)
            continue;
        fprintf(stderr, "  no sound has the label \"%s\"%s\n", query->labels[i],
                strchr(query->labels[i], ',') ? " (several: --label kick --label snare)" : "");
        strange = true;
    }
    if (strange)
        list_names(catalogue, "the most frequent that have been heard: ",
                   "SELECT group_concat(name, ', ') FROM (" HEARD " LIMIT 40)");
    for (size_t i = 0; i < query->measures_count; i++) names[i] = query->measures[i].name;
    (void)selection_knows_values(catalogue, names, query->measures_count);
    if (query->text && sql_number(catalogue, NULL, &failed, "SELECT count(*) FROM files WHERE status = 'failed'", "") &&
        failed > 0)
        fprintf(stderr, "  %lld file%s failed: `sonde status --problems` says why\n", (long long)failed,
                failed == 1 ? "" : "s");
}
