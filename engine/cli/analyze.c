/* sonde analyze: runs the engine over files and folders. */
#include "engine/cli/commands.h"
#include "engine/cli/progress.h"
#include "engine/cli/setup.h"
#include "engine/cli/shard.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

const char analyze_help[] =
    "usage: sonde analyze [options] PATH...\n\n"
    "Analyses audio files, and all files below folders, and keeps the results in the catalogue. What is there already and\n"
    "hasn't changed costs nothing; what an earlier run left unfinished is finished too.\n\n"
    "  --only ID[,ID...]       run only these plugins (and those that they need)\n"
    "  --force                 analyse again what has results already\n"
    "  --retry                 try again what failed or was quarantined before\n"
    "  --jobs N                analyser processes at once (default: one for each processor)\n"
    "  --shard I/N             only this share of the files: 1/4 to 4/4 on four machines that see the same paths, each into a\n"
    "                          catalogue of its own; `sonde catalogue merge` then makes one of them\n"
    "  --progress STYLE        bar, lines, json or none (default: bar on a terminal, else lines)\n"
    "  --allow-weak-sandbox    run plugins of others although this system lacks a layer of the sandbox (sonde doctor)\n"
    "  --no-sandbox            for developers: no sandbox at all; refused for plugins of others\n\n"
    "Ctrl-C stops cleanly; the next run goes on. A second Ctrl-C stops at once, and loses nothing either.\n"
    "Exit codes: 0 all well, 1 some files failed (the summary names them), 2 wrong usage, 3 cannot run.\n\n"
    "  sonde analyze ~/Sounds\n"
    "  sonde analyze --only key,features take1.wav take2.flac\n"
    "  sonde analyze --progress json /srv/archive > progress.jsonl\n";

struct request {
    const char *only[64];
    size_t only_count;
    bool force, retry, weak, no_sandbox;
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
    enum { ONLY = 1, FORCE, RETRY, JOBS, PROGRESS, WEAK, NO_SANDBOX, SHARD };
    static const struct option options[] = {{"only", required_argument, NULL, ONLY},
                                            {"force", no_argument, NULL, FORCE},
                                            {"retry", no_argument, NULL, RETRY},
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
        default: return cli_usage("analyze", "%s: no such option, or its value is missing", argv[optind - 1]);
        }
    }
    if (optind == argc) return cli_usage("analyze", "name at least one file or folder");
    return CLI_OK;
}

static void on_signal(uv_signal_t *handle, int number) {
    (void)number;
    bool *stopped = ((void **)handle->data)[1];
    if (*stopped) _exit(CLI_SOME_FAILED); /* asked twice: the catalogue is sound whenever we die */
    *stopped = true;
    engine_stop(((void **)handle->data)[0]);
}

static int run(struct engine *engine, int argc, char **argv, struct progress *progress) {
    for (int i = optind; i < argc; i++) {
        /* One file has one path: what leads up and down again is resolved (where it can be). */
        char *real = strstr(argv[i], "..") ? realpath(argv[i], NULL) : NULL;
        const char *path = real ? real : argv[i];
        bool added = engine_add_path(engine, path, strlen(path));
        free(real);
        if (!added) {
            cli_complain("out of memory");
            return CLI_CANNOT_RUN;
        }
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

static int analyze(int argc, char **argv, const struct cli *cli, struct request *request) {
    int code = parse(argc, argv, request);
    if (code != CLI_OK) return code;
    struct setup setup;
    struct error error = {0};
    struct progress *progress = progress_new(request->style, cli->width, cli->colour);
    bool ok = setup_open(&setup, cli, &error) && (progress || error_memory(&error));
    if (progress) progress_only(progress, is_in_shard, &request->shard);
    struct engine_options *options = &setup.options;
    options->only = request->only_count ? request->only : NULL;
    options->only_count = request->only_count;
    options->force = request->force;
    options->retry = request->retry;
    options->allow_weak_sandbox = request->weak;
    if (request->jobs) options->jobs = (unsigned)request->jobs;
    if (request->no_sandbox) options->profile = "none";
    struct engine *engine = ok ? engine_new(options, progress_events(), progress, &error) : NULL;
    code = CLI_CANNOT_RUN;
    if (engine)
        code = run(engine, argc, argv, progress);
    else
        cli_complain("%s", error.text);
    if (!engine && error.code == EINVAL) code = CLI_USAGE; /* a plugin's parameter */
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
    "Tries again what failed, and what was quarantined because a plugin died twice on it: sonde analyze --retry.\n";

int retry_command(int argc, char **argv, const struct cli *cli) {
    struct request request = {.retry = true};
    return analyze(argc, argv, cli, &request);
}
