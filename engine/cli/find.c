/* sonde find: questions to the catalogue. */
#include "engine/catalogue/keys.h"
#include "engine/catalogue/lookup.h"
#include "engine/catalogue/query.h"
#include "engine/cli/commands.h"
#include "engine/cli/ranges.h"
#include "engine/cli/rows.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

const char find_help[] =
    "usage: sonde find [conditions] [--regions] [--sort ORDER] [--limit N] [--json | --csv | --paths | -0]\n\n"
    "Lists the sounds of the catalogue that meet all conditions.\n\n"
    "  TEXT...              words, each the beginning of one in path, tags, labels, title, artist, album or comment\n"
    "  --bpm RANGE          118-122, 120 (within 1 %), 90- (from), ..100 (up to)\n"
    "  --octaves            with --bpm: half and double of it too\n"
    "  --key KEY            Am, \"A minor\", F#, Bb, 8A (Camelot), 1m (Open Key); several with commas between them\n"
    "  --compatible         with --key: the keys that mix well with it too (relative, fifth above and below)\n"
    "  --label LABEL        drums, speech, music, loop ...: what plugins heard; several mean any of them\n"
    "  --tag TAG            a tag of yours or a plugin's; several mean all of them\n"
    "  --duration RANGE     seconds, or 1:30-2:00, 90s, 10m-\n"
    "  --loudness RANGE     LUFS, with two dots: -20..-10\n"
    "  --modified RANGE     date of the file: 2024-05-01, 2024-01..2024-06, 7d.. (the last seven days), today\n"
    "  --similar FILE       sounds alike, the most alike first (20 of them); FILE#2: like its region 2\n"
    "  --under FOLDER       below this folder\n"
    "  --missing            files that are gone, too\n\n"
    "  --regions            a row for each region instead of each file\n"
    "  --sort ORDER         path, name, bpm, key, label, duration, loudness, added, modified or confidence; -ORDER:"
    " descending\n"
    "  --limit N            at most N rows\n"
    "  --json               one JSON array, with all values of the summary\n"
    "  --csv                comma-separated values with a header\n"
    "  --paths              one path a line;  -0: paths with a zero byte behind each, for xargs -0\n\n"
    "Examples:\n"
    "  sonde find --bpm 118-122 --octaves --key Am --compatible\n"
    "  sonde find --label speech --duration 10- --sort -duration\n"
    "  sonde find kick --paths | while read -r f; do play \"$f\"; done\n\n"
    "Exit code 1 when nothing was found.\n";

/* What the command line said; `folder` is memory of its own. */
struct request {
    struct query query;
    enum rows_style style;
    bool compatible;
    char text[4096];
    char folder[PATH_MAX];
    const char *similar; /* the name of a file or region */
    struct similar vector;
};

static bool add_keys(struct request *request, const char *value, struct error *error) {
    char *copy = strdup(value), *rest = NULL;
    if (!copy) return error_memory(error);
    bool fine = true;
    for (char *word = strtok_r(copy, ",", &rest); word && fine; word = strtok_r(NULL, ",", &rest)) {
        int key = keys_parse(word);
        if (key >= 0)
            request->query.keys |= 1u << key;
        else
            fine = error_set(error, "--key %s: no key that I know; say Am, \"A minor\", F#, Bb or 8A", word);
    }
    free(copy);
    return fine;
}

static bool add_word(const char *words[QUERY_WORDS], size_t *count, const char *value, struct error *error) {
    if (*count == QUERY_WORDS) return error_set(error, "at most %d labels or tags", QUERY_WORDS);
    words[(*count)++] = value;
    return true;
}

static bool add_text(struct request *request, const char *word, struct error *error) {
    size_t used = strlen(request->text), n = strlen(word);
    if (used + n + 2 > sizeof request->text) return error_set(error, "too many words");
    if (used > 0) strcpy(request->text + used, " ");
    strcat(request->text, word);
    request->query.text = request->text;
    return true;
}

static bool set_sort(struct request *request, const char *value, struct error *error) {
    bool down = value[0] == '-';
    int sort = query_sort_parse(value + down);
    if (sort < 0)
        return error_set(error,
                         "--sort %s: there are path, name, bpm, key, label, duration, loudness, added, "
                         "modified and confidence",
                         value);
    request->query.sort = (enum query_sort)sort;
    request->query.descending = down;
    return true;
}

static bool set_limit(struct request *request, const char *value, struct error *error) {
    char *end = NULL;
    long long limit = strtoll(value, &end, 10);
    if (end == value || *end || limit < 1) return error_set(error, "--limit %s: should be a number from 1 up", value);
    request->query.limit = limit;
    return true;
}

static bool set_folder(struct request *request, const char *value, struct error *error) {
    if (!realpath(value, request->folder)) {
        if (strlen(value) >= sizeof request->folder) return error_set(error, "--under: the path is too long");
        strcpy(request->folder, value); /* a folder that is gone may still be in the catalogue */
    }
    request->query.under = request->folder;
    return true;
}

/* An option that takes a value. */
static bool take_value(struct request *request, const char *name, const char *value, struct error *error) {
    struct query *query = &request->query;
    if (strcmp(name, "--bpm") == 0) return range_parse(value, RANGE_NUMBER, 0.01, &query->bpm, error);
    if (strcmp(name, "--key") == 0) return add_keys(request, value, error);
    if (strcmp(name, "--label") == 0) return add_word(query->labels, &query->labels_count, value, error);
    if (strcmp(name, "--tag") == 0) return add_word(query->tags, &query->tags_count, value, error);
    if (strcmp(name, "--text") == 0) return add_text(request, value, error);
    if (strcmp(name, "--duration") == 0) return range_parse(value, RANGE_DURATION, 0.05, &query->duration, error);
    if (strcmp(name, "--loudness") == 0) return range_parse(value, RANGE_NUMBER, 0.05, &query->loudness, error);
    if (strcmp(name, "--modified") == 0) return range_parse(value, RANGE_DATE, 0, &query->modified, error);
    if (strcmp(name, "--under") == 0) return set_folder(request, value, error);
    if (strcmp(name, "--similar") == 0) return (request->similar = value) != NULL;
    if (strcmp(name, "--sort") == 0) return set_sort(request, value, error);
    return set_limit(request, value, error);
}

