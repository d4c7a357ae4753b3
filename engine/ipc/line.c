#include "engine/ipc/line.h"

#include "engine/ipc/message.h"

#include <errno.h>
#include <nng/nng.h>
#include <nng/protocol/pair1/pair.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define SEND_BUFFER     16
#define SEND_TIMEOUT_MS 30000
#define LOOK_MS         500 /* how often a waiting worker looks whether the engine has hung up */

struct line {
    nng_socket socket;
    atomic_bool gone;
};

static void hung_up(nng_pipe pipe, nng_pipe_ev event, void *context) {
    (void)pipe;
    (void)event;
    struct line *line = context;
    atomic_store(&line->gone, true);
}

struct line *line_dial(const char *url, struct error *error) {
    struct line *line = calloc(1, sizeof *line);
    if (!line) {
        error_memory(error);
        return NULL;
    }
    int code = nng_pair1_open(&line->socket);
    if (code != 0) {
        error_set(error, "cannot open a socket: %s", nng_strerror(code));
        free(line);
        return NULL;
    }
    code = nng_socket_set_size(line->socket, NNG_OPT_RECVMAXSZ, MESSAGE_TO_WORKER);
    if (code == 0) code = nng_socket_set_int(line->socket, NNG_OPT_SENDBUF, SEND_BUFFER);
    if (code == 0) code = nng_socket_set_int(line->socket, NNG_OPT_RECVBUF, SEND_BUFFER);
    if (code == 0) code = nng_socket_set_ms(line->socket, NNG_OPT_SENDTIMEO, SEND_TIMEOUT_MS);
    if (code == 0) code = nng_pipe_notify(line->socket, NNG_PIPE_EV_REM_POST, hung_up, line);
    if (code == 0) code = nng_dial(line->socket, url, NULL, 0);
    if (code == 0) return line;
    error_set(error, "cannot reach the engine at %s: %s", url, nng_strerror(code));
    return NULL; /* the socket stays open, and `line` with it: closing can hang, and the process is about to end */
}

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool line_is_gone(const struct line *line) {
    return atomic_load(&line->gone);
}

cJSON *line_receive(struct line *line, int timeout_ms, struct error *error) {
    int64_t deadline = now_ms() + timeout_ms;
    nng_msg *raw = NULL;
    int code;
    for (;;) {
        bool gone = atomic_load(&line->gone); /* asked first: what came before the end is still received */
        int64_t left = timeout_ms < 0 ? LOOK_MS : deadline - now_ms();
        if (left > LOOK_MS) left = LOOK_MS;
        if (left < 0 || gone) left = 0;
        code = nng_socket_set_ms(line->socket, NNG_OPT_RECVTIMEO, (nng_duration)left);
        if (code == 0) code = nng_recvmsg(line->socket, &raw, left == 0 ? NNG_FLAG_NONBLOCK : 0);
        if (code == 0) break;
        if (code == NNG_EINTR) continue;
        if (code != NNG_ETIMEDOUT && code != NNG_EAGAIN) {
            error_set(error, "cannot receive from the engine: %s", nng_strerror(code));
            if (error) error->code = EPIPE;
            return NULL;
        }
        if (gone) {
            error_system(error, EPIPE, "the engine has hung up");
            return NULL;
        }
        if (timeout_ms >= 0 && now_ms() >= deadline) {
            error_system(error, ETIMEDOUT, "no message came");
            return NULL;
        }
    }
    cJSON *message = message_parse(nng_msg_body(raw), nng_msg_len(raw), MESSAGE_TO_WORKER, error);
    nng_msg_free(raw);
    if (!message && error) error->code = EPROTO;
    return message;
}

bool line_send(struct line *line, const cJSON *message, struct error *error) {
    size_t n;
    char *text = message_print(message, MESSAGE_FROM_WORKER, &n, error);
    if (!text) {
        if (error) error->code = EMSGSIZE;
        return false;
    }
    nng_msg *raw;
    int code = atomic_load(&line->gone) ? NNG_ECLOSED : nng_msg_alloc(&raw, 0);
    if (code == 0) {
        code = nng_msg_append(raw, text, n);
        if (code == 0) code = nng_sendmsg(line->socket, raw, 0);
        if (code != 0) nng_msg_free(raw);
    }
    cJSON_free(text);
    if (code == 0) return true;
    error_set(error, "cannot send to the engine: %s", nng_strerror(code));
    if (error) error->code = EPIPE;
    return false;
}

void line_finish(struct line *line) {
    /* NNG 1.5 says that a message is sent when it has taken it, not when it has written it. */
    if (line) nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
}
