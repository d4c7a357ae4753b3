/* sonde watch: keeps folders analysed, for months. */
#include "engine/watch/watch.h"

#include "engine/base/path.h"
#include "engine/cli/commands.h"
#include "engine/cli/config.h"
#include "engine/cli/kept_signals.h"
#include "engine/cli/logfmt.h"
#include "engine/cli/lookout.h"
#include "engine/cli/setup.h"
#include "engine/control/desk.h"
#include "engine/schedule/walk.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NO_FOLDER "name at least one folder, or set watch.folders"

const char watch_help[] =
    "usage: sonde watch [options] [FOLDER...]\n\n"
    "Analyses what is in the folders (default: watch.folders of the configuration) and everything that comes into them, until\n"
    "it is stopped. New files are taken when they are whole: closed or moved in, and the same at two looks. Moves and renames\n"
    "keep results and tags; a file that is gone is `missing`, never deleted; a folder that is gone (an unmounted disk) is\n"
    "waited for. Network file systems are swept, for nobody tells of what other machines write to them.\n\n"
    "  --include GLOBS     only names that match one of them (\"*.wav *.flac\")\n"
    "  --exclude GLOBS     not these\n"
    "  --hidden            hidden names too\n"
    "  --order ORDER       what waits: newest, oldest or smallest files first, or arrival (default: queue.order)\n"
    "  --background        only when nobody else needs the processor or the disk\n"
    "  --allow-weak-sandbox  as in sonde analyze\n\n"
    "Left out are hidden names, what is still being written or left over (*.part, *.tmp, *~ ...), and files whose extension says\n"
    "that they are no sound (pictures, texts, archives ...). A file .sondeignore says more about the folder that it lies in and\n"
    "all below: a glob a line, of which the last that matches decides; # begins a comment, ! lets in again, a slash at the end\n"
    "means folders only, a slash elsewhere ties the glob to this folder (takes/*.wav). What `sonde analyze` names is analysed\n"
    "whatever these say.\n\n"
    "Other commands talk to it: sonde status, analyze, rescan, pause, resume, drain, reload, tag, set ...\n"
    "Prints one line an event (logfmt). SIGTERM lets files under way come to their end (engine.drain), Ctrl-C stops at once,\n"
    "SIGHUP reads the configuration again. Under systemd, use Type=notify (sonde-watch.service does).\n"
    "Exit codes: 0 stopped, 2 wrong usage, 3 cannot run.\n";

#define RECENT_NS       10000000000 /* a file that was written so lately may not be whole */
#define PROGRESS_NS     60000000000u
#define LOCK_TRIES      200 /* after a reload: somebody may have taken the lock meanwhile */
#define TIMEOUT_SECONDS 1
#define LOOK_SECONDS    2 /* between two looks at the plugins of others */

struct wish {
    const char *include, *exclude, *order;
    bool hidden, background, weak;
    char **folders; /* of the command line: absolute once the watching begins */
    size_t folders_count;
};

/* Absolute paths of folders, all owned. */
struct roots {
    char **paths;
    size_t count;
};

/* One stretch of watching, from one reading of the configuration to the next. */
struct watcher {
    const struct wish *wish;
    struct kept_signals *signals;
    const struct config *config;
    struct ignore *ignore;
    struct roots roots;
    struct engine *engine;
    struct watch *watch;
    struct desk *desk;
    char plugins[HASH_TEXT];    /* what there was of them before this stretch began (lookout.h) */
    struct config *next_config; /* read already, for the next stretch */
    bool started, stopping;     /* started: it has said that it watches */
    bool hurried;               /* the engine was told to stop, not to drain */
    uint64_t files, failed, told;
};

/* --------------------------------------------------------------------------------------------- what is to be watched */

static void free_roots(struct roots *roots) {
    for (size_t i = 0; i < roots->count; i++) free(roots->paths[i]);
    free(roots->paths);
    *roots = (struct roots){0};
}

