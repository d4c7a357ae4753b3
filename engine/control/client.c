#include "engine/control/client.h"

#include "engine/base/json.h"
#include "engine/base/text.h"
#include "engine/control/address.h"
#include "engine/control/server.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MAX    (4 << 20)
#define REPLY_SECONDS 60 /* an engine that is stopped, or swaps, must not hold a command for ever */

struct control_link {
    int fd;
    char *buffer;
    size_t used, room;
};

struct control_link *control_connect(const char *catalogue, struct error *error) {
    struct control_link *link = calloc(1, sizeof *link);
    if (!link) {
        error_memory(error);
        return NULL;
    }
    link->fd = address_connect(catalogue, error);
    if (link->fd >= 0) return link;
    free(link);
    return NULL;
}

void control_close(struct control_link *link) {
    if (!link) return;
    close(link->fd);
    free(link->buffer);
    free(link);
}

cJSON *control_request(const char *command) {
    cJSON *request = cJSON_CreateObject();
    if (request && cJSON_AddNumberToObject(request, "control", CONTROL_VERSION) &&
        cJSON_AddStringToObject(request, "command", command))
        return request;
    cJSON_Delete(request);
    return NULL;
}

bool control_add_path(cJSON *request, const char *path, size_t n) {
    cJSON *paths = cJSON_GetObjectItemCaseSensitive(request, "paths");
    char *text = malloc(3 * n + 1), *out = text;
    if (!text) return false;
    for (size_t i = 0; i < n;) {
        size_t length = text_character(path + i, n - i);
        bool plain = length > 1 || (length == 1 && (unsigned char)path[i] >= 0x20 && path[i] != '%' && path[i] != 0x7f);
        if (plain) {
            memcpy(out, path + i, length);
            out += length;
            i += length;
        } else {
            out += sprintf(out, "%%%02X", (unsigned char)path[i++]);
        }
    }
    *out = '\0';
    if (!paths) paths = cJSON_AddArrayToObject(request, "paths");
    cJSON *item = paths ? cJSON_CreateString(text) : NULL;
    free(text);
    if (item && cJSON_AddItemToArray(paths, item)) return true;
    cJSON_Delete(item);
    return false;
}

static int digit(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

bool control_path_decode(char *text) {
    char *out = text;
    for (const char *in = text; *in; in++) {
        if (*in != '%') {
            *out++ = *in;
            continue;
        }
        int high = digit(in[1]), low = high >= 0 ? digit(in[2]) : -1;
        if (low < 0 || high + low == 0) return false;
        *out++ = (char)(16 * high + low);
        in += 2;
    }
    *out = '\0';
    return true;
}

bool control_ask(struct control_link *link, cJSON *request, struct error *error) {
    char *text = request ? cJSON_PrintUnformatted(request) : NULL;
    cJSON_Delete(request);
    if (!text) return error_memory(error);
    size_t n = strlen(text), sent = 0;
    text[n] = '\n'; /* in place of its zero */
    while (sent <= n) {
        ssize_t done = send(link->fd, text + sent, n + 1 - sent, MSG_NOSIGNAL);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) break;
        sent += (size_t)done;
    }
    int code = errno;
    cJSON_free(text);
    if (sent > n) return true;
    error_system(error, code, "cannot send to the running engine");
    if (error) error->code = EPIPE;
    return false;
}

/* Waits for more bytes. */
static bool receive(struct control_link *link, int seconds, struct error *error) {
    if (link->room - link->used < 4096) {
        size_t room = link->room ? 2 * link->room : 16384;
        char *grown = room <= 2 * (size_t)ANSWER_MAX ? realloc(link->buffer, room) : NULL;
        if (!grown) return error_memory(error);
        link->buffer = grown;
        link->room = room;
    }
    struct pollfd wait = {.fd = link->fd, .events = POLLIN};
    int ready = poll(&wait, 1, seconds > 0 ? seconds * 1000 : -1);
    if (ready < 0 && errno == EINTR) return error_system(error, EINTR, "interrupted");
    if (ready == 0) return error_system(error, ETIMEDOUT, "the running engine does not answer");
    ssize_t n = recv(link->fd, link->buffer + link->used, link->room - link->used, 0);
    if (n > 0) {
        link->used += (size_t)n;
        return true;
    }
    error_set(error, "the running engine has ended, or hung up");
    if (error) error->code = EPIPE;
    return false;
}

cJSON *control_next(struct control_link *link, int seconds, struct error *error) {
    char *end = NULL;
    size_t looked = 0;
    while (!(end = link->used > looked ? memchr(link->buffer + looked, '\n', link->used - looked) : NULL)) {
        looked = link->used;
        if (!receive(link, seconds, error)) return NULL;
    }
    size_t n = (size_t)(end - link->buffer);
    cJSON *answer = json_parse(link->buffer, n, ANSWER_MAX, CONTROL_MAX_DEPTH, error);
    if (!answer && error) error->code = EPROTO;
    link->used -= n + 1;
    memmove(link->buffer, end + 1, link->used);
    return answer;
}

cJSON *control_ask_once(struct control_link *link, cJSON *request, struct error *error) {
    if (!control_ask(link, request, error)) return NULL;
    for (;;) {
        cJSON *answer = control_next(link, REPLY_SECONDS, error);
        if (!answer) return NULL;
        bool reply = strcmp(json_string(answer, "event", ""), "reply") == 0;
        if (reply && json_bool(answer, "ok", false)) return answer;
        if (reply) error_set(error, "%s", json_string(answer, "error", "the running engine refused"));
        cJSON_Delete(answer);
        if (reply) return NULL;
    }
}
