/* sonde incidents: deaths of workers and other accidents, as the catalogue remembers them. */
#include "engine/base/json.h"
#include "engine/catalogue/catalogue.h"
#include "engine/cli/commands.h"
#include "engine/cli/replay.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char incidents_help[] =
    "usage: sonde incidents [--limit N] [--plugin ID] [--json]\n"
    "       sonde incidents show N\n"
    "       sonde incidents replay N [--debugger]\n\n"
    "Lists what went wrong: plugins and decoders that crashed, hung, took too much memory or made a forbidden system call.\n"
    "`show` tells everything about one of them: file and region, plugin with path and hash, parameters, phase, signal or\n"
    "system call, where the code was, and the last words on stderr. `replay` runs the same plugin on the same region once\n"
    "more, alone and sandboxed, beside the catalogue, and prints what happens; with --debugger the worker stops before it\n"
    "begins, and how to attach a debugger is printed.\n\n"
    "Exit codes: 0 something was found, 1 nothing was, 3 the catalogue can't be read.\n";

struct wish {
    long limit;
    const char *plugin;
    bool json;
};

#define INCIDENTS                                                                                                             \
    "SELECT i.incident_id, i.time, i.kind, i.plugin, i.reason, i.detail, f.path_text,"                                        \
    " CASE WHEN CAST(f.path AS TEXT) IS NOT f.path_text THEN lower(hex(f.path)) END, r.position, r.start, r.end, i.identity," \
    " p.library, p.hash, p.version, EXISTS (SELECT 1 FROM strikes AS s WHERE s.incident_id = i.incident_id)"                  \
    " FROM incidents AS i LEFT JOIN files AS f USING (file_id) LEFT JOIN regions AS r USING (region_id)"                      \
    " LEFT JOIN plugins AS p ON p.plugin = i.plugin "
enum {
    ID,
    TIME,
    KIND,
    PLUGIN,
    REASON,
    DETAIL,
    PATH,
    BYTES,
    REGION,
    START,
    END,
    IDENTITY,
    LIBRARY,
    HASH,
    VERSION,
    STRIKE
};

static const char *text_at(sqlite3_stmt *row, int column) {
    const unsigned char *text = sqlite3_column_text(row, column);
    return text ? (const char *)text : "";
}

static void print_time(double seconds, char out[32]) {
    time_t whole = (time_t)seconds;
    struct tm local;
    if (!localtime_r(&whole, &local) || strftime(out, 32, "%Y-%m-%d %H:%M:%S", &local) == 0) strcpy(out, "?");
}

static void print_line(sqlite3_stmt *row) {
    char when[32];
    print_time(sqlite3_column_double(row, TIME), when);
    printf("%6lld  %s  %-10s %-24s %s", (long long)sqlite3_column_int64(row, ID), when, text_at(row, KIND),
           text_at(row, PLUGIN)[0] ? text_at(row, PLUGIN) : "-", text_at(row, REASON));
    if (text_at(row, PATH)[0]) printf("  (%s)", text_at(row, PATH));
    putchar('\n');
}

static bool add_text(cJSON *object, const char *key, sqlite3_stmt *row, int column) {
    if (sqlite3_column_type(row, column) == SQLITE_NULL) return true;
    return cJSON_AddStringToObject(object, key, text_at(row, column)) != NULL;
}

/* The whole row as an object, or NULL. */
static cJSON *as_json(sqlite3_stmt *row) {
    cJSON *o = cJSON_CreateObject();
    bool ok = o && cJSON_AddNumberToObject(o, "incident", (double)sqlite3_column_int64(row, ID)) &&
              cJSON_AddNumberToObject(o, "time", sqlite3_column_double(row, TIME));
    ok = ok && add_text(o, "kind", row, KIND) && add_text(o, "plugin", row, PLUGIN) &&
         add_text(o, "reason", row, REASON) && add_text(o, "path", row, PATH) && add_text(o, "path_hex", row, BYTES) &&
         add_text(o, "identity", row, IDENTITY) && add_text(o, "library", row, LIBRARY) &&
         add_text(o, "library_hash", row, HASH) && add_text(o, "plugin_version", row, VERSION);
    if (ok && sqlite3_column_type(row, REGION) != SQLITE_NULL)
        ok = cJSON_AddNumberToObject(o, "region", sqlite3_column_double(row, REGION)) &&
             cJSON_AddNumberToObject(o, "start", sqlite3_column_double(row, START)) &&
             cJSON_AddNumberToObject(o, "end", sqlite3_column_double(row, END));
    ok = ok && cJSON_AddBoolToObject(o, "strike", sqlite3_column_int(row, STRIKE));
    const char *detail = text_at(row, DETAIL);
    cJSON *parsed = ok && detail[0] ? json_parse(detail, strlen(detail), 1 << 20, 20, NULL) : NULL;
    if (parsed && !cJSON_AddItemToObject(o, "detail", parsed)) cJSON_Delete(parsed);
    if (ok) return o;
    cJSON_Delete(o);
    return NULL;
}