static bool collect_root(struct roots *roots, const char *path, struct error *error) {
    struct stat about;
    char *real = realpath(path, NULL);
    if (!real && path[0] != '/')
        return error_set(error, "there is no %s (a folder that comes later needs its full path)", path);
    if (real && stat(real, &about) == 0 && !S_ISDIR(about.st_mode)) {
        free(real);
        return error_set(error, "%s is no folder: only folders are watched (sonde analyze takes files)", path);
    }
    char *root = real ? real : strdup(path);
    char **grown = root ? realloc(roots->paths, (roots->count + 1) * sizeof *grown) : NULL;
    if (!grown) {
        free(root);
        return error_memory(error);
    }
    roots->paths = grown;
    roots->paths[roots->count++] = root;
    return true;
}

/* The folders of the command line, or where it names none those of `config`. free_roots in any case. */
static bool collect_roots(const struct wish *wish, const struct config *config, struct roots *roots,
                          struct error *error) {
    bool ok = true;
    for (size_t i = 0; i < wish->folders_count && ok; i++) ok = collect_root(roots, wish->folders[i], error);
    if (!ok || wish->folders_count > 0) return ok;
    char *list = strdup(config_text(config, "watch.folders")), *rest = NULL;
    if (!list) return error_memory(error);
    for (char *folder = strtok_r(list, ":", &rest); folder && ok; folder = strtok_r(NULL, ":", &rest))
        ok = collect_root(roots, folder, error);
    free(list);
    return ok && (roots->count > 0 || error_set(error, NO_FOLDER));
}

/* ------------------------------------------------------------------------------------------------- from the engine */

static void on_finished(void *user, const struct engine_file *file) {
    struct watcher *watcher = user;
    struct logfmt_number regions = {""}, seconds = {""};
    if (file->known) return;
    watcher->files++;
    watcher->failed += strcmp(file->status, "failed") == 0;
    logfmt("file", "status", file->status, "path", file->display, "path_hex", file->path_hex, "regions",
           logfmt_count(&regions, file->regions), "seconds", logfmt_seconds(&seconds, file->duration), "reason",
           file->reason, NULL);
}

static void on_progress(void *user, const struct engine_progress *progress) {
    struct watcher *watcher = user;
    struct logfmt_number done = {""}, total = {""}, failed = {""}, audio = {""};
    uint64_t now = uv_hrtime();
    if (watcher->told == 0) watcher->told = now;
    if (now - watcher->told < PROGRESS_NS) return;
    watcher->told = now;
    logfmt("progress", "done", logfmt_count(&done, progress->files_done), "total",
           logfmt_count(&total, progress->files_total), "failed", logfmt_count(&failed, progress->files_failed),
           "audio", logfmt_seconds(&audio, progress->audio_done), NULL);
}

static void on_incident(void *user, const struct engine_incident *incident) {
    (void)user;
    logfmt("incident", "plugin", incident->plugin, "outcome", incident->outcome, "path", incident->path, "path_hex",
           incident->path_hex, "reason", incident->reason, NULL);
}

static void on_problem(void *user, const char *plugin, const char *sentence) {
    (void)user;
    logfmt("plugin", "plugin", plugin, "reason", sentence, NULL);
}

static void on_warning(void *user, const char *sentence) {
    (void)user;
    logfmt("warning", "text", sentence, NULL);
}

static void on_holding(void *user, const char *why) {
    const struct watcher *watcher = user;
    logfmt(why ? "holding" : "going-on", "reason", why, NULL);
    desk_holding(watcher->desk, why);
}

static void on_vanished(void *user, const char *display, const char *path_hex) {
    (void)user;
    logfmt("gone", "path", display, "path_hex", path_hex, NULL);
}

/* Length of the root that holds `path`; 0: none does. */
static size_t root_length(const struct watcher *watcher, const char *path) {
    size_t longest = 0;
    for (size_t i = 0; i < watcher->roots.count; i++) {
        size_t n = strlen(watcher->roots.paths[i]);
        if (strncmp(path, watcher->roots.paths[i], n) == 0 && path[n] == '/' && n > longest) longest = n;
    }
    return longest;
}

