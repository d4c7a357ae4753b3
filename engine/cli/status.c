/* sonde status: what the catalogue holds and what is going on. */
#include "engine/base/json.h"
#include "engine/catalogue/sql.h"
#include "engine/cli/cells.h"
#include "engine/cli/commands.h"
#include "engine/cli/problems.h"
#include "engine/control/client.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

const char status_help[] =
    "usage: sonde status [--json]\n"
    "       sonde status --problems [--json | -0]\n\n"
    "Shows the catalogue in numbers: files by status, audio, regions and results, what waits in the queue, what is stale, what\n"
    "went wrong, the plugins, and the engine that runs: how far it is, how long it will still take, why it waits.\n\n"
    "  --json       the same as one JSON object\n"
    "  --problems   a line for each file that failed or is gone, for each region without a plugin's result, and for each\n"
    "               warning of the decoder (a file that was cut), and why\n"
    "                   --json   an object a line\n"
    "                   -0       the files that failed and are there, each ended by NUL: for `xargs -0 sonde retry`\n\n"
    "Exit codes of --problems: 0 there are some, 1 there are none, 3 the catalogue can't be read.\n";

#define NUMBERS                                                                                                                   \
    "SELECT json_object("                                                                                                         \
    "'files', (SELECT count(*) FROM files),"                                                                                      \
    "'by_status', json((SELECT json_group_object(status, n) FROM (SELECT status, count(*) AS n FROM files GROUP BY status))),"    \
    "'contents', (SELECT count(*) FROM contents),"                                                                                \
    "'audio_seconds', (SELECT ifnull(sum(frames * 1.0 / rate), 0) FROM audio),"                                                   \
    "'regions', (SELECT count(*) FROM regions WHERE current),"                                                                    \
    "'results', (SELECT count(*) FROM region_analysis WHERE current),"                                                            \
    "'history', (SELECT count(*) FROM region_analysis WHERE NOT current),"                                                        \
    "'problems', json((SELECT json_group_object(outcome, n) FROM (SELECT outcome, count(*) AS n FROM " PROBLEMS_ALL               \
    " GROUP BY outcome))),"                                                                                                       \
    "'queue', json((SELECT json_object('waiting', ifnull(sum(state = 'waiting'), 0), 'working',"                                  \
    " ifnull(sum(state = 'working'), 0), 'bytes', CAST(total(size) AS INTEGER)) FROM queue)),"                                    \
    "'stale', (SELECT count(*) FROM engine_state AS s JOIN files AS f WHERE s.name = 'profile' AND f.status IN ('done', 'empty')" \
    " AND f.profile IS NOT s.value AND f.profile IS NOT ''),"                                                                     \
    "'again', (SELECT count(*) FROM files WHERE status IN ('done', 'empty', 'failed') AND profile = ''),"                         \
    "'quarantined', (SELECT count(*) FROM quarantine),"                                                                           \
    "'incidents', (SELECT count(*) FROM incidents),"                                                                              \
    "'paused', json(iif(EXISTS (SELECT 1 FROM engine_state WHERE name = 'paused'), 'true', 'false')),"                            \
    "'plugins', json((SELECT json_group_array(json_object('plugin', plugin, 'version', version, 'state', state,"                  \
    " 'enabled', enabled, 'reason', reason)) FROM plugins)),"                                                                     \
    "'last_run', json((SELECT json_object('started', datetime(started, 'unixepoch', 'localtime'), 'ended',"                       \
    " datetime(ended, 'unixepoch', 'localtime'), 'outcome', outcome, 'version', version, 'command', command)"                     \
    " FROM runs ORDER BY run_id DESC LIMIT 1)))"

static int64_t file_size(const char *path, const char *suffix) {
    char whole[4200];
    struct stat stat_;
    snprintf(whole, sizeof whole, "%s%s", path, suffix);
    return stat(whole, &stat_) == 0 ? (int64_t)stat_.st_size : 0;
}

/* How long the queue will take, by its bytes at the pace of the last minutes: "eta_seconds". */
static void add_rest(cJSON *numbers) {
    const cJSON *engine = json_member(numbers, "engine"), *queue = json_member(numbers, "queue");
    double files = json_number(queue, "waiting", 0) + json_number(queue, "working", 0);
    double pace = json_number(engine, "bytes_per_second", 0), each = json_number(engine, "files_per_second", 0);
    double by_bytes = pace > 0 ? json_number(queue, "bytes", 0) / pace : 0, by_files = each > 0 ? files / each : 0;
    if (!engine || files == 0 || !(pace > 0) || json_string(engine, "held", NULL)) return;
    /* Many small files take as long as their number says, few large ones as long as their bytes. */
    cJSON_AddNumberToObject(numbers, "eta_seconds", by_bytes > by_files ? by_bytes : by_files);
}

