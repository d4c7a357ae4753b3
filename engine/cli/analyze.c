/* sonde analyze: runs the engine over files and folders. */
#include "engine/base/text.h"
#include "engine/catalogue/lookup.h"
#include "engine/catalogue/sql.h"
#include "engine/cli/commands.h"
#include "engine/cli/handover.h"
#include "engine/cli/named.h"
#include "engine/cli/progress.h"
#include "engine/cli/reach.h"
#include "engine/cli/setup.h"
#include "engine/cli/shard.h"
#include "engine/control/desk.h"
#include "engine/schedule/task.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

const char analyze_help[] =
    "usage: sonde analyze [options] PATH...\n"
    "       sonde analyze --stale [PATH...]\n\n"
    "Analyses audio files, and all files below folders, and keeps the results in the catalogue. What is there already and\n"
    "hasn't changed costs nothing; what an earlier run left unfinished is finished too. Known files that are gone from those\n"
    "folders become `missing` (their results stay), unless their disk isn't there. While an engine runs (sonde watch),\n"
    "it does the work, before all else that waits; this command shows how far it is. It works as it was started: --only,\n"
    "--order, --background, --jobs, --shard and what is said of the sandbox are refused then.\n\n"
    "Below folders, hidden names are left out, links to folders, and files whose extension says that they are no sound\n"
    "(pictures, texts, archives ...). All else is tried, whatever it is called, and so is each file that is named.\n\n"
    "  --only ID[,ID...]       run only these plugins (and those that they need)\n"
    "  --force                 analyse again what has results already\n"
    "  --retry                 try again what failed or was quarantined before (files that no decoder could read are tried\n"
    "                          again by themselves when the system's libraries have changed: with FFmpeg installed, say)\n"
    "  --stale                 only what was analysed before (below PATH, or everywhere), and of that only the results that\n"
    "                          are out of date: of another version, parameter or weight of a plugin, or reading such a result\n"
    "  --order ORDER           what waits: newest, oldest or smallest files first, or arrival (default: queue.order)\n"
    "  --background            only when nobody else needs the processor or the disk\n"
    "  --jobs N                analyser processes at once (default: one for each processor)\n"
    "  --shard I/N             only this share of the files: 1/4 to 4/4 on four machines that see the same paths, each into a\n"
    "                          catalogue of its own; `sonde catalogue merge` then makes one of them\n"
    "  --progress STYLE        bar, lines, json or none (default: bar on a terminal, else lines)\n"
    "  --allow-weak-sandbox    run plugins of others although this system lacks a layer of the sandbox (sonde doctor)\n"
    "  --no-sandbox            for developers: no sandbox at all; refused for plugins of others\n\n"
    "Ctrl-C stops cleanly; the next run goes on. A second Ctrl-C stops at once, and loses nothing either.\n"
    "Exit codes: 0 all well, 1 some files failed or workers for plugins could not be started (the\n"
    "summary tells), 2 wrong usage, 3 cannot run.\n\n"
    "  sonde analyze ~/Sounds\n"
    "  sonde analyze --only key,features take1.wav take2.flac\n"
    "  sonde analyze --progress json /srv/archive > progress.jsonl\n";

struct request {
    const char *only[64];
    size_t only_count;
    bool force, retry, stale, weak, no_sandbox, background;
    bool sweep; /* sonde rescan */
    const char *order;
    long jobs;
    struct shard shard;
    enum progress_style style;
};

/* A list with commas in place: splits it and adds its parts. */
static bool add_only(struct request *request, char *list) {
    char *rest = NULL;
    for (char *id = strtok_r(list, ", ", &rest); id; id = strtok_r(NULL, ", ", &rest)) {
        if (request->only_count == 64) return false;
        request->only[request->only_count++] = id;
    }
    return true;
}

static bool parse_style(const char *name, enum progress_style *style) {
    static const char *const names[] = {"bar", "lines", "json", "none"};
    for (int i = 0; i < 4; i++) {
        if (strcmp(name, names[i]) != 0) continue;
        *style = (enum progress_style)i;
        return true;
    }
    return false;
}

