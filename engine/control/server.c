#include "engine/control/server.h"

#include "engine/base/json.h"
#include "engine/base/schema.h"
#include "engine/control/address.h"
#include "request_schema.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLIENTS_MAX 16
#define REQUEST_MS  10000
#define WAITING_MAX ((size_t)8 << 20) /* bytes of answers that a client hasn't read */
#define LINGER_MS   5000              /* for the last answer to leave */

struct control_client {
    struct control_server *server;
    struct control_client *next;
    uv_pipe_t pipe;
    uv_timer_t deadline;
    int handles; /* not yet closed */
    bool asked;  /* its request is with the owner */
    bool ending; /* the last answer is on its way */
    char *line;
    size_t used, room;
};

struct control_server {
    uv_loop_t *loop;
    uv_pipe_t pipe;
    struct control_calls calls;
    void *user;
    struct schema *schema;
    char *catalogue;
    struct control_client *clients;
    size_t clients_count;
    bool closing, listening_closed;
    void (*closed)(void *context);
    void *context;
};

/* Bytes on their way to a client. */
struct sending {
    uv_write_t write;
    char *text;
};

static void free_server_when_done(struct control_server *server) {
    if (!server->closing || !server->listening_closed || server->clients_count > 0) return;
    void (*closed)(void *) = server->closed;
    void *context = server->context;
    schema_free(server->schema);
    free(server->catalogue);
    free(server);
    if (closed) closed(context);
}

/* ------------------------------------------------------------------------------------------------------------- clients */

static void on_client_closed(uv_handle_t *handle) {
    struct control_client *client = handle->data;
    if (--client->handles > 0) return;
    struct control_server *server = client->server;
    for (struct control_client **at = &server->clients; *at; at = &(*at)->next) {
        if (*at != client) continue;
        *at = client->next;
        server->clients_count--;
        break;
    }
    free(client->line);
    free(client);
    free_server_when_done(server);
}

static void hang_up(struct control_client *client) {
    if (uv_is_closing((uv_handle_t *)&client->pipe)) return;
    bool tell = client->asked && !client->ending && !client->server->closing;
    client->ending = true;
    uv_close((uv_handle_t *)&client->pipe, on_client_closed);
    uv_close((uv_handle_t *)&client->deadline, on_client_closed);
    if (tell && client->server->calls.left) client->server->calls.left(client->server->user, client);
}

static void on_deadline(uv_timer_t *timer) {
    hang_up(timer->data);
}

static void on_sent(uv_write_t *write, int status) {
    struct sending *sending = write->data;
    struct control_client *client = write->handle->data;
    cJSON_free(sending->text);
    free(sending);
    if (status != 0 || (client->ending && uv_stream_get_write_queue_size((uv_stream_t *)&client->pipe) == 0))
        hang_up(client);
}

/* Takes the object. */
static void send_line(struct control_client *client, cJSON *object) {
    char *text = object ? cJSON_PrintUnformatted(object) : NULL;
    struct sending *sending = text ? calloc(1, sizeof *sending) : NULL;
    static char newline[] = "\n";
    cJSON_Delete(object);
    if (uv_is_closing((uv_handle_t *)&client->pipe) || !sending) {
        cJSON_free(text);
        free(sending);
        return;
    }
    *sending = (struct sending){.text = text, .write.data = sending};
    uv_buf_t parts[2] = {uv_buf_init(text, (unsigned)strlen(text)), uv_buf_init(newline, 1)};
    if (uv_write(&sending->write, (uv_stream_t *)&client->pipe, parts, 2, on_sent) != 0) {
        cJSON_free(text);
        free(sending);
        hang_up(client);
    }
}

void control_send(struct control_client *client, cJSON *answer) {
    send_line(client, answer);
    if (uv_stream_get_write_queue_size((uv_stream_t *)&client->pipe) > WAITING_MAX) hang_up(client);
}

void control_end(struct control_client *client, cJSON *reply, const char *problem) {
    if (!reply) reply = cJSON_CreateObject();
    bool ok = reply && cJSON_AddStringToObject(reply, "event", "reply") && cJSON_AddBoolToObject(reply, "ok", !problem);
    if (ok && problem) ok = cJSON_AddStringToObject(reply, "error", problem) != NULL;
    client->ending = true;
    if (!ok) {
        cJSON_Delete(reply);
        hang_up(client);
        return;
    }
    (void)uv_timer_start(&client->deadline, on_deadline, LINGER_MS, 0);
    send_line(client, reply);
}

/* ------------------------------------------------------------------------------------------------------------ requests */