static void add_surroundings(cJSON *numbers, const struct cli *cli) {
    int64_t pid = 0;
    bool writing = catalogue_writer_pid(cli->catalogue, &pid);
    cJSON_AddStringToObject(numbers, "catalogue", cli->catalogue);
    cJSON_AddNumberToObject(numbers, "bytes",
                            (double)(file_size(cli->catalogue, "") + file_size(cli->catalogue, "-wal")));
    cJSON_AddBoolToObject(numbers, "writing", writing);
    if (writing) cJSON_AddNumberToObject(numbers, "writer_pid", (double)pid);
    struct control_link *link = writing ? control_connect(cli->catalogue, NULL) : NULL;
    cJSON *reply = link ? control_ask_once(link, control_request("status"), NULL) : NULL;
    cJSON *engine = reply ? cJSON_DetachItemFromObjectCaseSensitive(reply, "engine") : NULL;
    if (engine && !cJSON_AddItemToObject(numbers, "engine", engine)) cJSON_Delete(engine);
    cJSON_Delete(reply);
    control_close(link);
    add_rest(numbers);
}

/* "3 failed, 1 missing: ..." */
static void print_problem_counts(const cJSON *problems) {
    const cJSON *count = NULL;
    if (!problems || !problems->child) return;
    printf("%-10s ", "problems");
    cJSON_ArrayForEach(count, problems)
        printf("%s%.0f %s", count == problems->child ? "" : ", ", count->valuedouble, count->string);
    puts(" (`sonde status --problems` says which, and why)");
}

static void print_plugins(const cJSON *plugins) {
    const cJSON *plugin = NULL;
    cJSON_ArrayForEach(plugin, plugins) {
        const char *reason = json_string(plugin, "reason", "");
        const char *state = json_integer(plugin, "enabled", 1) ? json_string(plugin, "state", "") : "not enabled";
        printf("%-10s ", plugin == plugins->child ? "plugins" : "");
        cells_put(stdout, json_string(plugin, "plugin", ""));
        putchar(' ');
        cells_put(stdout, json_string(plugin, "version", ""));
        printf(": %s%s", state, reason[0] ? ", " : "");
        cells_put(stdout, reason);
        putchar('\n');
    }
}

static void print_run(const cJSON *run) {
    if (!cJSON_IsObject(run)) return;
    const char *ended = json_string(run, "ended", NULL), *outcome = json_string(run, "outcome", NULL);
    printf("%-10s %s, %s%s", "last run", json_string(run, "started", ""), ended ? "ended " : "not ended",
           ended ? ended : "");
    if (!outcome || strcmp(outcome, "ended") != 0) printf(": %s", outcome ? outcome : json_string(run, "command", ""));
    putchar('\n');
}

static void print_engine(const cJSON *numbers) {
    const cJSON *engine = json_member(numbers, "engine");
    char left[32];
    if (!json_bool(numbers, "writing", false)) {
        if (json_bool(numbers, "paused", false))
            printf("%-10s none; `sonde watch` would begin paused (`sonde resume`)\n", "engine");
        return;
    }
    printf("%-10s process %lld", "engine", (long long)json_integer(numbers, "writer_pid", 0));
    if (!engine) {
        puts(" is at work, and doesn't say on what");
        return;
    }
    printf(", sonde %s: %lld of %lld files in this run, %lld failed", json_string(engine, "command", ""),
           (long long)json_integer(engine, "files_done", 0), (long long)json_integer(engine, "files_total", 0),
           (long long)json_integer(engine, "files_failed", 0));
    if (json_number(engine, "files_per_second", 0) > 0)
        printf("; %.1f files/s, %.0fx real time", json_number(engine, "files_per_second", 0),
               json_number(engine, "audio_per_second", 0));
    double eta = json_number(numbers, "eta_seconds", 0);
    if (eta > 0) printf("; about %s left", cli_duration(eta, left, sizeof left));
    putchar('\n');
    if (json_bool(engine, "draining", false)) printf("%-10s ends when the files under way are done\n", "");
    if (json_string(engine, "held", NULL)) printf("%-10s waits: %s\n", "", json_string(engine, "held", ""));
    if (json_member(engine, "folders_watched"))
        printf("%-10s folders: %lld watched, %lld swept; files settling: %lld\n", "",
               (long long)json_integer(engine, "folders_watched", 0),
               (long long)json_integer(engine, "folders_swept", 0), (long long)json_integer(engine, "settling", 0));
}