static int print_all(sqlite3_stmt *row, bool json, bool whole) {
    int found = 0;
    while (sqlite3_step(row) == SQLITE_ROW) {
        found++;
        if (!json && !whole) {
            print_line(row);
            continue;
        }
        cJSON *object = as_json(row);
        char *text = object ? whole ? cJSON_Print(object) : cJSON_PrintUnformatted(object) : NULL;
        if (text) puts(text);
        cJSON_free(text);
        cJSON_Delete(object);
    }
    sqlite3_reset(row);
    return found;
}

static int list(struct catalogue *catalogue, const struct wish *wish, struct error *error) {
    sqlite3_stmt *row = catalogue_statement(
        catalogue, INCIDENTS "WHERE ?1 IS NULL OR i.plugin = ?1 ORDER BY i.incident_id DESC LIMIT ?2", error);
    if (!row || sqlite3_bind_text(row, 1, wish->plugin, -1, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_bind_int64(row, 2, wish->limit) != SQLITE_OK)
        return CLI_CANNOT_RUN;
    int found = print_all(row, wish->json, false);
    if (found == 0 && !wish->json) fputs("nothing has gone wrong so far\n", stderr);
    return found ? CLI_OK : CLI_SOME_FAILED;
}

static int show(struct catalogue *catalogue, long long number, struct error *error) {
    sqlite3_stmt *row = catalogue_statement(catalogue, INCIDENTS "WHERE i.incident_id = ?1", error);
    if (!row || sqlite3_bind_int64(row, 1, number) != SQLITE_OK) return CLI_CANNOT_RUN;
    if (print_all(row, true, true)) return CLI_OK;
    cli_complain("there is no incident %lld (sonde incidents lists them)", number);
    return CLI_SOME_FAILED;
}

/* CLI_OK, or the exit code after a complaint. */
static int parse(int argc, char **argv, struct wish *wish) {
    static const struct option options[] = {{"limit", required_argument, NULL, 'l'},
                                            {"plugin", required_argument, NULL, 'p'},
                                            {"json", no_argument, NULL, 'j'},
                                            {0}};
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        char *end = NULL;
        if (c == 'l') {
            wish->limit = strtol(optarg, &end, 10);
            if (end == optarg || *end || wish->limit < 1)
                return cli_usage("incidents", "--limit %s: should be at least 1", optarg);
        } else if (c == 'p') {
            wish->plugin = optarg;
        } else if (c == 'j') {
            wish->json = true;
        } else {
            return cli_usage("incidents", "%s: no such option, or its value is missing", argv[optind - 1]);
        }
    }
    return CLI_OK;
}

/* The number after a verb; -1 when it isn't one. */
static long long number_at(int argc, char **argv, int index) {
    char *end = NULL;
    long long number = index < argc ? strtoll(argv[index], &end, 10) : -1;
    return end && *end == '\0' && number > 0 ? number : -1;
}

int incidents_command(int argc, char **argv, const struct cli *cli) {
    const char *verb = argc > 1 ? argv[1] : "";
    bool showing = strcmp(verb, "show") == 0, replaying = strcmp(verb, "replay") == 0;
    struct wish wish = {.limit = 50};
    if (replaying) {
        bool debugger = argc == 4 && strcmp(argv[3], "--debugger") == 0;
        long long number = number_at(argc, argv, 2);
        if (number < 0 || (argc != 3 && !debugger))
            return cli_usage("incidents", "replay takes the number of an incident, and --debugger");
        return replay_incident(number, debugger, cli);
    }
    int code = showing ? CLI_OK : parse(argc, argv, &wish);
    if (code != CLI_OK) return code;
    long long number = number_at(argc, argv, 2);
    if (showing && (number < 0 || argc != 3)) return cli_usage("incidents", "show takes the number of an incident");
    if (!showing && optind != argc)
        return cli_usage("incidents", "%s: neither an option nor show or replay", argv[optind]);
    struct error error = {0};
    struct catalogue *catalogue = catalogue_open(cli->catalogue, CATALOGUE_READ, &error);
    code = CLI_CANNOT_RUN;
    if (catalogue) code = showing ? show(catalogue, number, &error) : list(catalogue, &wish, &error);
    if (code == CLI_CANNOT_RUN) cli_complain("%s", error.text);
    catalogue_close(catalogue);
    return code;
}
