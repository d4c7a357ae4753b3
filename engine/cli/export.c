/* sonde export: a selection of the catalogue for other programs. */
#include "engine/base/hash.h"
#include "engine/base/path.h"
#include "engine/base/text.h"
#include "engine/cli/commands.h"
#include "engine/cli/export_csv.h"
#include "engine/cli/export_jams.h"
#include "engine/cli/file_json.h"
#include "engine/cli/selection.h"
#include "engine/cli/sink.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const char export_help[] =
    "usage: sonde export --csv | --json | --jams [conditions] [--regions] [--sort ORDER] [--limit N] [-o FILE]\n\n"
    "Writes the sounds that meet all conditions for other programs (without conditions: all that could be read), in the order of their\n"
    "paths, one after the other as they are found: however many they are, memory stays the same. Columns and members are\n"
    "explained in schema/export.md.\n\n"
    "  --csv                a line for each sound, with a header (RFC 4180)\n"
    "  --columns NAMES      with --csv: these values too, a column each, by the names that --value takes, with commas between\n"
    "                       them: swing,tempo_stability\n"
    "  --json               one array; for each sound an object with everything: facts, values, tags, all results\n"
    "  --jams               a JAMS document a line: beats, tempo, key, chords, segments and tags\n"
    "  -o FILE              to this file, which appears when it is complete (-: standard output); with --jams a folder (it\n"
    "                       must exist) gets a file NAME-HASH.jams for each sound\n\n" SELECTION_HELP "\n"
    "Examples:\n"
    "  sonde export --csv -o library.csv\n"
    "  sonde export --csv --regions --label speech > speech.csv\n"
    "  sonde export --csv --regions --columns swing,f0_low,f0_high -o table.csv\n"
    "  sonde export --jams --under ~/Music/album -o annotations/\n\n"
    "Exit code 1 when nothing was found, the sound of --similar isn't known, or no plugin makes a value of --columns.\n";

enum format { NONE, CSV, JSON, JAMS };

struct request {
    struct selection selection;
    enum format format;
    struct export_columns columns;
    const char *to; /* NULL: standard output */
};

/* ---------------------------------------------------------------------------------------------------------- arguments */

static bool take_option(struct request *request, int argc, char **argv, int *i, struct error *error) {
    static const struct {
        const char *name;
        enum format format;
    } formats[] = {{"--csv", CSV}, {"--json", JSON}, {"--jams", JAMS}};
    for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
        if (strcmp(argv[*i], formats[f].name) != 0) continue;
        if (request->format != NONE) return error_set(error, "say one of --csv, --json and --jams");
        request->format = formats[f].format;
        return true;
    }
    if (strcmp(argv[*i], "--columns") == 0) {
        if (*i + 1 >= argc) return error_set(error, "--columns lacks its names");
        return export_columns_add(&request->columns, argv[++*i], error);
    }
    if (strncmp(argv[*i], "--columns=", 10) == 0) return export_columns_add(&request->columns, argv[*i] + 10, error);
    if (strcmp(argv[*i], "-o") != 0) return error_set(error, "%s: no such option", argv[*i]);
    if (*i + 1 >= argc) return error_set(error, "-o lacks the name of a file");
    request->to = argv[++*i];
    if (strcmp(request->to, "-") == 0) request->to = NULL;
    return true;
}

static bool parse(struct request *request, int argc, char **argv, struct error *error) {
    bool words = false, taken = true;
    *request = (struct request){.format = NONE};
    selection_init(&request->selection);
    request->selection.query.streaming = true;
    for (int i = 1; i < argc; i++) {
        if (words) {
            if (!selection_add_text(&request->selection, argv[i], error)) return false;
        } else if (strcmp(argv[i], "--") == 0) {
            words = true;
        } else if (!selection_take(&request->selection, argc, argv, &i, &taken, error) ||
                   (!taken && !take_option(request, argc, argv, &i, error))) {
            return false;
        }
    }
    if (request->format == NONE) return error_set(error, "say --csv, --json or --jams");
    if (request->columns.count > 0 && request->format != CSV) return error_set(error, "--columns needs --csv");
    return selection_finish(&request->selection, error);
}

/* ------------------------------------------------------------------------------------------------------------ writing */

static bool put_row(FILE *out, const struct request *request, struct catalogue *catalogue, const struct query_row *row,
                    long long count, struct error *error) {
    bool fine;
    switch (request->format) {
    case CSV: return export_csv_row(out, catalogue, row, &request->columns, error);
    case JSON: fputs(count ? ",\n" : "[\n", out); return file_json_print(out, catalogue, row->file, row->region, error);
    default:
        fine = export_jams_print(out, catalogue, row->file, row->region, error);
        fputc('\n', out);
        return fine;
    }
}

