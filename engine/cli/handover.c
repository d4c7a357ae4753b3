#include "engine/cli/handover.h"

#include "engine/base/json.h"
#include "engine/cli/cli.h"
#include "engine/cli/named.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SILENCE_SECONDS 120 /* progress comes twice a second */

bool handover_add_paths(cJSON *request, int count, char **paths, bool resolved) {
    for (int i = 0; i < count; i++) {
        char *path = named_path(paths[i], resolved);
        bool ok = path && control_add_path(request, path, strlen(path));
        free(path);
        if (!ok) return false;
    }
    return true;
}

static void read_progress(const cJSON *from, struct engine_progress *to) {
    *to = (struct engine_progress){
        .files_total = (uint64_t)json_integer(from, "files_total", 0),
        .files_done = (uint64_t)json_integer(from, "files_done", 0),
        .files_failed = (uint64_t)json_integer(from, "files_failed", 0),
        .files_known = (uint64_t)json_integer(from, "files_known", 0),
        .files_under_way = (uint64_t)json_integer(from, "files_under_way", 0),
        .audio_total = json_number(from, "audio_total", 0),
        .audio_done = json_number(from, "audio_done", 0),
        .regions_done = (uint64_t)json_integer(from, "regions_done", 0),
        .results_failed = (uint64_t)json_integer(from, "results_failed", 0),
        .results_unrun = (uint64_t)json_integer(from, "results_unrun", 0),
        .counting = json_bool(from, "counting", false),
    };
}

static void show(const cJSON *answer, struct progress *progress, struct engine_progress *last) {
    const struct engine_events *events = progress_events();
    const char *event = json_string(answer, "event", "");
    if (strcmp(event, "file") == 0) {
        const struct engine_file file = {
            .path = json_string(answer, "path", ""),
            .display = json_string(answer, "path", ""),
            .path_hex = json_string(answer, "path_hex", NULL),
            .status = json_string(answer, "status", ""),
            .reason = json_string(answer, "reason", NULL),
            .duration = json_number(answer, "duration", 0),
            .regions = (uint32_t)json_integer(answer, "regions", 0),
            .results_failed = (uint32_t)json_integer(answer, "results_failed", 0),
            .known = json_bool(answer, "known", false),
        };
        events->file_finished(progress, &file);
    } else if (strcmp(event, "progress") == 0) {
        read_progress(answer, last);
        events->progress(progress, last);
    } else if (strcmp(event, "warning") == 0) {
        events->warning(progress, json_string(answer, "text", ""));
    }
}

static void on_interrupt(int number) {
    (void)number; /* it ends the waiting */
}

int handover_follow(struct control_link *link, cJSON *request, struct progress *progress) {
    struct engine_progress last = {0};
    struct error error = {0};
    struct sigaction action = {.sa_handler = on_interrupt};
    (void)sigaction(SIGINT, &action, NULL);
    if (!cJSON_AddTrueToObject(request, "follow")) {
        cJSON_Delete(request);
        cli_complain("out of memory");
        return CLI_CANNOT_RUN;
    }
    bool ok = control_ask(link, request, &error), over = false;
    while (ok && !over) {
        cJSON *answer = control_next(link, SILENCE_SECONDS, &error);
        over = answer && strcmp(json_string(answer, "event", ""), "reply") == 0;
        if (!answer) {
            ok = false;
        } else if (!over) {
            show(answer, progress, &last);
        } else if (json_bool(answer, "ok", false)) {
            read_progress(json_member(answer, "progress"), &last);
        } else {
            ok = error_set(&error, "%s", json_string(answer, "error", "the running engine refused"));
        }
        cJSON_Delete(answer);
    }
    bool left = !ok && error.code == EINTR, ended = !ok && error.code == EPIPE;
    if (!ok && !left && !ended) {
        cli_complain("%s", error.text);
        return CLI_CANNOT_RUN;
    }
    uint64_t failed = progress_finish(progress, &last, ended);
    if (left) cli_complain("the running engine goes on with it (sonde status)");
    if (ended) cli_complain("the running engine has ended before it was done: what is left stays in the queue");
    return failed || !ok ? CLI_SOME_FAILED : CLI_OK;
}