static bool wants_value(const char *name) {
    static const char *const names[] = {"--bpm",      "--key",      "--label", "--tag",  "--text",  "--duration",
                                        "--loudness", "--modified", "--under", "--sort", "--limit", "--similar"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

static bool take_flag(struct request *request, const char *name, struct error *error) {
    if (strcmp(name, "--octaves") == 0)
        request->query.octaves = true;
    else if (strcmp(name, "--compatible") == 0)
        request->compatible = true;
    else if (strcmp(name, "--missing") == 0)
        request->query.missing = true;
    else if (strcmp(name, "--regions") == 0)
        request->query.regions = true;
    else if (strcmp(name, "--json") == 0)
        request->style = ROWS_JSON;
    else if (strcmp(name, "--csv") == 0)
        request->style = ROWS_CSV;
    else if (strcmp(name, "--paths") == 0)
        request->style = ROWS_PATHS;
    else if (strcmp(name, "-0") == 0)
        request->style = ROWS_PATHS_ZERO;
    else
        return error_set(error, "%s: no such option", name);
    return true;
}

/* One argument, with the next as its value where it wants one. */
static bool take_argument(struct request *request, int argc, char **argv, int *i, struct error *error) {
    char name[32];
    const char *argument = argv[*i], *equals = strchr(argument, '=');
    size_t n = equals ? (size_t)(equals - argument) : strlen(argument);
    if (argument[0] != '-' || argument[1] == '\0') return add_text(request, argument, error);
    if (n >= sizeof name) return error_set(error, "%s: no such option", argument);
    memcpy(name, argument, n);
    name[n] = '\0';
    if (!wants_value(name)) return take_flag(request, argument, error);
    if (equals) return take_value(request, name, equals + 1, error);
    if (*i + 1 >= argc) return error_set(error, "%s lacks its value", name);
    return take_value(request, name, argv[++*i], error);
}

static bool parse(struct request *request, int argc, char **argv, struct error *error) {
    *request = (struct request){.style = ROWS_TABLE};
    query_init(&request->query);
    bool words = false;
    for (int i = 1; i < argc; i++) {
        if (!words && strcmp(argv[i], "--") == 0)
            words = true;
        else if (!(words ? add_text(request, argv[i], error) : take_argument(request, argc, argv, &i, error)))
            return false;
    }
    uint32_t keys = request->query.keys;
    for (int key = 0; request->compatible && key < KEYS_COUNT; key++)
        if (keys & 1u << key) request->query.keys |= keys_neighbours(key);
    if (request->compatible && keys == 0) return error_set(error, "--compatible needs --key");
    return true;
}

/* Looks up the sound that others are to be like. */
static bool load_similar(struct request *request, struct catalogue *catalogue, struct error *error) {
    struct lookup file;
    struct query *query = &request->query;
    if (!request->similar) return true;
    if (!lookup_find(catalogue, request->similar, &file, error) ||
        !similar_load(catalogue, file.audio, file.region, &request->vector, error))
        return false;
    query->similar_to = &request->vector;
    query->similar_audio = file.audio;
    query->similar_region = file.region;
    if (query->limit < 0) query->limit = 20;
    return true;
}

/* Prints all rows; the number of them, or -1. */
static long long print_rows(struct query_result *result, const struct request *request, const struct cli *cli,
                            struct error *error) {
    struct rows rows = {.out = stdout,
                        .style = request->style,
                        .regions = request->query.regions,
                        .cut = cli->terminal,
                        .colour = cli->colour,
                        .width = cli->width};
    struct query_row row;
    bool more = true;
    while (query_next(result, &row, &more, error) && more) {
        if (rows.count == 0) rows_begin(&rows);
        rows_add(&rows, &row);
        if (ferror(stdout)) return rows.count; /* the reader of a pipe has gone */
    }
    if (more) return -1;
    if (rows.count == 0 && request->style == ROWS_JSON) rows_begin(&rows);
    rows_end(&rows);
    return rows.count;
}

int find_command(int argc, char **argv, const struct cli *cli) {
    struct request request;
    struct error error = {0};
    if (!parse(&request, argc, argv, &error)) return cli_usage("find", "%s", error.text);
    struct catalogue *catalogue = catalogue_open(cli->catalogue, CATALOGUE_READ, &error);
    bool ready = catalogue && load_similar(&request, catalogue, &error);
    struct query_result *result = ready ? query_open(catalogue, &request.query, &error) : NULL;
    long long count = result ? print_rows(result, &request, cli, &error) : -1;
    query_close(result);
    catalogue_close(catalogue);
    if (count < 0) {
        cli_complain("%s", error.text);
        return CLI_CANNOT_RUN;
    }
    if (request.style == ROWS_TABLE && cli->terminal && count > 0)
        printf("%lld %s%s\n", count, request.query.regions ? "region" : "sound", count == 1 ? "" : "s");
    if (request.style == ROWS_TABLE && count == 0) fputs("nothing found\n", stderr);
    return count > 0 ? CLI_OK : CLI_SOME_FAILED;
}
