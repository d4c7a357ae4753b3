/* sonde find: questions to the catalogue. */
#include "engine/cli/commands.h"
#include "engine/cli/rows.h"
#include "engine/cli/selection.h"

#include <string.h>

const char find_help[] =
    "usage: sonde find [conditions] [--regions] [--sort ORDER] [--limit N] [--json | --csv | --paths | -0]\n\n"
    "Lists the sounds of the catalogue that meet all conditions. A label in brackets tells what kind of content it is\n"
    "(music, speech, environment ...) where no label of the classifier is sure.\n\n" SELECTION_HELP
    "  --json               one JSON array, with all values of the summary\n"
    "  --csv                comma-separated values with a header (sonde export --csv has more columns)\n"
    "  --paths              one path a line;  -0: paths with a zero byte behind each, for xargs -0\n\n"
    "Examples:\n"
    "  sonde find --bpm 118-122 --octaves --key Am --compatible\n"
    "  sonde find --label speech --duration 10- --sort -duration\n"
    "  sonde find kick --paths | while read -r f; do play \"$f\"; done\n\n"
    "Exit code 1 when nothing was found.\n";

/* What the command line said. */
struct request {
    struct selection selection;
    enum rows_style style;
};

static bool take_style(struct request *request, const char *name, struct error *error) {
    static const struct {
        const char *name;
        enum rows_style style;
    } styles[] = {{"--json", ROWS_JSON}, {"--csv", ROWS_CSV}, {"--paths", ROWS_PATHS}, {"-0", ROWS_PATHS_ZERO}};
    for (size_t i = 0; i < sizeof styles / sizeof *styles; i++) {
        if (strcmp(name, styles[i].name) != 0) continue;
        request->style = styles[i].style;
        return true;
    }
    return error_set(error, "%s: no such option", name);
}

static bool parse(struct request *request, int argc, char **argv, struct error *error) {
    bool words = false, taken = true;
    request->style = ROWS_TABLE;
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
    request->selection.query.with_summary = request->style == ROWS_JSON;
    return selection_finish(&request->selection, error);
}

/* Prints all rows; the number of them, or -1. */
static long long print_rows(struct query_result *result, const struct request *request, const struct cli *cli,
                            struct error *error) {
    struct rows rows = {.out = stdout,
                        .style = request->style,
                        .regions = request->selection.query.regions,
                        .similar = request->selection.query.similar_to != NULL,
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
    bool ready = catalogue && selection_resolve(&request.selection, catalogue, &error);
    struct query_result *result = ready ? query_open(catalogue, &request.selection.query, &error) : NULL;
    long long count = result ? print_rows(result, &request, cli, &error) : -1;
    query_close(result);
    catalogue_close(catalogue);
    if (count < 0) {
        cli_complain("%s", error.text);
        return CLI_CANNOT_RUN;
    }
    if (request.style == ROWS_TABLE && cli->terminal && count > 0)
        printf("%lld %s%s\n", count, request.selection.query.regions ? "region" : "sound", count == 1 ? "" : "s");
    if (request.style == ROWS_TABLE && count == 0) fputs("nothing found\n", stderr);
    return count > 0 ? CLI_OK : CLI_SOME_FAILED;
}
