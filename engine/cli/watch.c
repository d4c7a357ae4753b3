/* sonde watch: keeps folders analysed, for months. */
#include "engine/watch/watch.h"

#include "engine/cli/commands.h"
#include "engine/cli/config.h"
#include "engine/cli/setup.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

const char watch_help[] =
    "usage: sonde watch [options] FOLDER...\n\n"
    "Analyses what is in the folders and everything that comes into them, until it is stopped. New files are taken when they\n"
    "are whole: closed or moved in, and the same at two looks. Moves and renames keep results and tags; a file that is gone is\n"
    "`missing`, never deleted; a folder that is gone (an unmounted disk) is waited for. Network file systems are swept, for\n"
    "nobody tells of what other machines write to them.\n\n"
    "  --include GLOBS     only names that match one of them (\"*.wav *.flac\")\n"
    "  --exclude GLOBS     not these; .sondeignore files in the folders say more\n"
    "  --hidden            hidden names too\n"
    "  --background        only when nobody else needs the processor or the disk\n"
    "  --allow-weak-sandbox  as in sonde analyze\n\n"
    "Prints one line an event (logfmt). Ctrl-C and SIGTERM stop cleanly. Under systemd, use Type=notify.\n"
    "Exit codes: 0 stopped, 2 wrong usage, 3 cannot run.\n";

struct watcher {
    const struct ignore *ignore;
    char **roots; /* absolute paths */
    size_t roots_count;
    struct engine *engine;
    struct watch *watch;
    bool stopping;
    uint64_t files, failed;
};

/* -------------------------------------------------------------------------------------------------------------- log */

static void print_value(const char *text) {
    if (text[0] && !strpbrk(text, " \"=\\\n\t")) {
        fputs(text, stdout);
        return;
    }
    putchar('"');
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') putchar('\\');
        if (c == '\n' || c == '\t' || c < 0x20)
            putchar(' ');
        else
            putchar(c);
    }
    putchar('"');
}

/* One line: event=NAME key=value ...; keys and values in turn until NULL; a NULL value leaves its key out. */
static void say(const char *event, ...) {
    va_list args;
    va_start(args, event);
    printf("event=%s", event);
    for (const char *key; (key = va_arg(args, const char *));) {
        const char *value = va_arg(args, const char *);
        if (!value) continue;
        printf(" %s=", key);
        print_value(value);
    }
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

/* What systemd wants to know (sd_notify(3)): one datagram to the socket that it names, if it does. */
static void notify(const char *state) {
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof address.sun_path) return;
    memcpy(address.sun_path, path, strlen(path));
    if (path[0] == '@') address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address, length);
    close(fd);
}

/* ------------------------------------------------------------------------------------------------- from the engine */

static void on_finished(void *user, const struct engine_file *file) {
    struct watcher *watcher = user;
    char regions[16], seconds[32];
    if (file->known) return;
    watcher->files++;
    watcher->failed += strcmp(file->status, "failed") == 0;
    snprintf(regions, sizeof regions, "%u", file->regions);
    snprintf(seconds, sizeof seconds, "%.1f", file->duration);
    say("file", "status", file->status, "path", file->display, "regions", regions, "seconds", seconds, "reason",
        file->reason, NULL);
}

static void on_incident(void *user, const struct engine_incident *incident) {
    (void)user;
    say("incident", "plugin", incident->plugin, "outcome", incident->outcome, "path", incident->path, "reason",
        incident->reason, NULL);
}

static void on_problem(void *user, const char *plugin, const char *sentence) {
    (void)user;
    say("plugin", "plugin", plugin, "reason", sentence, NULL);
}

static void on_warning(void *user, const char *sentence) {
    (void)user;
    say("warning", "text", sentence, NULL);
}

/* Length of the root that holds `path`; 0: none does. */
static size_t root_length(const struct watcher *watcher, const char *path) {
    size_t longest = 0;
    for (size_t i = 0; i < watcher->roots_count; i++) {
        size_t n = strlen(watcher->roots[i]);
        if (strncmp(path, watcher->roots[i], n) == 0 && path[n] == '/' && n > longest) longest = n;
    }
    return longest;
}

