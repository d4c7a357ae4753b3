#include "engine/cli/replay.h"

#include "engine/base/json.h"
#include "engine/catalogue/catalogue.h"
#include "engine/cli/setup.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

/* What is to be done again. */
struct scene {
    char *path; /* bytes, zero-terminated */
    char *plugin;
    int64_t region; /* position in the file, -1: all */
    bool weak;      /* then, too, the sandbox lacked something, and the user had allowed it */
};

static bool read_scene(const struct cli *cli, long long number, struct scene *scene, struct error *error) {
    struct catalogue *catalogue = catalogue_open(cli->catalogue, CATALOGUE_READ, error);
    if (!catalogue) return false;
    sqlite3_stmt *row = catalogue_statement(
        catalogue,
        "SELECT f.path, i.plugin, r.position, json_array_length(runs.sandbox, '$.missing') FROM incidents AS i"
        " LEFT JOIN files AS f USING (file_id) LEFT JOIN regions AS r USING (region_id) LEFT JOIN runs USING (run_id)"
        " WHERE i.incident_id = ?",
        error);
    bool ok = row && sqlite3_bind_int64(row, 1, number) == SQLITE_OK;
    if (ok && sqlite3_step(row) != SQLITE_ROW) {
        ok = error_set(error, "there is no incident %lld (sonde incidents lists them)", number);
    } else if (ok && sqlite3_column_type(row, 0) == SQLITE_NULL) {
        ok = error_set(error, "incident %lld belongs to no file: there is nothing to replay", number);
    } else if (ok) {
        const char *plugin = (const char *)sqlite3_column_text(row, 1);
        scene->path = strndup(sqlite3_column_blob(row, 0), (size_t)sqlite3_column_bytes(row, 0));
        scene->plugin = plugin ? strdup(plugin) : NULL;
        scene->region = sqlite3_column_type(row, 2) == SQLITE_NULL ? -1 : sqlite3_column_int64(row, 2);
        scene->weak = sqlite3_column_int(row, 3) > 0;
        ok = (scene->path && (!plugin || scene->plugin)) || error_memory(error);
    }
    if (row) sqlite3_reset(row);
    catalogue_close(catalogue);
    return ok;
}

static void on_worker(void *user, const char *role, int64_t pid) {
    (void)user;
    printf("worker %lld (%s) has stopped before it begins. In another terminal:\n"
           "  gdb -p %lld -ex 'handle SIGSTOP nostop noprint pass' -ex 'signal SIGCONT'\n"
           "or let it go on with: kill -CONT %lld\n",
           (long long)pid, role, (long long)pid, (long long)pid);
    fflush(stdout);
}

static void on_file(void *user, const struct engine_file *file) {
    (void)user;
    if (file->reason) printf("file      %s: %s\n", file->status, file->reason);
}

static void on_problem(void *user, const char *plugin, const char *sentence) {
    (void)user;
    printf("plugin    %s: %s\n", plugin, sentence);
}

