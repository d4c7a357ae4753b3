/* sonde doctor: what this system offers sonde, and a proof of the sandbox by trying to break out of it. */
#include "engine/base/json.h"
#include "engine/base/mounts.h"
#include "engine/base/path.h"
#include "engine/cli/commands.h"
#include "engine/cli/config.h"
#include "engine/cli/places.h"
#include "engine/ipc/run_folder.h"
#include "engine/ipc/trials.h"
#include "engine/schedule/engine.h"
#include "engine/supervise/worker.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

const char doctor_help[] =
    "usage: sonde doctor [--json]\n\n"
    "Shows the libraries, limits and sandbox layers of this system, and proves the sandbox: worker processes try to read and\n"
    "write files, connect, start programs and so on, and the table says what stopped each attempt.\n\n"
    "Exit codes: 0 everything is in place, 1 something is missing or wasn't stopped, 3 no worker could be started.\n";

/* What became of one attempt. */
struct attempt {
    bool tried, stopped;
    char by[120];
};

struct doctor {
    uv_loop_t loop;
    struct run_folder folder;
    char *binary;
    cJSON *settings;
    struct attempt *attempts; /* trial_count of them */
    size_t current;           /* the trial under way */
    uint64_t workers;         /* started so far */
    bool asked_decoder;       /* the last of them */
    cJSON *sandbox;           /* what the first ready worker said of its layers */
    cJSON *decoders;          /* what a decoder said of its libraries, or NULL */
    char trouble[600];        /* why no worker could be had; "" when one could */
};

/* Asks for the attempt that is next, or ends the worker when all are made. */
static void ask(struct doctor *doctor, struct worker *worker) {
    if (doctor->current == trial_count) {
        worker_clear_deadline(worker);
        worker_quit(worker);
        return;
    }
    cJSON *message = cJSON_CreateObject();
    if (message && cJSON_AddStringToObject(message, "type", "try") &&
        cJSON_AddStringToObject(message, "what", trials[doctor->current].name)) {
        worker_set_deadline(worker, 10, 0, "answer");
        (void)worker_send(worker, message); /* when it can't be sent, the worker dies, and that is seen */
    } else {
        snprintf(doctor->trouble, sizeof doctor->trouble, "out of memory");
        worker_quit(worker);
    }
    cJSON_Delete(message);
}

static void record(struct doctor *doctor, bool stopped, const char *by) {
    struct attempt *attempt = &doctor->attempts[doctor->current++];
    attempt->tried = true;
    attempt->stopped = stopped;
    snprintf(attempt->by, sizeof attempt->by, "%s", by);
}

static void on_ready(struct worker *worker, const cJSON *message) {
    struct doctor *doctor = worker_context(worker);
    const cJSON *sandbox = json_member(message, "sandbox");
    const cJSON *decoders = json_member(message, "decoders");
    if (decoders) { /* all that it was started for */
        doctor->decoders = cJSON_Duplicate(decoders, true);
        worker_quit(worker);
        return;
    }
    if (!doctor->sandbox && sandbox) doctor->sandbox = cJSON_Duplicate(sandbox, true);
    ask(doctor, worker);
}

static void on_message(struct worker *worker, const char *type, cJSON *message) {
    struct doctor *doctor = worker_context(worker);
    if (strcmp(type, "tried") != 0 || doctor->current == trial_count) return;
    record(doctor, json_bool(message, "stopped", false), json_string(message, "by", "unknown"));
    ask(doctor, worker);
}

static void start_worker(struct doctor *doctor, const char *role);

/* The next attempt's worker or, when all are made, a decoder. */
static void start_next(struct doctor *doctor) {
    if (doctor->current < trial_count) {
        start_worker(doctor, "probe");
    } else if (!doctor->asked_decoder) {
        doctor->asked_decoder = true;
        start_worker(doctor, "decode");
    }
}

static void on_died(struct worker *worker, const struct worker_death *death) {
    struct doctor *doctor = worker_context(worker);
    if (!death->was_ready || doctor->trouble[0]) {
        if (!doctor->trouble[0])
            snprintf(doctor->trouble, sizeof doctor->trouble, "a worker died before it was ready (%s %lld)%s%s",
                     death->signal ? "signal" : "exit code",
                     death->signal ? (long long)death->signal : (long long)death->exit_code,
                     death->last_words[0] ? ": " : "", death->last_words);
        return;
    }
    if (doctor->current == trial_count) {
        start_next(doctor);
        return;
    }
    char by[120], name[64];
    if (death->signal == SIGSYS) {
        note_system_call_name(&death->note, name, sizeof name);
        snprintf(by, sizeof by, "the filter (%.64s)", name);
        record(doctor, true, by);
    } else if (death->signal && death->signal == trials[doctor->current].absent) {
        record(doctor, true, "the system, which has no such thing");
    } else if (death->kill != WORKER_NOT_KILLED) {
        record(doctor, false, "it did not answer");
    } else {
        record(doctor, false, "nothing");
    }
    start_next(doctor);
}