/* Whether a file that a sweep met may still be on its way in: the settling looks after it then. */
static bool is_fresh(int64_t mtime_ns) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    int64_t age = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec - mtime_ns;
    return mtime_ns != 0 && age > -RECENT_NS && age < RECENT_NS;
}

/* Neither the file itself nor a folder between it and its root is to be left out. */
static bool on_wanted(void *user, const char *path, int64_t mtime_ns) {
    const struct watcher *watcher = user;
    size_t root = root_length(watcher, path);
    bool wanted = root > 0 ? !ignore_matches_below(watcher->ignore, path, root, false)
                           : !ignore_matches(watcher->ignore, path, false);
    return wanted && !(is_fresh(mtime_ns) && watcher->watch && watch_settle(watcher->watch, path));
}

static void must(struct watcher *watcher, bool ok) {
    if (ok) return;
    logfmt("warning", "text", "out of memory: stopping", NULL);
    engine_stop(watcher->engine);
}

static void on_rules(void *user, const char *folder, const char *text) {
    struct watcher *watcher = user;
    must(watcher, ignore_set_folder(watcher->ignore, folder, text));
}

/* ------------------------------------------------------------------------------------------------ from the watcher */

static void on_settled(void *user, const char *path) {
    struct watcher *watcher = user;
    if (walk_leaves_out(path_name(path), true)) return; /* a picture, say */
    if (engine_owns(watcher->engine, path)) return;
    must(watcher, engine_add_path(watcher->engine, path, strlen(path)));
}

static void on_moved(void *user, const char *from, const char *to, bool folder) {
    struct watcher *watcher = user;
    logfmt("moved", "from", from, "to", to, NULL);
    must(watcher, engine_path_moved(watcher->engine, from, to, folder));
}

static void on_gone(void *user, const char *path, bool folder) {
    struct watcher *watcher = user;
    logfmt("gone", "path", path, NULL);
    must(watcher, engine_path_gone(watcher->engine, path, folder));
}

static void on_sweep(void *user, const char *folder, const char *why) {
    struct watcher *watcher = user;
    logfmt("sweep", "path", folder, "reason", why, NULL);
    must(watcher, engine_sweep(watcher->engine, folder, strlen(folder)));
}

static void on_root(void *user, const char *root, bool there) {
    (void)user;
    logfmt(there ? "back" : "away", "path", root, "reason", there ? NULL : "the folder is not there: waiting for it",
           NULL);
}

/* ------------------------------------------------------------------------------------------- signals and commands */

static bool can_use(const struct wish *wish, const struct config *config, struct error *error) {
    const struct cli cli = {.config = config, .catalogue = ""};
    struct setup setup;
    struct roots roots = {0};
    bool ok = setup_open(&setup, &cli, error) && collect_roots(wish, config, &roots, error);
    free_roots(&roots);
    setup_close(&setup);
    return ok;
}

static void say_unusable(const struct error *error) {
    logfmt("warning", "text", "the configuration can't be used, so nothing changes", "reason", error->text, NULL);
}

/* The configuration is read before anything is given up for it: a broken one changes nothing. */
static void reload(void *user) {
    struct watcher *watcher = user;
    struct error error = {0};
    if (watcher->stopping || watcher->next_config) return;
    struct config *config = config_reload(watcher->config, &error);
    if (!config || !can_use(watcher->wish, config, &error)) {
        say_unusable(&error);
        config_free(config);
        return;
    }
    logfmt("reloading", "file", config_file(config), NULL);
    notify_systemd("RELOADING=1");
    watcher->next_config = config;
    engine_drain(watcher->engine, config_number(watcher->config, "engine.drain"));
}

/* Files under way end with the plugins they began with; then a new stretch begins, and what has become stale is done again. */
static void on_plugins_changed(void *user) {
    struct watcher *watcher = user;
    logfmt("plugins", "reason", "plugins have changed: they are taken up when the files under way are done", NULL);
    reload(watcher);
}