/* CLI_OK, or the exit code after a complaint. */
static int parse(int argc, char **argv, struct request *request) {
    enum { ONLY = 1, FORCE, RETRY, STALE, ORDER, BACKGROUND, JOBS, PROGRESS, WEAK, NO_SANDBOX, SHARD };
    static const struct option options[] = {{"only", required_argument, NULL, ONLY},
                                            {"force", no_argument, NULL, FORCE},
                                            {"retry", no_argument, NULL, RETRY},
                                            {"stale", no_argument, NULL, STALE},
                                            {"order", required_argument, NULL, ORDER},
                                            {"background", no_argument, NULL, BACKGROUND},
                                            {"jobs", required_argument, NULL, JOBS},
                                            {"shard", required_argument, NULL, SHARD},
                                            {"progress", required_argument, NULL, PROGRESS},
                                            {"allow-weak-sandbox", no_argument, NULL, WEAK},
                                            {"no-sandbox", no_argument, NULL, NO_SANDBOX},
                                            {NULL, 0, NULL, 0}};
    request->style = isatty(STDERR_FILENO) == 1 ? PROGRESS_BAR : PROGRESS_LINES;
    struct error error = {0};
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        char *end = NULL;
        switch (c) {
        case ONLY:
            if (!add_only(request, optarg)) return cli_usage("analyze", "--only names more than 64 plugins");
            break;
        case FORCE: request->force = true; break;
        case RETRY: request->retry = true; break;
        case STALE: request->stale = true; break;
        case ORDER: request->order = optarg; break;
        case BACKGROUND: request->background = true; break;
        case WEAK: request->weak = true; break;
        case NO_SANDBOX: request->no_sandbox = true; break;
        case JOBS:
            request->jobs = strtol(optarg, &end, 10);
            if (end == optarg || *end || request->jobs < 1 || request->jobs > 256)
                return cli_usage("analyze", "--jobs %s: should be from 1 to 256", optarg);
            break;
        case SHARD:
            if (!shard_parse(optarg, &request->shard, &error)) return cli_usage("analyze", "%s", error.text);
            break;
        case PROGRESS:
            if (!parse_style(optarg, &request->style))
                return cli_usage("analyze", "--progress %s: should be bar, lines, json or none", optarg);
            break;
        default: return cli_usage(argv[0], "%s: no such option, or its value is missing", argv[optind - 1]);
        }
    }
    if (request->stale && (request->force || request->retry))
        return cli_usage("analyze", "--stale does less than --force and --retry: choose");
    if (request->stale && request->shard.count) return cli_usage("analyze", "--stale is not for a --shard");
    if (optind == argc && !request->stale) return cli_usage(argv[0], "name at least one file or folder");
    for (int i = optind; i < argc; i++) /* which would be the folder that we are in */
        if (!argv[i][0]) return cli_usage(argv[0], "an empty path names nothing (a variable that isn't set?)");
    return CLI_OK;
}

static void on_signal(uv_signal_t *handle, int number) {
    (void)number;
    bool *stopped = ((void **)handle->data)[1];
    if (*stopped) _exit(CLI_SOME_FAILED); /* asked twice: the catalogue is sound whenever we die */
    *stopped = true;
    engine_stop(((void **)handle->data)[0]);
}

/* What is known to be out of date: a task of the engine's, to which nobody listens but the progress. */
static bool add_stale(struct engine *engine, int argc, char **argv) {
    const struct engine_task_spec spec = {.kind = ENGINE_TASK_STALE};
    struct engine_task *task = engine_task_new(engine, &spec);
    bool ok = task && (optind < argc || engine_task_add(task, "", 0));
    for (int i = optind; ok && i < argc; i++) {
        char *path = named_path(argv[i], true);
        ok = path && engine_task_add(task, path, strlen(path));
        free(path);
    }
    engine_task_free(task);
    return ok;
}

static bool add_paths(struct engine *engine, int argc, char **argv, const struct request *request) {
    if (request->stale) return add_stale(engine, argc, argv);
    for (int i = optind; i < argc; i++) {
        char *path = named_path(argv[i], false); /* the engine's walk does the rest, where it may hang */
        bool added = path && (request->sweep ? engine_sweep(engine, path, strlen(path))
                                             : engine_add_path(engine, path, strlen(path)));
        free(path);
        if (!added) return false;
    }
    return true;
}