static const struct worker_events doctor_events = {.ready = on_ready, .message = on_message, .died = on_died};

static void start_worker(struct doctor *doctor, const char *role) {
    struct worker_spec spec = {.loop = &doctor->loop,
                               .binary = doctor->binary,
                               .role = role,
                               .folder = doctor->folder.path,
                               .settings = doctor->settings,
                               .hello_deadline = 10,
                               .load_deadline = 10,
                               .events = &doctor_events,
                               .context = doctor};
    struct error error = {0};
    if (!worker_start(&spec, ++doctor->workers, &error))
        snprintf(doctor->trouble, sizeof doctor->trouble, "%s", error.text);
}

/* The settings of a worker that holds nothing but the sandbox. */
static cJSON *probe_settings(const struct config *config) {
    cJSON *settings = cJSON_CreateObject();
    double limit = (double)config_integer(config, "worker.memory_limit") * 1048576.0;
    if (settings && cJSON_AddStringToObject(settings, "profile", "full") &&
        cJSON_AddNumberToObject(settings, "memory_limit", limit) &&
        cJSON_AddNumberToObject(settings, "cpu_limit", (double)config_integer(config, "worker.cpu_limit")))
        return settings;
    cJSON_Delete(settings);
    return NULL;
}

/* Makes all attempts; doctor->trouble says why if that wasn't possible. */
static void try_sandbox(struct doctor *doctor, const struct config *config) {
    struct error error = {0};
    doctor->binary = places_worker(config, &error);
    doctor->settings = probe_settings(config);
    doctor->attempts = calloc(trial_count, sizeof *doctor->attempts);
    bool ok = doctor->binary && ((doctor->settings && doctor->attempts) || error_memory(&error));
    ok = ok && run_folder_open(&doctor->folder, &error);
    if (!ok) {
        snprintf(doctor->trouble, sizeof doctor->trouble, "%s", error.text);
        return;
    }
    if (uv_loop_init(&doctor->loop) == 0) {
        start_next(doctor);
        (void)uv_run(&doctor->loop, UV_RUN_DEFAULT);
        (void)uv_loop_close(&doctor->loop);
    } else {
        snprintf(doctor->trouble, sizeof doctor->trouble, "cannot start an event loop");
    }
    run_folder_close(&doctor->folder);
}

static void forget(struct doctor *doctor) {
    free(doctor->binary);
    free(doctor->attempts);
    cJSON_Delete(doctor->settings);
    cJSON_Delete(doctor->sandbox);
    cJSON_Delete(doctor->decoders);
}

static size_t unstopped(const struct doctor *doctor) {
    size_t n = 0;
    for (size_t i = 0; i < trial_count; i++) n += !doctor->attempts[i].tried || !doctor->attempts[i].stopped;
    return n;
}

static void print_system(const struct cli *cli, const struct doctor *doctor) {
    struct utsname system;
    if (uname(&system) == 0)
        printf("system       %s %s, %ld processors\n", system.sysname, system.release, sysconf(_SC_NPROCESSORS_ONLN));
    printf("libraries    libuv %s, SQLite %s, cJSON %s\n", uv_version_string(), sqlite3_libversion(), cJSON_Version());
    printf("worker       %s\n", doctor->binary ? doctor->binary : "not found");
    const cJSON *text;
    const char *before = "decoders     ";
    cJSON_ArrayForEach(text, doctor->decoders) {
        printf("%s%s", before, cJSON_IsString(text) ? text->valuestring : "");
        before = ", ";
    }
    if (doctor->decoders) putchar('\n');
    struct places_plugins plugins;
    struct error error = {0};
    if (places_find_plugins(cli->config, &plugins, &error)) {
        size_t others = 0;
        for (size_t i = 0; i < plugins.count; i++) others += plugins.libraries[i].third_party;
        printf("plugins      %zu bundled libraries, %zu of others\n", plugins.count - others, others);
        places_free_plugins(&plugins);
    } else {
        printf("plugins      %s\n", error.text);
    }
}