static void on_signal(uv_signal_t *handle, int number) {
    struct watcher *watcher = handle->data;
    if (number == SIGHUP) {
        reload(watcher);
        return;
    }
    bool again = watcher->stopping;
    if (watcher->hurried) _exit(CLI_OK); /* the catalogue is sound whenever we die */
    watcher->stopping = true;
    logfmt("stopping", "signal", strsignal(number), NULL);
    notify_systemd("STOPPING=1");
    double seconds = config_number(watcher->config, "engine.drain");
    watcher->hurried = number != SIGTERM || again || seconds <= 0;
    if (watcher->hurried)
        engine_stop(watcher->engine);
    else
        engine_drain(watcher->engine, seconds);
}

static void on_heartbeat(uv_timer_t *timer) {
    const struct watcher *watcher = timer->data;
    struct engine_progress progress;
    const char *held = engine_held(watcher->engine);
    char state[400];
    engine_progress(watcher->engine, &progress);
    snprintf(state, sizeof state, "WATCHDOG=1\nSTATUS=%llu of %llu files, %llu failed%s%s",
             (unsigned long long)progress.files_done, (unsigned long long)progress.files_total,
             (unsigned long long)progress.files_failed, held ? "; " : "", held ? held : "");
    notify_systemd(state);
}

static void on_asked(void *user, const char *command) {
    (void)user;
    logfmt("asked", "command", command, NULL);
}

static void add_status(void *user, cJSON *object) {
    const struct watcher *watcher = user;
    struct watch_counts counts;
    if (!watcher->watch) return;
    watch_count(watcher->watch, &counts);
    (void)cJSON_AddNumberToObject(object, "folders_watched", (double)counts.folders_watched);
    (void)cJSON_AddNumberToObject(object, "folders_swept", (double)counts.folders_swept);
    (void)cJSON_AddNumberToObject(object, "settling", (double)counts.files_settling);
    (void)cJSON_AddNumberToObject(object, "overflows", (double)counts.overflows);
}

/* ---------------------------------------------------------------------------------------------------------- running */

static int parse(int argc, char **argv, struct wish *wish) {
    enum { INCLUDE = 1, EXCLUDE, HIDDEN, ORDER, BACKGROUND, WEAK };
    static const struct option options[] = {{"include", required_argument, NULL, INCLUDE},
                                            {"exclude", required_argument, NULL, EXCLUDE},
                                            {"hidden", no_argument, NULL, HIDDEN},
                                            {"order", required_argument, NULL, ORDER},
                                            {"background", no_argument, NULL, BACKGROUND},
                                            {"allow-weak-sandbox", no_argument, NULL, WEAK},
                                            {NULL, 0, NULL, 0}};
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == INCLUDE)
            wish->include = optarg;
        else if (c == EXCLUDE)
            wish->exclude = optarg;
        else if (c == HIDDEN)
            wish->hidden = true;
        else if (c == ORDER)
            wish->order = optarg;
        else if (c == BACKGROUND)
            wish->background = true;
        else if (c == WEAK)
            wish->weak = true;
        else
            return cli_usage("watch", "%s: no such option, or its value is missing", argv[optind - 1]);
    }
    wish->folders = argv + optind;
    wish->folders_count = (size_t)(argc - optind);
    for (size_t i = 0; i < wish->folders_count; i++)
        if (!wish->folders[i][0]) return cli_usage("watch", "an empty path names nothing (a variable that isn't set?)");
    return CLI_OK;
}

static bool add_roots(struct watcher *watcher, struct error *error) {
    if (!collect_roots(watcher->wish, watcher->config, &watcher->roots, error)) return false;
    for (size_t i = 0; i < watcher->roots.count; i++)
        if (!watch_add_root(watcher->watch, watcher->roots.paths[i], error)) return false;
    return true;
}

static void say_ready(const struct watcher *watcher) {
    struct watch_counts counts;
    struct logfmt_number folders = {""};
    watch_count(watcher->watch, &counts);
    logfmt("watching", "folders", logfmt_count(&folders, counts.folders_watched), NULL);
    notify_systemd("READY=1");
}

/* Between two stretches nothing is under way, so a signal can end us as it is. */
static void on_signal_between(int number) {
    static const char text[] = "event=stopped\n";
    (void)number;
    _exit(write(STDOUT_FILENO, text, sizeof text - 1) > 0 ? CLI_OK : CLI_CANNOT_RUN);
}