static void take_request(struct control_client *client, size_t n) {
    const struct control_server *server = client->server;
    struct error error = {0};
    char sentence[700];
    (void)uv_timer_stop(&client->deadline);
    cJSON *request = json_parse(client->line, n, CONTROL_MAX_REQUEST, CONTROL_MAX_DEPTH, &error);
    int64_t version = request ? json_integer(request, "control", 0) : 0;
    if (request && cJSON_IsObject(request) && version != 0 && version != CONTROL_VERSION) {
        (void)snprintf(sentence, sizeof sentence,
                       "the running engine speaks version %d of the control protocol, this command %lld",
                       CONTROL_VERSION, (long long)version);
        control_end(client, NULL, sentence);
    } else if (!request || !schema_check(server->schema, request, &error)) {
        (void)snprintf(sentence, sizeof sentence, "not a request: %s", error.text);
        control_end(client, NULL, sentence);
    } else {
        client->asked = true;
        server->calls.request(server->user, client, request);
    }
    cJSON_Delete(request);
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
    struct control_client *client = handle->data;
    (void)suggested;
    if (client->room - client->used < 4096) {
        size_t room = client->room ? 2 * client->room : 8192;
        char *grown = realloc(client->line, room);
        if (grown) {
            client->line = grown;
            client->room = room;
        }
    }
    *buffer = uv_buf_init(client->line + client->used, (unsigned)(client->room - client->used));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer) {
    struct control_client *client = stream->data;
    (void)buffer;
    if (n == 0) return;
    if (n < 0) {
        /* It may have closed its writing half only; but nobody does, and a client that is gone is to be noticed. */
        if (!client->ending) hang_up(client);
        return;
    }
    if (client->asked || client->ending) return; /* one request a connection: the rest is nothing */
    char *end = memchr(client->line + client->used, '\n', (size_t)n);
    client->used += (size_t)n;
    if (end) {
        take_request(client, (size_t)(end - client->line));
        client->used = 0;
    } else if (client->used > CONTROL_MAX_REQUEST) {
        control_end(client, NULL, "the request is longer than 4 MiB: name the folder instead of its files");
        client->used = 0;
    }
}

static void on_connection(uv_stream_t *listening, int status) {
    struct control_server *server = listening->data;
    struct control_client *client = status == 0 ? calloc(1, sizeof *client) : NULL;
    int fd = -1;
    if (!client) return;
    client->server = server;
    (void)uv_pipe_init(server->loop, &client->pipe, 0);
    (void)uv_timer_init(server->loop, &client->deadline);
    client->pipe.data = client->deadline.data = client;
    client->handles = 2;
    client->next = server->clients;
    server->clients = client;
    server->clients_count++;
    uv_unref((uv_handle_t *)&client->pipe); /* a client doesn't keep a run from ending */
    uv_unref((uv_handle_t *)&client->deadline);
    bool ok = uv_accept(listening, (uv_stream_t *)&client->pipe) == 0 &&
              uv_fileno((uv_handle_t *)&client->pipe, &fd) == 0 && address_is_ours(fd) &&
              server->clients_count <= CLIENTS_MAX &&
              uv_read_start((uv_stream_t *)&client->pipe, give_room, on_read) == 0;
    if (ok)
        (void)uv_timer_start(&client->deadline, on_deadline, REQUEST_MS, 0);
    else
        hang_up(client);
}

/* ------------------------------------------------------------------------------------------------------- coming, going */

static void on_listening_closed(uv_handle_t *handle) {
    struct control_server *server = handle->data;
    server->listening_closed = true;
    free_server_when_done(server);
}

static bool listen_at(struct control_server *server, struct error *error) {
    int fd = address_listen(server->catalogue, error);
    if (fd < 0) return false;
    int status = uv_pipe_open(&server->pipe, fd);
    if (status != 0) {
        close(fd);
        return error_set(error, "cannot listen for commands: %s", uv_strerror(status));
    }
    status = uv_listen((uv_stream_t *)&server->pipe, 16, on_connection);
    return status == 0 || error_set(error, "cannot listen for commands: %s", uv_strerror(status));
}

struct control_server *control_server_new(uv_loop_t *loop, const char *catalogue, const struct control_calls *calls,
                                          void *user, struct error *error) {
    struct control_server *server = calloc(1, sizeof *server);
    if (!server) {
        error_memory(error);
        return NULL;
    }
    (void)signal(SIGPIPE,
                 SIG_IGN); /* libuv writes to clients that have left; workers get it back when they are started */
    *server = (struct control_server){.loop = loop, .calls = *calls, .user = user};
    server->catalogue = strdup(catalogue);
    server->schema = schema_compile(request_schema, strlen(request_schema), error);
    (void)uv_pipe_init(loop, &server->pipe, 0);
    server->pipe.data = server;
    uv_unref((uv_handle_t *)&server->pipe);
    if (!server->catalogue) error_memory(error);
    if (server->catalogue && server->schema && listen_at(server, error)) return server;
    control_server_free(server, NULL, NULL);
    return NULL;
}

void control_server_free(struct control_server *server, void (*closed)(void *context), void *context) {
    if (!server) return;
    server->closing = true;
    server->closed = closed;
    server->context = context;
    if (server->catalogue && uv_is_active((uv_handle_t *)&server->pipe)) address_remove(server->catalogue);
    uv_close((uv_handle_t *)&server->pipe, on_listening_closed);
    for (struct control_client *client = server->clients, *next = NULL; client; client = next) {
        next = client->next;
        hang_up(client);
    }
}