/* Neither the file itself nor a folder between it and its root is to be left out. */
static bool on_wanted(void *user, const char *path) {
    const struct watcher *watcher = user;
    size_t root = root_length(watcher, path);
    bool wanted = !ignore_matches(watcher->ignore, path, false);
    char *part = wanted ? strdup(path) : NULL;
    for (char *slash = part ? strrchr(part, '/') : NULL; wanted && slash > part + root; slash = strrchr(part, '/')) {
        *slash = '\0';
        wanted = !ignore_matches(watcher->ignore, part, true);
    }
    free(part);
    return wanted;
}

/* ------------------------------------------------------------------------------------------------ from the watcher */

static void must(struct watcher *watcher, bool ok) {
    if (ok) return;
    say("warning", "text", "out of memory: stopping", NULL);
    engine_stop(watcher->engine);
}

static void on_settled(void *user, const char *path) {
    struct watcher *watcher = user;
    must(watcher, engine_add_path(watcher->engine, path, strlen(path)));
}

static void on_moved(void *user, const char *from, const char *to, bool folder) {
    struct watcher *watcher = user;
    say("moved", "from", from, "to", to, NULL);
    must(watcher, engine_path_moved(watcher->engine, from, to, folder));
}

static void on_gone(void *user, const char *path, bool folder) {
    struct watcher *watcher = user;
    say("gone", "path", path, NULL);
    must(watcher, engine_path_gone(watcher->engine, path, folder));
}

static void on_sweep(void *user, const char *folder, const char *why) {
    struct watcher *watcher = user;
    say("sweep", "path", folder, "reason", why, NULL);
    must(watcher, engine_add_path(watcher->engine, folder, strlen(folder)));
}

static void on_root(void *user, const char *root, bool there) {
    (void)user;
    say(there ? "back" : "away", "path", root, "reason", there ? NULL : "the folder is not there: waiting for it",
        NULL);
}

/* ---------------------------------------------------------------------------------------------------------- running */

static void on_signal(uv_signal_t *handle, int number) {
    struct watcher *watcher = handle->data;
    if (watcher->stopping) _exit(CLI_OK); /* asked twice: the catalogue is sound whenever we die */
    watcher->stopping = true;
    say("stopping", "signal", strsignal(number), NULL);
    notify("STOPPING=1");
    engine_stop(watcher->engine);
}

static void on_heartbeat(uv_timer_t *timer) {
    (void)timer;
    notify("WATCHDOG=1");
}

/* Idle scheduling, for the engine and the workers it starts. */
static void step_back(void) {
    struct sched_param none = {0};
    (void)sched_setscheduler(0, SCHED_IDLE, &none);
    (void)setpriority(PRIO_PROCESS, 0, 19);
}

struct wish {
    const char *include, *exclude;
    bool hidden, background, weak;
};

static int parse(int argc, char **argv, struct wish *wish) {
    enum { INCLUDE = 1, EXCLUDE, HIDDEN, BACKGROUND, WEAK };
    static const struct option options[] = {
        {"include", required_argument, NULL, INCLUDE},   {"exclude", required_argument, NULL, EXCLUDE},
        {"hidden", no_argument, NULL, HIDDEN},           {"background", no_argument, NULL, BACKGROUND},
        {"allow-weak-sandbox", no_argument, NULL, WEAK}, {NULL, 0, NULL, 0}};
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == INCLUDE)
            wish->include = optarg;
        else if (c == EXCLUDE)
            wish->exclude = optarg;
        else if (c == HIDDEN)
            wish->hidden = true;
        else if (c == BACKGROUND)
            wish->background = true;
        else if (c == WEAK)
            wish->weak = true;
        else
            return cli_usage("watch", "%s: no such option, or its value is missing", argv[optind - 1]);
    }
    return optind < argc ? CLI_OK : cli_usage("watch", "name at least one folder");
}