static bool watch_until_stopped(struct watcher *watcher, struct error *error) {
    static const struct watch_events events = {on_settled, on_moved, on_gone, on_sweep, on_root, on_warning};
    struct watch_options options;
    watch_options_init(&options);
    options.sweep_interval = config_number(watcher->config, "watch.sweep_interval");
    uv_loop_t *loop = engine_loop(watcher->engine);
    uv_signal_t signals[KEPT_SIGNALS];
    uv_timer_t heartbeat;
    uint64_t beat = (uint64_t)(1000 * notify_interval());
    for (int i = 0; i < KEPT_SIGNALS; i++) {
        (void)uv_signal_init(loop,
                             &signals[i]); /* fails only where descriptors do, and then nothing else works either */
        signals[i].data = watcher;
        (void)uv_signal_start(&signals[i], on_signal, kept_signals_numbers[i]);
    }
    kept_signals_listen(watcher->signals);
    (void)uv_timer_init(loop, &heartbeat);
    heartbeat.data = watcher;
    (void)uv_timer_start(&heartbeat, on_heartbeat, beat, beat);
    watcher->watch = watch_new(loop, &options, watcher->ignore, &events, watcher, error);
    struct lookout *lookout = lookout_new(loop, watcher->config, watcher->plugins, LOOK_SECONDS, on_plugins_changed,
                                          watcher, error);
    bool ok = watcher->watch && lookout && add_roots(watcher, error);
    if (ok) {
        watcher->started = true;
        say_ready(watcher);
        if (engine_is_paused(watcher->engine))
            logfmt("holding", "reason", "paused before this start: `sonde resume` goes on", NULL);
        ok = engine_run(watcher->engine, error);
    }
    lookout_free(lookout);
    watch_free(watcher->watch);
    watcher->watch = NULL;
    kept_signals_rest(watcher->signals);
    for (int i = 0; i < KEPT_SIGNALS; i++) uv_close((uv_handle_t *)&signals[i], NULL);
    uv_close((uv_handle_t *)&heartbeat, NULL);
    for (int i = 0; i < 3; i++) uv_run(loop, UV_RUN_NOWAIT); /* the handles lie on this stack */
    return ok;
}

static struct engine *start_engine(const struct engine_options *options, const struct engine_events *events,
                                   struct watcher *watcher, bool again, struct error *error) {
    for (int i = 0;; i++) {
        struct engine *engine = engine_new(options, events, watcher, error);
        /* A command may have taken the lock while it was free, for a moment. */
        if (engine || !again || error->code != EBUSY || i == LOCK_TRIES) return engine;
        notify_systemd("WATCHDOG=1");
        sleep(TIMEOUT_SECONDS);
    }
}

/* One stretch. */
static bool watch_once(struct watcher *watcher, const struct cli *cli, bool again, struct error *error) {
    static const struct engine_events events = {.wanted = on_wanted,
                                                .rules = on_rules,
                                                .file_finished = on_finished,
                                                .progress = on_progress,
                                                .incident = on_incident,
                                                .plugin_problem = on_problem,
                                                .warning = on_warning,
                                                .holding = on_holding,
                                                .vanished = on_vanished};
    const struct wish *wish = watcher->wish;
    const struct config *config = watcher->config;
    struct cli configured = *cli;
    struct setup setup;
    configured.config = config;
    bool hidden = wish->hidden || config_boolean(config, "watch.hidden");
    watcher->ignore = ignore_new(hidden, wish->include ? wish->include : config_text(config, "watch.include"),
                                 wish->exclude ? wish->exclude : config_text(config, "watch.exclude"));
    bool ok = setup_open(&setup, &configured, error) && (watcher->ignore || error_memory(error)) &&
              (!wish->order || setup_set_order(&setup, wish->order, error));
    setup.options.stay = true;
    setup.options.hidden = hidden;
    setup.options.background |= wish->background;
    setup.options.allow_weak_sandbox = wish->weak;
    ok = ok && (lookout_sight(config, watcher->plugins) || error_memory(error));
    if (ok) watcher->engine = start_engine(&setup.options, &events, watcher, again, error);
    if (watcher->engine) {
        struct error why;
        const struct desk_owner owner = {.command = "watch",
                                         .version = SONDE_VERSION,
                                         .order = setup.order,
                                         .reload = reload,
                                         .status = add_status,
                                         .asked = on_asked,
                                         .user = watcher};
        watcher->desk = desk_new(watcher->engine, cli->catalogue, &owner, &why);
        if (!watcher->desk) logfmt("warning", "text", "commands can't talk to this engine", "reason", why.text, NULL);
        ok = watch_until_stopped(watcher, error);
        desk_free(watcher->desk);
    } else {
        ok = false;
    }
    engine_free(watcher->engine);
    free_roots(&watcher->roots);
    ignore_free(watcher->ignore);
    setup_close(&setup);
    return ok;
}