/* A run of our own, to which other commands can talk meanwhile. */
static int run(struct engine *engine, int argc, char **argv, const struct request *request, struct progress *progress,
               struct desk **desk) {
    if (!add_paths(engine, argc, argv, request)) {
        cli_complain("out of memory");
        return CLI_CANNOT_RUN;
    }
    bool stopped = false;
    void *context[2] = {engine, &stopped};
    uv_signal_t signals[2];
    static const int numbers[2] = {SIGINT, SIGTERM};
    for (int i = 0; i < 2; i++) {
        if (uv_signal_init(engine_loop(engine), &signals[i]) != 0) return CLI_CANNOT_RUN;
        signals[i].data = context;
        uv_unref((uv_handle_t *)&signals[i]);
        (void)uv_signal_start(&signals[i], on_signal, numbers[i]);
    }
    struct error error = {0};
    bool ok = engine_run(engine, &error);
    desk_free(*desk);
    *desk = NULL;
    for (int i = 0; i < 2; i++) uv_close((uv_handle_t *)&signals[i], NULL);
    uv_run(engine_loop(engine), UV_RUN_NOWAIT);
    struct engine_progress final;
    engine_progress(engine, &final);
    uint64_t failed = progress_finish(progress, &final, stopped);
    if (!ok) {
        cli_complain("%s", error.text);
        return CLI_CANNOT_RUN;
    }
    return failed || stopped ? CLI_SOME_FAILED : CLI_OK;
}

static bool is_in_shard(void *context, const char *path) {
    return shard_has(context, path);
}

/* The engine that runs does it. */
static int hand_over(struct control_link *link, int argc, char **argv, const struct request *request,
                     struct progress *progress) {
    if (request->only_count || request->jobs || request->no_sandbox || request->weak || request->order ||
        request->background || request->shard.count) {
        cli_complain("an engine is running, and does the work as it was started: leave out --only, --jobs, --order,"
                     " --background, --shard and those about the sandbox, or stop it (sonde drain)");
        return CLI_USAGE;
    }
    cJSON *message = control_request(request->sweep ? "rescan" : "analyze");
    bool ok = message && handover_add_paths(message, argc - optind, argv + optind, request->stale) &&
              (!request->force || cJSON_AddTrueToObject(message, "force")) &&
              (!request->retry || cJSON_AddTrueToObject(message, "retry")) &&
              (!request->stale || cJSON_AddTrueToObject(message, "stale"));
    if (ok) return handover_follow(link, message, progress);
    cJSON_Delete(message);
    cli_complain("out of memory");
    return CLI_CANNOT_RUN;
}

static bool set_up(struct setup *setup, const struct cli *cli, const struct request *request, struct error *error) {
    if (!setup_open(setup, cli, error)) return false;
    struct engine_options *options = &setup->options;
    options->only = request->only_count ? request->only : NULL;
    options->only_count = request->only_count;
    options->force = request->force;
    options->retry = request->retry;
    options->allow_weak_sandbox = request->weak;
    options->background |= request->background;
    if (request->jobs) options->jobs = (unsigned)request->jobs;
    if (request->no_sandbox) options->profile = "none";
    return !request->order || setup_set_order(setup, request->order, error);
}

/* Whether the catalogue knows files of this path, or below it. */
static bool is_known(struct catalogue *catalogue, const char *path) {
    char whole[PATH_MAX], folder[PATH_MAX] = "";
    int64_t known = 0;
    if (path[0] != '/' && !getcwd(folder, sizeof folder)) return false;
    int n = snprintf(whole, sizeof whole, "%s%s%s", folder, path[0] == '/' ? "" : "/", path);
    while (n > 0 && n < PATH_MAX && whole[n - 1] == '/') whole[--n] = '\0';
    char *text = text_display(whole, strlen(whole));
    bool asked = text && sql_number(catalogue, NULL, &known,
                                    "SELECT EXISTS (SELECT 1 FROM files WHERE path_text = ?1 OR"
                                    " (path_text >= ?1 || '/' AND path_text < ?1 || '0'))",
                                    "t", text);
    free(text);
    return asked && known;
}

/* What isn't there can be looked at again where the catalogue knows something of it: that becomes missing. */
static bool can_sweep(int argc, char **argv, const struct cli *cli) {
    struct catalogue *catalogue = catalogue_open(cli->catalogue, CATALOGUE_READ, NULL);
    struct stat about;
    bool fine = true;
    for (int i = optind; i < argc; i++) {
        if (lstat(argv[i], &about) == 0 || errno != ENOENT || (catalogue && is_known(catalogue, argv[i]))) continue;
        cli_complain("%s: no such file or folder, and none in the catalogue", argv[i]);
        fine = false;
    }
    catalogue_close(catalogue);
    return fine;
}

