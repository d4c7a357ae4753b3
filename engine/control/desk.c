#include "engine/control/desk.h"

#include "engine/base/json.h"
#include "engine/catalogue/edit.h"
#include "engine/catalogue/store.h"
#include "engine/control/client.h"
#include "engine/control/server.h"
#include "engine/schedule/task.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#define PROGRESS_MS 500

struct follower {
    struct desk *desk;
    struct follower *next;
    struct control_client *client;
    struct engine_task *task; /* NULL: it waits for the engine's end */
    bool tell;                /* of each file, and of progress */
};

struct desk {
    struct engine *engine;
    struct desk_owner owner;
    struct control_server *server;
    struct follower *followers;
    struct errand *errands;
    uv_timer_t timer;
    double started;
    unsigned closing;
};

/* What goes through the writer for a client, who may leave meanwhile. */
struct errand {
    struct desk *desk;             /* NULL: closed */
    struct control_client *client; /* NULL: left */
    struct errand *next;
    cJSON *request;
    cJSON *missed;
};

/* ----------------------------------------------------------------------------------------------------------- following */

static void add_number(cJSON *object, const char *name, double value) {
    (void)cJSON_AddNumberToObject(object, name, value);
}

static cJSON *event(const char *name) {
    cJSON *object = cJSON_CreateObject();
    if (object) (void)cJSON_AddStringToObject(object, "event", name);
    return object;
}

static void add_progress(cJSON *object, const struct engine_progress *progress) {
    add_number(object, "files_done", (double)progress->files_done);
    add_number(object, "files_total", (double)progress->files_total);
    add_number(object, "files_failed", (double)progress->files_failed);
    add_number(object, "files_known", (double)progress->files_known);
    add_number(object, "files_under_way", (double)progress->files_under_way);
    add_number(object, "audio_done", progress->audio_done);
    add_number(object, "audio_total", progress->audio_total);
    add_number(object, "regions_done", (double)progress->regions_done);
    add_number(object, "results_failed", (double)progress->results_failed);
    add_number(object, "results_unrun", (double)progress->results_unrun);
    (void)cJSON_AddBoolToObject(object, "counting", progress->counting);
}

static void drop_follower(struct follower *follower) {
    for (struct follower **at = &follower->desk->followers; *at; at = &(*at)->next) {
        if (*at != follower) continue;
        *at = follower->next;
        break;
    }
    engine_task_free(follower->task);
    free(follower);
}

static void on_task_file(void *user, const struct engine_file *file) {
    const struct follower *follower = user;
    cJSON *object = follower->tell ? event("file") : NULL;
    if (!object) return;
    (void)cJSON_AddStringToObject(object, "path", file->display);
    if (file->path_hex) (void)cJSON_AddStringToObject(object, "path_hex", file->path_hex);
    (void)cJSON_AddStringToObject(object, "status", file->status);
    if (file->reason) (void)cJSON_AddStringToObject(object, "reason", file->reason);
    add_number(object, "duration", file->duration);
    add_number(object, "regions", file->regions);
    add_number(object, "results_failed", file->results_failed);
    (void)cJSON_AddBoolToObject(object, "known", file->known);
    control_send(follower->client, object); /* and the follower may be gone */
}

static void on_task_over(void *user) {
    struct follower *follower = user;
    struct engine_progress progress;
    engine_task_progress(follower->task, &progress);
    cJSON *reply = cJSON_CreateObject(), *object = reply ? cJSON_AddObjectToObject(reply, "progress") : NULL;
    if (object) add_progress(object, &progress);
    control_end(follower->client, reply, NULL);
    drop_follower(follower);
}

static void tell_followers(uv_timer_t *timer) {
    struct desk *desk = timer->data;
    for (struct follower *follower = desk->followers, *next = NULL; follower; follower = next) {
        struct engine_progress progress;
        next = follower->next;
        if (!follower->task || !follower->tell) continue;
        engine_task_progress(follower->task, &progress);
        cJSON *object = event("progress");
        if (object) add_progress(object, &progress);
        control_send(follower->client, object);
    }
}