static bool add_roots(struct watcher *watcher, int argc, char **argv, struct error *error) {
    for (int i = optind; i < argc; i++) {
        char *real = realpath(argv[i], NULL);
        if (!real && argv[i][0] != '/')
            return error_set(error, "there is no %s (a folder that comes later needs its full path)", argv[i]);
        char *root = real ? real : strdup(argv[i]);
        if (!root) return error_memory(error);
        watcher->roots[watcher->roots_count++] = root;
        if (!watch_add_root(watcher->watch, root, error)) return false;
    }
    return true;
}

static bool watch_until_stopped(struct watcher *watcher, int argc, char **argv, struct ignore *ignore,
                                struct error *error) {
    static const struct watch_events events = {on_settled, on_moved, on_gone, on_sweep, on_root, on_warning};
    static const int numbers[3] = {SIGINT, SIGTERM, SIGHUP};
    struct watch_options options;
    watch_options_init(&options);
    uv_loop_t *loop = engine_loop(watcher->engine);
    uv_signal_t signals[3];
    uv_timer_t heartbeat;
    for (int i = 0; i < 3; i++) {
        if (uv_signal_init(loop, &signals[i]) != 0) return error_set(error, "cannot wait for signals");
        signals[i].data = watcher;
        (void)uv_signal_start(&signals[i], on_signal, numbers[i]);
    }
    (void)uv_timer_init(loop, &heartbeat);
    (void)uv_timer_start(&heartbeat, on_heartbeat, 5000, 5000);
    watcher->watch = watch_new(loop, &options, ignore, &events, watcher, error);
    bool ok = watcher->watch && add_roots(watcher, argc, argv, error);
    if (ok) {
        struct watch_counts counts;
        char folders[24];
        watch_count(watcher->watch, &counts);
        snprintf(folders, sizeof folders, "%zu", counts.folders_watched);
        say("watching", "folders", folders, NULL);
        notify("READY=1");
        ok = engine_run(watcher->engine, error);
    }
    watch_free(watcher->watch);
    for (int i = 0; i < 3; i++) uv_close((uv_handle_t *)&signals[i], NULL);
    uv_close((uv_handle_t *)&heartbeat, NULL);
    for (int i = 0; i < 3; i++) uv_run(loop, UV_RUN_NOWAIT); /* the handles lie on this stack */
    return ok;
}

int watch_command(int argc, char **argv, const struct cli *cli) {
    static const struct engine_events events = {.wanted = on_wanted,
                                                .file_finished = on_finished,
                                                .incident = on_incident,
                                                .plugin_problem = on_problem,
                                                .warning = on_warning};
    struct wish wish = {0};
    int code = parse(argc, argv, &wish);
    if (code != CLI_OK) return code;
    if (wish.background) step_back();
    struct watcher watcher = {0};
    struct setup setup;
    struct error error = {0};
    struct ignore *ignore = ignore_new(wish.hidden, wish.include, wish.exclude);
    watcher.roots = calloc((size_t)argc, sizeof *watcher.roots);
    bool ok = setup_open(&setup, cli, &error) && ((ignore && watcher.roots) || error_memory(&error));
    watcher.ignore = ignore;
    setup.options.stay = true;
    setup.options.allow_weak_sandbox = wish.weak;
    if (ok) watcher.engine = engine_new(&setup.options, &events, &watcher, &error);
    bool started = watcher.engine != NULL;
    ok = started && watch_until_stopped(&watcher, argc, argv, ignore, &error);
    if (!ok) cli_complain("%s", error.text);
    if (ok) {
        char files[24], failed[24];
        snprintf(files, sizeof files, "%llu", (unsigned long long)watcher.files);
        snprintf(failed, sizeof failed, "%llu", (unsigned long long)watcher.failed);
        say("stopped", "files", files, "failed", failed, NULL);
    }
    engine_free(watcher.engine);
    for (size_t i = 0; i < watcher.roots_count; i++) free(watcher.roots[i]);
    free(watcher.roots);
    ignore_free(ignore);
    setup_close(&setup);
    return ok ? CLI_OK : !started && error.code == EINVAL ? CLI_USAGE : CLI_CANNOT_RUN;
}