static void print_numbers(const cJSON *numbers) {
    char audio[32];
    const cJSON *queue = json_member(numbers, "queue");
    printf("%-10s %s, %.1f MB\n", "catalogue", json_string(numbers, "catalogue", ""),
           json_number(numbers, "bytes", 0) / 1e6);
    printf("%-10s %lld", "files", (long long)json_integer(numbers, "files", 0));
    const cJSON *count = NULL, *by_status = json_member(numbers, "by_status");
    cJSON_ArrayForEach(count, by_status)
        printf("%s%.0f %s", count == by_status->child ? ": " : ", ", count->valuedouble, count->string);
    printf("\n%-10s %s in %lld different contents\n", "audio",
           cli_duration(json_number(numbers, "audio_seconds", 0), audio, sizeof audio),
           (long long)json_integer(numbers, "contents", 0));
    printf("%-10s %lld, with %lld results (and %lld in the history)\n", "regions",
           (long long)json_integer(numbers, "regions", 0), (long long)json_integer(numbers, "results", 0),
           (long long)json_integer(numbers, "history", 0));
    print_problem_counts(json_member(numbers, "problems"));
    printf("%-10s %lld waiting (%.1f MB), %lld under way\n", "queue", (long long)json_integer(queue, "waiting", 0),
           json_number(queue, "bytes", 0) / 1e6, (long long)json_integer(queue, "working", 0));
    const long long stale = json_integer(numbers, "stale", 0), again = json_integer(numbers, "again", 0);
    if (stale > 0)
        printf(
            "%-10s %lld file%s, for the last run had other plugins or parameters (`sonde analyze --stale` renews %s)\n",
            "stale", stale, stale == 1 ? "" : "s", stale == 1 ? "it" : "them");
    if (again > 0)
        printf("%-10s %lld file%s, of which something failed that may succeed (the next `sonde analyze` tries it)\n",
               "again", again, again == 1 ? "" : "s");
    const long long given_up = json_integer(numbers, "quarantined", 0);
    if (given_up > 0)
        printf("%-10s %lld result%s (`sonde retry FILE` tries again)\n", "quarantine", given_up,
               given_up == 1 ? "" : "s");
    if (json_integer(numbers, "incidents", 0) > 0)
        printf("%-10s %lld (`sonde incidents` lists them)\n", "incidents",
               (long long)json_integer(numbers, "incidents", 0));
    print_plugins(json_member(numbers, "plugins"));
    print_run(json_member(numbers, "last_run"));
    print_engine(numbers);
}

static cJSON *read_numbers(const struct cli *cli, struct error *error) {
    struct catalogue *catalogue = catalogue_open(cli->catalogue, CATALOGUE_READ, error);
    sqlite3_stmt *from = catalogue ? sql_bind(catalogue, error, NUMBERS, "") : NULL;
    bool row = false;
    cJSON *numbers = NULL;
    if (from && sql_step(catalogue, from, &row, error) && row) {
        numbers = cJSON_Parse((const char *)sqlite3_column_text(from, 0));
        if (!numbers) error_memory(error);
    }
    catalogue_close(catalogue);
    if (numbers) add_surroundings(numbers, cli);
    return numbers;
}

static int print_problems(const struct cli *cli, enum problems_style style) {
    struct error error = {0};
    struct catalogue *catalogue = catalogue_open(cli->catalogue, CATALOGUE_READ, &error);
    int64_t count = catalogue ? problems_print(catalogue, style, &error) : -1;
    catalogue_close(catalogue);
    if (count < 0) cli_complain("%s", error.text);
    if (count == 0 && style == PROBLEMS_LINES) fputs("no file failed or is gone, and no result is missing\n", stderr);
    return count < 0 ? CLI_CANNOT_RUN : count ? CLI_OK : CLI_SOME_FAILED;
}

static int print_status(const struct cli *cli, bool json) {
    struct error error = {0};
    cJSON *numbers = read_numbers(cli, &error);
    if (!numbers) {
        cli_complain("%s", error.text);
        return CLI_CANNOT_RUN;
    }
    char *text = json ? cJSON_Print(numbers) : NULL;
    if (text)
        puts(text);
    else
        print_numbers(numbers);
    cJSON_free(text);
    cJSON_Delete(numbers);
    return CLI_OK;
}

int status_command(int argc, char **argv, const struct cli *cli) {
    bool json = false, paths = false, problems = false;
    for (int i = 1; i < argc; i++) {
        bool *option = strcmp(argv[i], "--json") == 0       ? &json
                       : strcmp(argv[i], "-0") == 0         ? &paths
                       : strcmp(argv[i], "--problems") == 0 ? &problems
                                                            : NULL;
        if (!option) return cli_usage("status", "%s: no such option", argv[i]);
        *option = true;
    }
    if (paths && !problems) return cli_usage("status", "-0 is for --problems");
    if (paths && json) return cli_usage("status", "--json or -0, not both");
    if (!problems) return print_status(cli, json);
    return print_problems(cli, json ? PROBLEMS_JSON : paths ? PROBLEMS_PATHS : PROBLEMS_LINES);
}