void desk_holding(struct desk *desk, const char *why) {
    if (!desk) return;
    for (struct follower *follower = desk->followers, *next = NULL; follower; follower = next) {
        next = follower->next;
        cJSON *object = follower->tell ? event("warning") : NULL;
        if (!object) continue;
        (void)cJSON_AddStringToObject(object, "text", why ? why : "the engine goes on");
        control_send(follower->client, object);
    }
}

static struct follower *follow(struct desk *desk, struct control_client *client, const cJSON *request) {
    struct follower *follower = calloc(1, sizeof *follower);
    if (!follower) return NULL;
    *follower = (struct follower){
        .desk = desk, .next = desk->followers, .client = client, .tell = json_bool(request, "follow", false)};
    desk->followers = follower;
    return follower;
}

/* ---------------------------------------------------------------------------------------------------------- analysing */

static bool add_paths(struct engine_task *task, const cJSON *paths, const char **problem) {
    const cJSON *item = NULL;
    bool ok = true;
    cJSON_ArrayForEach(item, paths) {
        char *path = strdup(item->valuestring);
        if (path && (!control_path_decode(path) || path[0] != '/')) {
            *problem = "paths must be absolute, with %XX for what isn't printable";
            ok = false;
        }
        ok = ok && path && engine_task_add(task, path, strlen(path));
        free(path);
        if (!ok) break;
    }
    return ok;
}

/* `analyze` and `rescan`. Without `follow` the reply comes at once, and nobody waits for the task. */
static void do_task(struct desk *desk, struct control_client *client, const cJSON *request, bool rescan) {
    const cJSON *paths = json_member(request, "paths");
    bool stale = !rescan && json_bool(request, "stale", false), wait = json_bool(request, "follow", false);
    const char *problem = NULL, *held = engine_held(desk->engine);
    if (!stale && cJSON_GetArraySize(paths) == 0) {
        control_end(client, NULL, "there are no paths to look at");
        return;
    }
    struct follower *follower = follow(desk, client, request);
    const struct engine_task_spec spec = {
        .kind = rescan  ? ENGINE_TASK_SWEEP
                : stale ? ENGINE_TASK_STALE
                        : ENGINE_TASK_ANALYSE,
        .force = json_bool(request, "force", false),
        .retry = json_bool(request, "retry", false),
        .background = rescan || (stale && !wait),
        .file_finished = on_task_file,
        .over = on_task_over,
        .user = follower,
    };
    if (follower) follower->task = engine_task_new(desk->engine, &spec);
    bool ok = follower && follower->task;
    if (ok && stale && cJSON_GetArraySize(paths) == 0) ok = engine_task_add(follower->task, "", 0);
    if (!ok || !add_paths(follower->task, paths, &problem)) {
        control_end(client, NULL, problem ? problem : "the engine is out of memory");
        if (follower) drop_follower(follower);
        return;
    }
    struct engine_task *task = follower->task;
    if (!wait) {
        control_end(client, NULL, NULL);
        drop_follower(follower);
        return;
    }
    if (held) desk_holding(desk, held);
    for (const struct follower *there = desk->followers; there; there = there->next)
        if (there == follower) { /* it hasn't left while it was told */
            engine_task_begin(task);
            return;
        }
}

/* ------------------------------------------------------------------------------------------------------------- editing */

static bool edit_word(struct catalogue *catalogue, const char *command, const struct edit_place *place,
                      const char *word, cJSON *missed, struct error *error) {
    if (strcmp(command, "tag") == 0) return edit_tag(catalogue, place, word, error);
    if (strcmp(command, "set") == 0) return edit_set_word(catalogue, place, word, error);
    bool removed = false;
    if (!edit_untag(catalogue, place, word, &removed, error)) return false;
    cJSON *item = removed ? NULL : cJSON_CreateString(word);
    if (item && !cJSON_AddItemToArray(missed, item)) cJSON_Delete(item);
    return true;
}