static void put_end(FILE *out, const struct request *request, long long count) {
    if (request->format == JSON) fputs(count ? "\n]\n" : "[]\n", out);
}

/* "FOLDER/kick.wav-1b2c3d4e#2.jams": the hash of the path tells files of one name apart, in every catalogue. */
static char *name_of(const char *folder, const struct query_row *row) {
    char hash[HASH_TEXT], region[32] = "", name[NAME_MAX + 1], *path = NULL;
    snprintf(name, sizeof name, "%s", path_name(row->display));
    text_cut(name, 180);
    hash_bytes(row->path, row->path_length, hash);
    if (row->region) snprintf(region, sizeof region, "#%lld", (long long)row->position);
    return asprintf(&path, "%s/%s-%.8s%s.jams", folder, name, hash, region) < 0 ? NULL : path;
}

static bool put_alone(const struct request *request, struct catalogue *catalogue, const struct query_row *row,
                      struct error *error) {
    char *path = name_of(request->to, row);
    struct sink sink = {0};
    bool fine = path ? sink_open(&sink, path, error) : error_memory(error);
    if (fine) {
        fine = put_row(sink.out, request, catalogue, row, 0, error);
        fine = sink_close(&sink, fine, error) && fine;
    }
    free(path);
    return fine;
}

/* All rows; how many, or -1 with a sentence. `out` is NULL: a file for each in the folder. */
static long long put_rows(const struct request *request, struct catalogue *catalogue, const struct sink *sink,
                          struct error *error) {
    const struct query *query = &request->selection.query;
    struct query_result *result = query_open(catalogue, query, error);
    struct query_row row;
    bool more = true, fine = result != NULL;
    long long count = 0;
    if (sink && request->format == CSV)
        export_csv_head(sink->out, query->regions, &request->columns, query->similar_to != NULL);
    while (fine && (fine = query_next(result, &row, &more, error)) && more) {
        fine = sink ? put_row(sink->out, request, catalogue, &row, count, error)
                    : put_alone(request, catalogue, &row, error);
        count++;
        if (sink && !sink_works(sink)) break; /* closing says why */
    }
    query_close(result);
    if (fine && sink) put_end(sink->out, request, count);
    return fine ? count : -1;
}

static bool is_folder(const char *path) {
    struct stat about;
    return path && stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

/* A catalogue must not be replaced by what is exported from it. */
static bool is_same_file(const char *a, const char *b) {
    struct stat one, other;
    return a && stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

static long long export(const struct request *request, const struct cli *cli, struct catalogue *catalogue,
                        struct error *error) {
    if (is_folder(request->to)) {
        if (request->format == JAMS) return put_rows(request, catalogue, NULL, error);
        return error_set(error, "%s is a folder: name a file with -o", request->to), -1;
    }
    if (is_same_file(request->to, cli->catalogue))
        return error_set(error, "%s is the catalogue itself: name another file with -o", request->to), -1;
    struct sink sink;
    if (!sink_open(&sink, request->to, error)) return -1;
    bool ours = sink.out == stdout;
    long long count = put_rows(request, catalogue, &sink, error);
    struct error trouble = {0};
    if (!sink_close(&sink, count >= 0, &trouble) && count >= 0 && !ours) {
        if (error) *error = trouble;
        return -1;
    }
    return count;
}

static bool knows_columns(const struct export_columns *columns, struct catalogue *catalogue) {
    const char *names[EXPORT_COLUMNS];
    for (size_t i = 0; i < columns->count; i++) names[i] = columns->names[i];
    return selection_knows_values(catalogue, names, columns->count);
}

int export_command(int argc, char **argv, const struct cli *cli) {
    struct request request;
    struct error error = {0};
    if (!parse(&request, argc, argv, &error)) return cli_usage("export", "%s", error.text);
    struct catalogue *catalogue = catalogue_open(cli->catalogue, CATALOGUE_READ, &error);
    long long count = -1;
    if (catalogue && !knows_columns(&request.columns, catalogue)) {
        catalogue_close(catalogue);
        return CLI_SOME_FAILED;
    }
    if (catalogue && selection_resolve(&request.selection, catalogue, &error))
        count = export(&request, cli, catalogue, &error);
    if (count == 0) selection_found_nothing(&request.selection, catalogue);
    catalogue_close(catalogue);
    if (count < 0) {
        cli_complain("%s", error.text);
        return request.selection.unknown ? CLI_SOME_FAILED : CLI_CANNOT_RUN;
    }
    return count > 0 ? CLI_OK : CLI_SOME_FAILED;
}