static void print_rows(struct catalogue *catalogue, const char *sql, const char *plugin, int64_t region,
                       const char *what) {
    sqlite3_stmt *row = catalogue_statement(catalogue, sql, NULL);
    if (!row) return;
    (void)sqlite3_bind_text(row, 1, plugin, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(row, 2, region);
    while (sqlite3_step(row) == SQLITE_ROW)
        printf("%-9s %s\n", what, sqlite3_column_text(row, 0) ? (const char *)sqlite3_column_text(row, 0) : "");
    sqlite3_reset(row);
}

/* Prints what the catalogue of the replay holds; true when every outcome was a good one. */
static bool report(const char *path, const struct scene *scene, struct error *error) {
    struct catalogue *catalogue = catalogue_open(path, CATALOGUE_READ, error);
    if (!catalogue) return false;
    print_rows(
        catalogue,
        "SELECT 'region ' || region || ': ' || outcome || coalesce(': ' || reason, '') || coalesce(' ' || result, '')"
        " FROM region_results WHERE (?1 IS NULL OR plugin = ?1) AND (?2 < 0 OR region = ?2)",
        scene->plugin, scene->region, "outcome");
    print_rows(catalogue,
               "SELECT reason || coalesce(char(10) || detail, '') FROM incidents WHERE ?1 IS NULL OR plugin = ?1",
               scene->plugin, 0, "incident");
    sqlite3_stmt *row = catalogue_statement(
        catalogue, "SELECT (SELECT count(*) FROM incidents) + (SELECT count(*) FROM problems)", error);
    bool good = row && sqlite3_step(row) == SQLITE_ROW && sqlite3_column_int(row, 0) == 0;
    if (row) sqlite3_reset(row);
    catalogue_close(catalogue);
    return good;
}

static void on_signal(uv_signal_t *handle, int number) {
    (void)number;
    struct engine **engine = handle->data;
    if (!*engine) _exit(CLI_SOME_FAILED); /* asked twice */
    engine_stop(*engine);
    *engine = NULL;
}

/* Whoever has enough of it leaves nothing behind: neither a worker that has stopped nor the catalogue. */
static bool run_until_stopped(struct engine *engine, bool *stopped, struct error *error) {
    static const int numbers[2] = {SIGINT, SIGTERM};
    struct engine *running = engine;
    uv_signal_t signals[2];
    for (int i = 0; i < 2; i++) {
        (void)uv_signal_init(engine_loop(engine), &signals[i]);
        signals[i].data = &running;
        uv_unref((uv_handle_t *)&signals[i]);
        (void)uv_signal_start(&signals[i], on_signal, numbers[i]);
    }
    bool ok = engine_run(engine, error);
    for (int i = 0; i < 2; i++) uv_close((uv_handle_t *)&signals[i], NULL);
    uv_run(engine_loop(engine), UV_RUN_NOWAIT);
    *stopped = !running;
    return ok;
}

static bool run(struct setup *setup, const struct scene *scene, bool debugger, bool *stopped, struct error *error) {
    const struct engine_events events = {
        .file_finished = on_file, .plugin_problem = on_problem, .worker_waits = on_worker};
    const char *only[1] = {scene->plugin};
    setup->options.only = scene->plugin ? only : NULL;
    setup->options.only_count = scene->plugin ? 1 : 0;
    setup->options.only_region = scene->region;
    setup->options.debugger = debugger;
    setup->options.allow_weak_sandbox = scene->weak;
    setup->options.jobs = 1;
    setup->options.min_free = 0; /* what it writes is little, and thrown away */
    double patience = 1e7;       /* s: a person at a debugger thinks for longer than any deadline */
    if (debugger)
        setup->options.deadlines = (struct engine_deadlines){.open = 10,
                                                             .hello = patience,
                                                             .load = patience,
                                                             .identify = 20,
                                                             .decode = 60,
                                                             .analyse = patience,
                                                             .analyse_per_second = 2};
    struct engine *engine = engine_new(&setup->options, &events, NULL, error);
    bool ok = engine && (engine_add_path(engine, scene->path, strlen(scene->path)) || error_memory(error)) &&
              run_until_stopped(engine, stopped, error);
    engine_free(engine);
    return ok;
}

static void remove_folder(const char *folder) {
    static const char *const ends[] = {"", "-wal", "-shm", ".lock"};
    char path[64];
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        (void)snprintf(path, sizeof path, "%s/replay.db%s", folder, ends[i]);
        (void)unlink(path);
    }
    (void)rmdir(folder);
}

int replay_incident(long long number, bool debugger, const struct cli *cli) {
    struct scene scene = {.region = -1};
    struct error error = {0};
    char folder[] = "/tmp/sonde-replay-XXXXXX", path[64];
    if (!read_scene(cli, number, &scene, &error) ||
        (!mkdtemp(folder) && !error_system(&error, errno, "cannot make %s", folder))) {
        cli_complain("%s", error.text);
        free(scene.path);
        free(scene.plugin);
        return CLI_CANNOT_RUN;
    }
    snprintf(path, sizeof path, "%s/replay.db", folder);
    struct cli own = *cli;
    own.catalogue = path;
    struct setup setup;
    bool stopped = false;
    bool ok = setup_open(&setup, &own, &error) && run(&setup, &scene, debugger, &stopped, &error);
    setup_close(&setup);
    bool good = ok && !stopped && report(path, &scene, &error);
    if (!ok) cli_complain("%s", error.text);
    remove_folder(folder);
    free(scene.path);
    free(scene.plugin);
    return !ok ? CLI_CANNOT_RUN : good ? CLI_OK : CLI_SOME_FAILED;
}