static bool edit(struct catalogue *catalogue, void *argument, struct error *error) {
    struct errand *errand = argument;
    const struct edit_place place = {json_integer(errand->request, "audio", 0),
                                     json_integer(errand->request, "region", 0)};
    const cJSON *word = NULL;
    cJSON_Delete(errand->missed); /* of a run that was rolled back */
    errand->missed = cJSON_CreateArray();
    if (!errand->missed) return error_memory(error);
    cJSON_ArrayForEach(
        word, json_member(errand->request,
                          "words")) if (!edit_word(catalogue, json_string(errand->request, "command", ""), &place,
                                                   word->valuestring, errand->missed, error)) return false;
    return true;
}

static bool reset(struct catalogue *catalogue, void *argument, struct error *error) {
    const struct errand *errand = argument;
    return store_plugin_reset(catalogue, json_string(errand->request, "plugin", ""), error);
}

static void on_written(void *argument, const struct error *error) {
    struct errand *errand = argument;
    struct desk *desk = errand->desk;
    cJSON *reply = !error && errand->missed ? cJSON_CreateObject() : NULL;
    for (struct errand **at = desk ? &desk->errands : NULL; at && *at; at = &(*at)->next) {
        if (*at != errand) continue;
        *at = errand->next;
        break;
    }
    if (reply && cJSON_AddItemToObject(reply, "missed", errand->missed)) errand->missed = NULL;
    if (desk && !error && strcmp(json_string(errand->request, "command", ""), "reset") == 0)
        engine_plugin_reset(desk->engine, json_string(errand->request, "plugin", ""));
    if (errand->client)
        control_end(errand->client, reply, error ? error->text : NULL);
    else
        cJSON_Delete(reply);
    cJSON_Delete(errand->missed);
    cJSON_Delete(errand->request);
    free(errand);
}

static void do_write(struct desk *desk, struct control_client *client, const cJSON *request, bool resetting) {
    const char *missing = resetting ? (json_string(request, "plugin", "")[0] ? NULL : "plugin")
                          : json_integer(request, "audio", 0) == 0                 ? "audio"
                          : cJSON_GetArraySize(json_member(request, "words")) == 0 ? "words"
                                                                                   : NULL;
    char sentence[100];
    if (missing) {
        (void)snprintf(sentence, sizeof sentence, "not a request: it lacks \"%s\"", missing);
        control_end(client, NULL, sentence);
        return;
    }
    struct errand *errand = calloc(1, sizeof *errand);
    if (errand) {
        *errand = (struct errand){
            .desk = desk, .client = client, .request = cJSON_Duplicate(request, true), .next = desk->errands};
        if (errand->request && engine_write(desk->engine, resetting ? reset : edit, errand, on_written)) {
            desk->errands = errand;
            return;
        }
        cJSON_Delete(errand->request);
        free(errand);
    }
    control_end(client, NULL, "the engine is out of memory");
}

/* -------------------------------------------------------------------------------------------------------------- status */

static void add_text(cJSON *object, const char *name, const char *text) {
    (void)(text ? cJSON_AddStringToObject(object, name, text) : cJSON_AddNullToObject(object, name));
}

static void do_status(struct desk *desk, struct control_client *client) {
    const struct engine *engine = desk->engine;
    cJSON *reply = cJSON_CreateObject(), *object = reply ? cJSON_AddObjectToObject(reply, "engine") : NULL;
    struct engine_progress progress;
    struct engine_pace pace;
    struct engine_looks looks;
    engine_progress(engine, &progress);
    engine_pace(engine, &pace);
    engine_looks(engine, &looks);
    if (object) {
        add_number(object, "pid", getpid());
        add_text(object, "version", desk->owner.version);
        add_text(object, "command", desk->owner.command);
        add_text(object, "order", desk->owner.order);
        add_text(object, "profile", engine_profile(engine));
        add_number(object, "started", desk->started);
        add_text(object, "held", engine_held(engine));
        (void)cJSON_AddBoolToObject(object, "paused", engine_is_paused(engine));
        (void)cJSON_AddBoolToObject(object, "draining", engine_is_draining(engine));
        add_progress(object, &progress);
        add_number(object, "incidents", (double)progress.incidents);
        add_number(object, "files_per_second", pace.files);
        add_number(object, "bytes_per_second", pace.bytes);
        add_number(object, "audio_per_second", pace.audio);
        cJSON *asked = cJSON_AddObjectToObject(object, "looks");
        if (asked) {
            add_number(asked, "folders", (double)looks.folders);
            add_number(asked, "files", (double)looks.files);
            add_number(asked, "opened", (double)looks.opened);
        }
        if (desk->owner.status) desk->owner.status(desk->owner.user, object);
    }
    control_end(client, reply, NULL);
}

