#include "engine/check/session.h"

#include "engine/base/json.h"
#include "engine/check/session_job.h"
#include "engine/ipc/message.h"
#include "engine/schedule/probe.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------------------------------------------------------- desk */

bool desk_open(struct desk *desk, char *binary, struct error *error) {
    *desk = (struct desk){.binary = binary, .folder.lock = -1};
    if (uv_loop_init(&desk->loop) != 0) {
        desk->loop.data = desk; /* says that there is none to close */
        return error_set(error, "cannot start an event loop");
    }
    return run_folder_open(&desk->folder, error);
}

void desk_close(struct desk *desk) {
    if (desk->folder.lock >= 0) run_folder_close(&desk->folder);
    if (!desk->loop.data) {
        (void)uv_run(&desk->loop, UV_RUN_DEFAULT);
        (void)uv_loop_close(&desk->loop);
    }
    free(desk->binary);
}

/* -------------------------------------------------------------------------------------------------------------- answers */

void answer_clear(struct answer *answer) {
    for (size_t i = 0; i < answer->arrays_count; i++) {
        cJSON_Delete(answer->arrays[i].facts);
        if (answer->arrays[i].fd >= 0) close(answer->arrays[i].fd);
    }
    free(answer->arrays);
    cJSON_Delete(answer->json);
    cJSON_free(answer->text);
    cJSON_Delete(answer->measured);
    *answer = (struct answer){0};
}

/* --------------------------------------------------------------------------------------------------------------- events */

static void on_ready(struct worker *worker, const cJSON *message) {
    (void)message;
    struct session *s = worker_context(worker);
    s->ready = true;
}

static void on_message(struct worker *worker, const char *type, cJSON *message) {
    struct session *s = worker_context(worker);
    if (strcmp(type, "library") == 0 && !s->ready) {
        if (!cJSON_AddItemToArray(s->libraries, cJSON_Duplicate(message, true))) s->no_memory = true;
    } else if (strcmp(type, "unloaded") == 0) {
        s->unloaded = true;
    } else if (!session_take(s, type, message)) {
        worker_kill(worker, WORKER_KILL_PROTOCOL, "broken protocol: an answer to nothing that was asked");
    }
}

static void on_died(struct worker *worker, const struct worker_death *death) {
    struct session *s = worker_context(worker);
    blame_judge(death, s->desk->memory_limit, &s->blame);
    s->ready = false;
    s->worker = NULL;
}

static const struct worker_events events = {NULL, on_ready, on_message, on_died};

/* ---------------------------------------------------------------------------------------------------------------- life */

static cJSON *make_settings(const struct desk *desk, const struct session_spec *spec) {
    cJSON *settings = cJSON_CreateObject();
    if (settings && cJSON_AddStringToObject(settings, "profile", "full") &&
        cJSON_AddNumberToObject(settings, "memory_limit", (double)desk->memory_limit) &&
        cJSON_AddNumberToObject(settings, "cpu_limit", (double)desk->cpu_limit) &&
        cJSON_AddNumberToObject(settings, "block_frames", spec->block_frames) &&
        cJSON_AddBoolToObject(settings, "measure", true) && cJSON_AddBoolToObject(settings, "twins", spec->twins) &&
        (!spec->guard || cJSON_AddStringToObject(settings, "guard", spec->guard)) &&
        probe_add_libraries(settings, cJSON_Duplicate(spec->libraries, true)))
        return settings;
    cJSON_Delete(settings);
    return NULL;
}

void session_wait(struct session *s, const bool *done) {
    while (s->worker && !*done) (void)uv_run(&s->desk->loop, UV_RUN_ONCE);
}

/* On one processor only, if the spec says so: a process may use those that its parent's thread may. */
static struct worker *start_worker(struct session *s, const struct worker_spec *worker, bool one_processor,
                                   struct error *error) {
    cpu_set_t all, one;
    bool bound = one_processor && sched_getaffinity(0, sizeof all, &all) == 0;
    CPU_ZERO(&one);
    for (size_t i = 0; bound && CPU_COUNT(&one) == 0 && i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &all)) CPU_SET(i, &one);
    bound = bound && sched_setaffinity(0, sizeof one, &one) == 0;
    struct worker *started = worker_start(worker, ++s->desk->workers, error);
    if (bound) (void)sched_setaffinity(0, sizeof all, &all);
    return started;
}

struct session *session_open(struct desk *desk, const struct session_spec *spec, struct error *error) {
    struct session *s = calloc(1, sizeof *s);
    cJSON *settings = make_settings(desk, spec);
    if (s) s->libraries = cJSON_CreateArray();
    if (!s || !settings || !s->libraries) {
        error_memory(error);
        cJSON_Delete(settings);
        session_close(s);
        return NULL;
    }
    s->desk = desk;
    struct worker_spec worker = {.loop = &desk->loop,
                                 .binary = desk->binary,
                                 .role = "analyse",
                                 .folder = desk->folder.path,
                                 .settings = settings,
                                 .hello_deadline = desk->hello_deadline,
                                 .load_deadline = desk->load_deadline,
                                 .events = &events,
                                 .context = s};
    s->worker = start_worker(s, &worker, spec->one_processor, error);
    cJSON_Delete(settings);
    if (!s->worker) {
        session_close(s);
        return NULL;
    }
    session_wait(s, &s->ready);
    return s;
}

bool session_is_ready(const struct session *s) {
    return s->worker && s->ready && worker_is_usable(s->worker);
}

const struct blame *session_blame(const struct session *s) {
    return &s->blame;
}

const cJSON *session_library(const struct session *s, size_t index) {
    return cJSON_GetArrayItem(s->libraries, (int)index);
}

unsigned session_threads(const struct session *s) {
    char path[64], line[256];
    unsigned threads = 0;
    if (!s->worker) return 0;
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)worker_pid(s->worker));
    FILE *stream = fopen(path, "re");
    while (stream && fgets(line, sizeof line, stream))
        if (sscanf(line, "Threads: %u", &threads) == 1) break;
    if (stream) fclose(stream);
    return threads;
}

bool session_unload(struct session *s) {
    cJSON *message = message_new("unload");
    if (message && session_is_ready(s)) {
        worker_set_deadline(s->worker, s->desk->run_deadline, 0, "destroy and unload");
        (void)worker_send(s->worker, message);
        session_wait(s, &s->unloaded);
        if (s->worker) worker_clear_deadline(s->worker);
    }
    cJSON_Delete(message);
    return s->unloaded;
}

void session_close(struct session *s) {
    static const bool never = false;
    if (!s) return;
    if (s->worker && session_is_ready(s)) worker_quit(s->worker);
    if (s->worker && !s->ready) worker_kill(s->worker, WORKER_KILL_UNWANTED, "not needed any more");
    session_wait(s, &never);
    cJSON_Delete(s->libraries);
    free(s);
}
