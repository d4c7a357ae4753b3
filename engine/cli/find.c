/* sonde find: questions to the catalogue. */
#include "engine/cli/commands.h"
#include "engine/cli/rows.h"
#include "engine/cli/selection.h"

#include <string.h>

const char find_help[] =
    "usage: sonde find [conditions] [--regions | --segments] [--sort ORDER] [--limit N] [--json | --csv | --paths | -0]\n\n"
    "Lists the sounds of the catalogue that meet all conditions. A label in brackets tells what kind of content it is\n"
    "(music, speech, environment ...) where no label of the classifier is sure; a question mark behind a tempo or a key, that it\n"
    "is more likely wrong than right (--json tells how sure each is). The first --value has a column of its own. Files that\n"
    "failed are not among them: `sonde status --problems` lists those.\n\n" SELECTION_HELP
    "  --segments           a row for each stretch in which the same was heard; with --label, only what is called so, is of\n"
    "                       such a group, or has such content\n"
    "  --json               one JSON array, with all values of the summary\n"
    "  --csv                comma-separated values with a header (sonde export --csv has more columns)\n"
    "  --paths              one path a line, on a terminal with the quotes that a shell needs;  -0: paths with a zero byte\n"
    "                       behind each, for xargs -0\n\n"
    "Examples:\n"
    "  sonde find --bpm 118-122 --octaves --key Am --compatible\n"
    "  sonde find --label speech --duration 10- --sort -duration\n"
    "  sonde find --segments --label \"dog bark\" --under ~/recordings\n"
    "  sonde find kick --paths | while read -r f; do play \"$f\"; done\n\n"
    "Exit code 1 when nothing was found, or the sound of --similar isn't known.\n";

/* What the command line said. */
struct request {
    struct selection selection;
    enum rows_style style;
    bool segments;
    int64_t most; /* segments; -1: all */
};

static bool take_style(struct request *request, const char *name, struct error *error) {
    static const struct {
        const char *name;
        enum rows_style style;
    } styles[] = {{"--json", ROWS_JSON}, {"--csv", ROWS_CSV}, {"--paths", ROWS_PATHS}, {"-0", ROWS_PATHS_ZERO}};
    for (size_t i = 0; i < sizeof styles / sizeof *styles; i++) {
        if (strcmp(name, styles[i].name) != 0) continue;
        if (request->style != ROWS_TABLE && request->style != styles[i].style)
            return error_set(error, "say one of --json, --csv, --paths and -0");
        request->style = styles[i].style;
        return true;
    }
    if (strcmp(name, "--segments") == 0) return request->segments = true;
    return error_set(error, "%s: no such option", name);
}

static bool parse(struct request *request, int argc, char **argv, struct error *error) {
    bool words = false, taken = true;
    *request = (struct request){.style = ROWS_TABLE};
    selection_init(&request->selection);
    for (int i = 1; i < argc; i++) {
        if (words) {
            if (!selection_add_text(&request->selection, argv[i], error)) return false;
        } else if (strcmp(argv[i], "--") == 0) {
            words = true;
        } else if (!selection_take(&request->selection, argc, argv, &i, &taken, error) ||
                   (!taken && !take_style(request, argv[i], error))) {
            return false;
        }
    }
    struct query *query = &request->selection.query;
    query->with_summary = request->style == ROWS_JSON && !request->segments;
    if (request->segments && query->regions)
        return error_set(error, "--regions and --segments: a row is one or the other");
    request->most = query->limit;
    if (request->segments) query->limit = -1; /* that of sounds is found when there are enough segments */
    return selection_finish(&request->selection, error);
}

/* One sound, whose segments are being printed. */
struct heard {
    const struct request *request;
    const struct query_row *row;
    struct rows *rows;
};

static bool is_wanted(const struct query *query, const struct segment *segment) {
    for (size_t i = 0; i < query->labels_count; i++)
        if (segment_is(segment, query->labels[i])) return true;
    return query->labels_count == 0;
}

/* Whether there are enough rows, or nobody reads them: the reader of a pipe may have gone. */
static bool is_full(const struct request *request, const struct rows *rows) {
    return (request->segments && rows->count == request->most) || ferror(rows->out);
}

static bool print_segment(void *context, const struct segment *segment) {
    const struct heard *heard = context;
    struct rows *rows = heard->rows;
    if (!is_wanted(&heard->request->selection.query, segment)) return true;
    if (rows->count == 0) rows_begin(rows);
    rows_add_segment(rows, heard->row, segment);
    return !is_full(heard->request, rows);
}

/* One row of the query. */
static bool print_row(struct catalogue *catalogue, const struct request *request, struct rows *rows,
                      const struct query_row *row, struct error *error) {
    struct heard heard = {request, row, rows};
    if (request->segments) return segments_each(catalogue, row->audio, print_segment, &heard, error);
    if (rows->count == 0) rows_begin(rows);
    rows_add(rows, row);
    return true;
}

/* Prints all rows; the number of them, or -1. */
static long long print_rows(struct catalogue *catalogue, struct query_result *result, const struct request *request,
                            const struct cli *cli, struct error *error) {
    struct rows rows = {.out = stdout,
                        .style = request->style,
                        .regions = request->selection.query.regions,
                        .segments = request->segments,
                        .similar = request->selection.query.similar_to != NULL,
                        .measure = request->selection.query.measures_count > 0 && !request->segments
                                       ? request->selection.query.measures[0].name
                                       : NULL,
                        .copies = request->selection.query.duplicates,
                        .terminal = cli->terminal,
                        .colour = cli->colour,
                        .width = cli->width};
    struct query_row row;
    bool more = true, fine = true;
    while (fine && more && !is_full(request, &rows)) {
        fine = query_next(result, &row, &more, error);
        if (fine && more) fine = print_row(catalogue, request, &rows, &row, error);
    }
    if (!fine) return -1;
    if (rows.count == 0 && (request->style == ROWS_JSON || request->style == ROWS_CSV)) rows_begin(&rows);
    rows_end(&rows);
    return rows.count;
}

static const char *row_name(const struct request *request) {
    return request->segments ? "segment" : request->selection.query.regions ? "region" : "sound";
}

int find_command(int argc, char **argv, const struct cli *cli) {
    struct request request;
    struct error error = {0};
    if (!parse(&request, argc, argv, &error)) return cli_usage("find", "%s", error.text);
    struct catalogue *catalogue = catalogue_open(cli->catalogue, CATALOGUE_READ, &error);
    bool ready = catalogue && selection_resolve(&request.selection, catalogue, &error);
    struct query_result *result = ready ? query_open(catalogue, &request.selection.query, &error) : NULL;
    long long count = result ? print_rows(catalogue, result, &request, cli, &error) : -1;
    query_close(result);
    if (request.style == ROWS_TABLE && count == 0) selection_found_nothing(&request.selection, catalogue);
    catalogue_close(catalogue);
    if (count < 0) {
        cli_complain("%s", error.text);
        return request.selection.unknown ? CLI_SOME_FAILED : CLI_CANNOT_RUN;
    }
    if (request.style == ROWS_TABLE && cli->terminal && count > 0)
        printf("%lld %s%s\n", count, row_name(&request), count == 1 ? "" : "s");
    return count > 0 ? CLI_OK : CLI_SOME_FAILED;
}