/* The folder of the catalogue: what is under it, and how much room there is. */
static void print_catalogue(const struct cli *cli) {
    char *folder = path_folder(cli->catalogue);
    struct statvfs space;
    struct mount mount;
    printf("catalogue    %s%s", cli->catalogue, access(cli->catalogue, F_OK) == 0 ? "" : " (not there yet)");
    char *real = folder ? realpath(folder, NULL) : NULL;
    if (real && mounts_find(real, NULL, &mount, NULL))
        printf(", on %s%s", mount.type, mount.remote ? " (a network file system: SQLite is not safe there)" : "");
    if (folder && statvfs(folder, &space) == 0)
        printf(", %.1f GB free", (double)space.f_bavail * (double)space.f_frsize / 1e9);
    putchar('\n');
    free(real);
    free(folder);
}

static void print_limits(void) {
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        printf("limits       %llu open files%s", (unsigned long long)files.rlim_cur,
               files.rlim_cur < 512 ? " (few: raise it with ulimit -n)" : "");
    FILE *stream = fopen("/proc/sys/fs/inotify/max_user_watches", "re");
    unsigned long watches = 0;
    if (stream && fscanf(stream, "%lu", &watches) == 1) printf(", %lu folders to watch", watches);
    if (stream) fclose(stream);
    putchar('\n');
}

static void print_sandbox(const struct doctor *doctor) {
    const cJSON *sandbox = doctor->sandbox;
    char landlock[40] = "not available";
    int64_t abi = json_integer(sandbox, "landlock_abi", 0);
    if (abi > 0) snprintf(landlock, sizeof landlock, "ABI %lld", (long long)abi);
    printf("sandbox      profile %s; Landlock %s\n", json_string(sandbox, "profile", "unknown"), landlock);
    const cJSON *missing = json_member(sandbox, "missing"), *text;
    cJSON_ArrayForEach(text, missing) if (cJSON_IsString(text)) printf("             missing: %s\n", text->valuestring);
    puts("\nWhat a worker tried after its sandbox had closed, and what stopped it:");
    for (size_t i = 0; i < trial_count; i++)
        printf("  %-4s %-44s %s\n", doctor->attempts[i].stopped ? "ok" : "NOT", trials[i].title,
               doctor->attempts[i].tried ? doctor->attempts[i].by : "was not tried");
}

static void print_json(const struct cli *cli, const struct doctor *doctor) {
    cJSON *object = cJSON_CreateObject();
    if (!object) return;
    cJSON_AddStringToObject(object, "version", SONDE_VERSION);
    cJSON_AddStringToObject(object, "catalogue", cli->catalogue);
    if (doctor->binary) cJSON_AddStringToObject(object, "worker", doctor->binary);
    if (doctor->trouble[0]) cJSON_AddStringToObject(object, "trouble", doctor->trouble);
    if (doctor->sandbox) cJSON_AddItemToObject(object, "sandbox", cJSON_Duplicate(doctor->sandbox, true));
    if (doctor->decoders) cJSON_AddItemToObject(object, "decoders", cJSON_Duplicate(doctor->decoders, true));
    cJSON *list = cJSON_AddArrayToObject(object, "trials");
    for (size_t i = 0; doctor->attempts && i < trial_count; i++) {
        cJSON *one = cJSON_CreateObject();
        if (!one || !list) break;
        cJSON_AddStringToObject(one, "name", trials[i].name);
        cJSON_AddStringToObject(one, "title", trials[i].title);
        cJSON_AddBoolToObject(one, "stopped", doctor->attempts[i].stopped);
        cJSON_AddStringToObject(one, "by", doctor->attempts[i].by);
        cJSON_AddItemToArray(list, one);
    }
    char *text = cJSON_Print(object);
    if (text) puts(text);
    cJSON_free(text);
    cJSON_Delete(object);
}

int doctor_command(int argc, char **argv, const struct cli *cli) {
    bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
    if (argc > 1 && !json) return cli_usage("doctor", "%s: no such option", argv[1]);
    struct doctor doctor = {0};
    try_sandbox(&doctor, cli->config);
    if (json) {
        print_json(cli, &doctor);
    } else {
        printf("sonde        %s\n", SONDE_VERSION);
        print_system(cli, &doctor);
        print_catalogue(cli);
        print_limits();
        if (doctor.sandbox) print_sandbox(&doctor);
    }
    int code = CLI_OK;
    if (doctor.trouble[0]) {
        cli_complain("the sandbox could not be tried: %s", doctor.trouble);
        code = CLI_CANNOT_RUN;
    } else if (unstopped(&doctor) > 0 || cJSON_GetArraySize(json_member(doctor.sandbox, "missing")) > 0) {
        if (!json)
            printf(
                "\nThe sandbox is weaker than it should be: plugins of others run only with --allow-weak-sandbox.\n");
        code = CLI_SOME_FAILED;
    }
    forget(&doctor);
    return code;
}