/* Another stretch, with what outlasts one. */
static bool watch_again(struct watcher *watcher, const struct config *config, const struct cli *cli,
                        struct error *error) {
    *watcher = (struct watcher){.wish = watcher->wish,
                                .signals = watcher->signals,
                                .config = config,
                                .files = watcher->files,
                                .failed = watcher->failed};
    *error = (struct error){0};
    return watch_once(watcher, cli, true, error);
}

/* Stretch after stretch. Until one watches, its configuration may still turn out to be of no use (what a plugin says of its
 * parameters is heard only then): the one before it goes on. */
static bool watch_on(struct watcher *watcher, const struct cli *cli, struct error *error) {
    struct config *own = NULL; /* of the present stretch, unless that is cli's */
    bool ok = watch_once(watcher, cli, false, error);
    while (ok && watcher->next_config && !watcher->stopping) {
        struct config *before = own;
        own = watcher->next_config;
        ok = watch_again(watcher, own, cli, error);
        if (!ok && !watcher->started && !watcher->stopping) {
            say_unusable(error);
            config_free(watcher->next_config);
            config_free(own);
            own = before;
            before = NULL;
            ok = watch_again(watcher, own ? own : cli->config, cli, error);
        }
        config_free(before);
    }
    config_free(watcher->next_config);
    config_free(own);
    return ok;
}

/* Watches the folders of `wish` until it is stopped; the exit code. */
static int watch_wish(const struct wish *wish, const struct cli *cli) {
    struct kept_signals signals;
    struct watcher watcher = {.wish = wish, .signals = &signals, .config = cli->config};
    struct error error = {0};
    if (!kept_signals_open(&signals, on_signal_between)) {
        cli_complain("it can't listen to signals");
        return CLI_CANNOT_RUN;
    }
    bool ok = watch_on(&watcher, cli, &error);
    kept_signals_close(&signals);
    if (!ok) {
        cli_complain("%s", error.text);
        return !watcher.started && error.code == EINVAL ? CLI_USAGE : CLI_CANNOT_RUN;
    }
    struct logfmt_number files = {""}, failed = {""};
    logfmt("stopped", "files", logfmt_count(&files, watcher.files), "failed", logfmt_count(&failed, watcher.failed),
           NULL);
    return CLI_OK;
}

int watch_command(int argc, char **argv, const struct cli *cli) {
    struct wish wish = {0};
    struct error error = {0};
    int code = parse(argc, argv, &wish);
    if (code != CLI_OK) return code;
    const char *configured = config_text(cli->config, "watch.folders");
    if (wish.folders_count == 0 && configured[strspn(configured, ":")] == '\0') return cli_usage("watch", NO_FOLDER);
    (void)signal(SIGHUP, SIG_IGN);
    struct roots named = {0}; /* made absolute now: a relative one means nothing while its folder is away */
    bool ok = wish.folders_count == 0 || collect_roots(&wish, cli->config, &named, &error);
    wish.folders = named.paths;
    code = CLI_CANNOT_RUN;
    if (ok)
        code = watch_wish(&wish, cli);
    else
        cli_complain("%s", error.text);
    free_roots(&named);
    return code;
}