static int analyze(int argc, char **argv, const struct cli *cli, struct request *request) {
    int code = parse(argc, argv, request);
    if (code != CLI_OK) return code;
    if (request->sweep && !can_sweep(argc, argv, cli)) return CLI_SOME_FAILED;
    struct setup setup;
    struct error error = {0};
    struct engine *engine = NULL;
    struct control_link *link = NULL;
    struct progress *progress = progress_new(request->style, cli->width, cli->colour);
    bool ok = set_up(&setup, cli, request, &error) && (progress || error_memory(&error));
    if (progress) progress_only(progress, is_in_shard, &request->shard);
    for (int attempt = 0; ok && !engine && !link; attempt++) {
        engine = engine_new(&setup.options, progress_events(), progress, &error);
        ok = engine || reach_again(cli->catalogue, attempt, &link, &error);
    }
    const struct desk_owner owner = {.command = argv[0], .version = SONDE_VERSION, .order = setup.order};
    struct desk *desk = engine ? desk_new(engine, cli->catalogue, &owner, NULL)
                               : NULL; /* without it nobody can talk to us */
    code = CLI_CANNOT_RUN;
    if (engine)
        code = run(engine, argc, argv, request, progress, &desk);
    else if (link)
        code = hand_over(link, argc, argv, request, progress);
    else
        cli_complain("%s", error.text);
    if (!engine && !link && error.code == EINVAL) code = CLI_USAGE; /* an order, a plugin, a parameter */
    desk_free(desk);
    control_close(link);
    engine_free(engine);
    progress_free(progress);
    setup_close(&setup);
    return code;
}

int analyze_command(int argc, char **argv, const struct cli *cli) {
    struct request request = {0};
    return analyze(argc, argv, cli, &request);
}

const char retry_help[] =
    "usage: sonde retry FILE...\n\n"
    "Tries again what failed, and what was quarantined because a plugin died twice on it: sonde analyze --retry.\n"
    "FILE is a path, or a file's name where only one in the catalogue has it.\n";

/* The path of the catalogue's file that `name` is the bare name of, in `path`; `name` itself where it is anything else. */
static const char *path_of(struct catalogue *catalogue, const char *name, char path[PATH_MAX]) {
    struct lookup file;
    struct stat about;
    bool row = false;
    if (name[0] == '-' || strchr(name, '/') || stat(name, &about) == 0) return name;
    if (!lookup_find(catalogue, name, &file, NULL) || file.region) return name;
    sqlite3_stmt *from = sql_bind(catalogue, NULL, "SELECT path FROM files WHERE file_id = ?", "i", file.file);
    if (!from || !sql_step(catalogue, from, &row, NULL) || !row) return name;
    int n = snprintf(path, PATH_MAX, "%.*s", sqlite3_column_bytes(from, 0), (const char *)sqlite3_column_blob(from, 0));
    (void)sqlite3_reset(from);
    return n < PATH_MAX ? path : name;
}

/* As for `show`, a name is enough where only one file in the catalogue has it. */
int retry_command(int argc, char **argv, const struct cli *cli) {
    struct request request = {.retry = true};
    struct catalogue *catalogue = catalogue_open(cli->catalogue, CATALOGUE_READ, NULL);
    char **words = calloc((size_t)argc + 1, sizeof *words), path[PATH_MAX];
    bool ok = words != NULL;
    for (int i = 0; ok && i < argc; i++)
        ok = (words[i] = strdup(catalogue && i > 0 ? path_of(catalogue, argv[i], path) : argv[i])) != NULL;
    catalogue_close(catalogue);
    int code = ok ? analyze(argc, words, cli, &request) : CLI_CANNOT_RUN;
    if (!ok) cli_complain("out of memory");
    for (int i = 0; words && i < argc; i++) free(words[i]);
    free(words);
    return code;
}

const char rescan_help[] =
    "usage: sonde rescan [--progress STYLE] PATH...\n\n"
    "Looks at all that is below PATH and compares it with the catalogue: new and changed files are analysed, those that are\n"
    "gone become `missing`. For file systems that tell nobody what happens to them, and for scripts that know that something\n"
    "has. A running `sonde watch` does it, by its rules about what is left out. Files of a disk that isn't mounted are left\n"
    "as they are.\n";

int rescan_command(int argc, char **argv, const struct cli *cli) {
    struct request request = {.sweep = true};
    return analyze(argc, argv, cli, &request);
}