/* ------------------------------------------------------------------------------------------------------------ requests */

static void do_drain(struct desk *desk, struct control_client *client, const cJSON *request) {
    if (!json_bool(request, "follow", false))
        control_end(client, NULL, NULL);
    else if (!follow(desk, client, request))
        control_end(client, NULL, "the engine is out of memory");
    engine_drain(desk->engine, 0);
}

static void do_reload(struct desk *desk, struct control_client *client) {
    if (!desk->owner.reload) {
        control_end(client, NULL, "only sonde watch reads its configuration again");
        return;
    }
    control_end(client, NULL, NULL);
    desk->owner.reload(desk->owner.user);
}

static void on_request(void *user, struct control_client *client, const cJSON *request) {
    struct desk *desk = user;
    const char *command = json_string(request, "command", "");
    if (desk->owner.asked && strcmp(command, "status") != 0) desk->owner.asked(desk->owner.user, command);
    if (strcmp(command, "status") == 0) {
        do_status(desk, client);
    } else if (strcmp(command, "analyze") == 0 || strcmp(command, "rescan") == 0) {
        do_task(desk, client, request, command[0] == 'r');
    } else if (strcmp(command, "pause") == 0 || strcmp(command, "resume") == 0) {
        engine_pause(desk->engine, command[0] == 'p');
        control_end(client, NULL, NULL);
    } else if (strcmp(command, "drain") == 0) {
        do_drain(desk, client, request);
    } else if (strcmp(command, "reload") == 0) {
        do_reload(desk, client);
    } else {
        do_write(desk, client, request, strcmp(command, "reset") == 0);
    }
}

static void on_left(void *user, struct control_client *client) {
    struct desk *desk = user;
    for (struct errand *errand = desk->errands; errand; errand = errand->next)
        if (errand->client == client) errand->client = NULL;
    for (struct follower *follower = desk->followers, *next = NULL; follower; follower = next) {
        next = follower->next;
        if (follower->client == client) drop_follower(follower);
    }
}

/* ------------------------------------------------------------------------------------------------------- coming, going */

struct desk *desk_new(struct engine *engine, const char *catalogue, const struct desk_owner *owner,
                      struct error *error) {
    static const struct control_calls calls = {on_request, on_left};
    struct desk *desk = calloc(1, sizeof *desk);
    if (!desk) {
        error_memory(error);
        return NULL;
    }
    *desk = (struct desk){.engine = engine, .owner = *owner, .started = (double)time(NULL)};
    desk->server = control_server_new(engine_loop(engine), catalogue, &calls, desk, error);
    (void)uv_timer_init(engine_loop(engine), &desk->timer);
    desk->timer.data = desk;
    if (!desk->server) {
        desk_free(desk);
        return NULL;
    }
    (void)uv_timer_start(&desk->timer, tell_followers, PROGRESS_MS, PROGRESS_MS);
    uv_unref((uv_handle_t *)&desk->timer);
    return desk;
}

static void on_server_closed(void *context) {
    ((struct desk *)context)->closing--;
}

static void on_timer_closed(uv_handle_t *handle) {
    ((struct desk *)handle->data)->closing--;
}

void desk_free(struct desk *desk) {
    if (!desk) return;
    struct uv_loop_s *loop = engine_loop(desk->engine);
    while (desk->errands) { /* what was said is still written, if it can be */
        struct errand *errand = desk->errands;
        desk->errands = errand->next;
        errand->desk = NULL;
        errand->client = NULL;
    }
    while (desk->followers) drop_follower(desk->followers);
    desk->closing = desk->server ? 2 : 1;
    uv_close((uv_handle_t *)&desk->timer, on_timer_closed);
    control_server_free(desk->server, on_server_closed, desk);
    while (desk->closing > 0) (void)uv_run(loop, UV_RUN_ONCE);
    free(desk);
}
